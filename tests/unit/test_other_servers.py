"""Servers that speak the protocol of another database are recognized by their version."""

from __future__ import annotations

import pytest

from dorm_vector.dialects.shared.other_servers import other_server

VERSIONS = {
    # https://www.cockroachlabs.com/docs/stable/functions-and-operators#system-info-functions
    "CockroachDB CCL v25.1.5 (x86_64-pc-linux-gnu, built 2025/04/28 16:37:05, go1.22.8)": "CockroachDB",
    "CockroachDB OSS v22.2.19 (aarch64-unknown-linux-gnu, built 2024/02/26 12:00:00, go1.19)": "CockroachDB",
    # https://docs.yugabyte.com/preview/releases/
    "PostgreSQL 11.2-YB-2.18.0.1-b0 on x86_64-pc-linux-gnu, compiled by clang version 15.0.3, 64-bit": "YugabyteDB",
    "PostgreSQL 15.2-YB-2.25.0.0-b0 on aarch64-unknown-linux-gnu, compiled by clang version 17.0.6": "YugabyteDB",
    # https://docs.pingcap.com/tidb/stable/information-functions/
    "8.0.11-TiDB-v8.5.1": "TiDB",
    "5.7.25-TiDB-v7.1.5-serverless": "TiDB",
    # https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-postgresql-compatibility.html
    "PostgreSQL 16": "Aurora DSQL",
    # https://www.postgresql.org/docs/current/functions-info.html
    "PostgreSQL 18.4 on x86_64-pc-linux-gnu, compiled by gcc (Debian 14.2.0-19) 14.2.0, 64-bit": "",
    "PostgreSQL 18beta1 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 11.5.0, 64-bit": "",
    # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Updates.html
    "PostgreSQL 16.6 on x86_64-pc-linux-gnu, compiled by x86_64-pc-linux-gnu-gcc (GCC) 10.5.0, 64-bit": "",
    # https://mariadb.com/docs/server/reference/sql-functions/secondary-functions/information-functions/version
    "11.8.6-MariaDB-0+deb13u1 from Debian": "",
    "9.7.4": "",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_tells_its_server(version: str) -> None:
    assert other_server(version) == VERSIONS[version]
