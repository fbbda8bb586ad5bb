"""Servers that speak the protocol of a database of ours, and that the tests never ran on."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from ...exceptions import UntestedDatabase, frames_inside


@dataclass(frozen=True)
class OtherServer:
    """A server, and what its version looks like."""

    title: str
    version: re.Pattern[str]


OTHER_SERVERS = (
    # https://www.cockroachlabs.com/docs/stable/functions-and-operators#system-info-functions
    OtherServer("CockroachDB", re.compile(r"CockroachDB ")),
    # https://docs.yugabyte.com/preview/api/ysql/
    OtherServer("YugabyteDB", re.compile(r"-YB-\d")),
    # https://docs.pingcap.com/tidb/stable/information-functions/
    OtherServer("TiDB", re.compile(r"-TiDB-")),
    # https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-postgresql-compatibility.html
    # PostgreSQL itself continues with its minor version and the machine that it was built for.
    OtherServer("Aurora DSQL", re.compile(r"^PostgreSQL \d+$")),
)

_warned: set[str] = set()


def other_server(version: str) -> str:
    """Return the name of the server that reports this version; "" for PostgreSQL, MariaDB and MySQL."""
    return next((server.title for server in OTHER_SERVERS if server.version.search(version)), "")


def warned_of(version: str) -> bool:
    """Return whether a version is that of another server, and warn of each such server once per process."""
    title = other_server(version)
    if title and title not in _warned:
        _warned.add(title)
        warnings.warn(
            f"This server is {title}. dorm_vector was never run on it, and treats it as the database whose protocol it"
            " speaks: statements may fail, and nothing in the documentation is about it. Test what you use.",
            UntestedDatabase,
            stacklevel=frames_inside(),
        )
    return bool(title)
