"""What docs/howto/back-up.md says of dumps of MariaDB and MySQL: which form of which program keeps vectors."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from backends import mariadb, mysql
from backends.servers import debian
from backends.servers.mysql_protocol import client_arguments
from dorm_vector import bulk_load
from tests.databases import Database
from tests.models import Package

# A byte that is no UTF-8, a quotation mark, a backslash and NUL are in their float32.
VALUES = [[float(n), -1.5, 2.3125, 1e-30, *[n / 7] * 12] for n in range(1, 31)]
HEXADECIMAL = ["--hex-blob"]
PLAIN: list[str] = []


@pytest.fixture
def packages(db: Database) -> Database:
    bulk_load(Package, [{"section": str(n), "embedding": value} for n, value in enumerate(VALUES)])
    return db


def restored(database: Database, dump: list[str], load: list[str]) -> list[list[float]]:
    """Dump the database, load it into a new one, and return the vectors there."""
    there = database.running.new_database()
    command = [*dump, "--single-transaction", *client_arguments(database.settings)]
    dumped = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    subprocess.run([*load, *client_arguments(there)], check=True, input=dumped.stdout)
    replace(database, settings=there).use()
    found = [list(row.embedding) for row in Package.objects.order_by("pk")]
    assert Package.objects.nearest("embedding", VALUES[6])[:1][0].section
    database.use()
    database.running.drop_database(there)
    return found


@pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", "mariadb", reason="it is MySQL's program")
def test_mysqldump(packages: Database) -> None:
    load, dump = mysql.PROGRAMS.command(mysql.PROGRAMS.client), mysql.PROGRAMS.command("mysqldump")
    stored = [list(row.embedding) for row in Package.objects.order_by("pk")]
    for form in (HEXADECIMAL, PLAIN):
        assert restored(packages, [*dump, *form], load) == stored


@pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", "mysql", reason="it is MariaDB's program")
def test_mariadb_dump(packages: Database) -> None:
    """The program of Debian 12 knows no vectors: it writes zeros, without an error."""
    load = mariadb.PROGRAMS.command(mariadb.PROGRAMS.client)
    stored = [list(row.embedding) for row in Package.objects.order_by("pk")]
    new, old = (
        debian.command(debian.unpacked(suite, ("mariadb-client",)), "mariadb-dump") for suite in ("trixie", "bookworm")
    )
    for dump in ([*new, *HEXADECIMAL], [*new, *PLAIN], [*old, *HEXADECIMAL]):
        assert restored(packages, dump, load) == stored
    assert restored(packages, [*old, *PLAIN], load) == [[0.0] * 16] * len(VALUES)
