"""Run one ``dorm migrate`` at a time: the next one waits, and then sees what the first one applied."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from ...engines.sqlite.locking import begin
from ...engines.turso.driver import is_open_elsewhere
from ...patching.registry import repair
from ...patching.stand_ins import Statements

_log = logging.getLogger("dorm.migrations")

# One lock per database; lock names have at most 64 characters.
_NAME = "CONCAT('dorm_migrate_', LEFT(SHA2(DATABASE(), 256), 40))"

_GET = f"SELECT GET_LOCK({_NAME}, 10) AS got"
_RELEASE = f"SELECT RELEASE_LOCK({_NAME}) AS released"

# pyturso allows one process per file, so this waits until the other migration ends.
_SECONDS_FOR_TURSO = 60.0


def _waits_on_mysql() -> bool:
    connection = Statements("mysql", [{"got": 1}])
    with sys.modules["dorm.migrations.executor"]._migration_lock(connection):
        return "GET_LOCK" in "".join(connection)


@repair("dorm.migrations.executor", "_migration_lock", is_fixed=_waits_on_mysql)
@contextmanager
def one_migration_at_a_time(original: Any, connection: Any) -> Iterator[None]:
    """Make a ``dorm migrate`` wait for another one on the same database.

    Symptom: if two run at the same time on MariaDB and MySQL, a RunPython runs twice, and tables are created twice; on
    SQLite and libSQL, one fails with ``table already exists``. Cause: djanorm locks only on PostgreSQL; on other
    databases, both read the list of applied migrations before the first one begins. djanorm 4.3 to 4.5.
    """
    _wait_for_turso(connection)
    # The original comes first, because its PRAGMA on SQLite must run before the transaction begins.
    with original(connection), _held(connection):
        yield


class _Transaction(Statements):
    def atomic(self) -> Any:
        return self


def _locks_until_commit() -> bool:
    connection = _Transaction("postgresql")
    with sys.modules["dorm.migrations.executor"]._migration_lock(connection):
        pass
    return "unlock" not in "".join(connection)


@repair("dorm.migrations.executor", "_migration_lock", is_fixed=_locks_until_commit)
@contextmanager
def migration_lock_until_commit(original: Any, connection: Any) -> Iterator[None]:
    """Hold the lock of ``dorm migrate`` on PostgreSQL until its transaction ends, and no longer.

    Symptom: of two that run at the same time, one fails with ``duplicate key value violates unique constraint
    "pg_type_typname_nsp_index"``, or applies a migration again; after one that failed in a process that lives on, all
    others wait forever. Cause: djanorm unlocks before the COMMIT, so that the next one does not see what this one
    applied, and cannot unlock in a failed transaction. djanorm 4.3 to 4.5.
    """
    if connection.vendor != "postgresql":
        with original(connection):
            yield
        return
    number = sys.modules["dorm.migrations.executor"]._DORM_MIGRATION_LOCK_ID
    with connection.atomic():
        connection.execute(f"SELECT pg_advisory_xact_lock({number})")
        yield


def _held(connection: Any) -> AbstractContextManager[Any]:
    if connection.vendor == "mysql":
        return _named_lock(connection)
    return nullcontext() if connection.vendor == "postgresql" else _write_lock(connection)


@contextmanager
def _named_lock(connection: Any) -> Iterator[None]:
    while connection.execute(_GET)[0]["got"] != 1:
        _log.info("Waiting for another dorm migrate on this database.")
    try:
        yield
    finally:
        # If the connection is lost, the server releases the lock.
        connection.execute(_RELEASE)


@contextmanager
def _write_lock(connection: Any) -> Iterator[None]:
    """Run all migrations in one transaction, as djanorm does on PostgreSQL, so that no other connection writes."""
    raw = connection.get_connection()
    if not raw.in_transaction:
        begin(raw, connection, "IMMEDIATE")
    with connection.atomic():
        yield


def _wait_for_turso(connection: Any) -> None:
    if connection.vendor != "libsql":
        return
    deadline = time.monotonic() + _SECONDS_FOR_TURSO
    while True:
        try:
            connection.get_connection()
        except Exception as error:
            if not is_open_elsewhere(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
