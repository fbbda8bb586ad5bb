"""Let writers of one SQLite file wait for each other: the lock at the begin of a transaction, and the journal mode."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dorm.exceptions import ImproperlyConfigured

from ...patching.registry import repair
from ...patching.stand_ins import Statements

_SYNC = "dorm.db.backends.sqlite:SQLiteDatabaseWrapper"
_ASYNC = "dorm.db.backends.sqlite:SQLiteAsyncDatabaseWrapper"

_MODES = ("DEFERRED", "IMMEDIATE", "EXCLUSIVE")

# Waiting writers are not served in order: with sixteen, some wait longer than the 5 seconds of Python's sqlite3.
_SECONDS = 30.0

_READ_ONLY = "readonly"


def transaction_mode(wrapper: Any) -> str:
    """Return the lock that transactions begin with; raise ImproperlyConfigured for an unknown one."""
    default = getattr(wrapper, "default_transaction_mode", "IMMEDIATE")
    mode = wrapper.settings.get("OPTIONS", {}).get("transaction_mode") or default
    if not isinstance(mode, str) or mode.upper() not in _MODES:
        raise ImproperlyConfigured(
            f"DATABASES OPTIONS['transaction_mode'] is {mode!r}: want one of {', '.join(_MODES)}. The"
            f" default is {default}."
        )
    return mode.upper()


def _seconds(wrapper: Any) -> float:
    seconds = wrapper.settings.get("OPTIONS", {}).get("timeout", _SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 2**31 / 1000:
        raise ImproperlyConfigured(
            f"DATABASES OPTIONS['timeout'] is {seconds!r}: give seconds to wait for a lock, {_SECONDS} by default."
        )
    return float(seconds)


def normalize(error: Exception) -> None:
    """Raise djanorm's exception for a driver's, if there is one."""
    # Looked up by name, because the repaired function also handles Turso's errors.
    sys.modules["dorm.db.backends.sqlite"].normalize_db_exception(error)


def begin(connection: Any, wrapper: Any, mode: str = "") -> None:
    """Begin a transaction, and wait for the lock before anything is read that another writer could change."""
    try:
        connection.execute(f"BEGIN {mode or transaction_mode(wrapper)}")
    except Exception as error:
        if _READ_ONLY not in str(error):
            normalize(error)
            raise
        # Nothing can write to a read-only database, but a transaction may read.
        connection.execute("BEGIN")


async def abegin(connection: Any, wrapper: Any) -> None:
    try:
        await connection.execute(f"BEGIN {transaction_mode(wrapper)}")
    except Exception as error:
        if _READ_ONLY not in str(error):
            normalize(error)
            raise
        await connection.execute("BEGIN")


def _takes_the_lock() -> bool:
    from dorm.db.backends.sqlite import SQLiteDatabaseWrapper

    wrapper: Any = SQLiteDatabaseWrapper({})
    connection = Statements()
    connection.in_transaction = False  # type: ignore[attr-defined]  # sqlite3's
    wrapper.get_connection = lambda: connection
    with wrapper.atomic():
        pass
    return "BEGIN IMMEDIATE" in connection


@repair(_SYNC, "atomic", is_fixed=_takes_the_lock)
@contextmanager
def waiting_writers(original: Any, wrapper: Any) -> Iterator[None]:
    """Acquire SQLite's write lock when a transaction begins, and wait for it; put new files in WAL mode.

    Symptom: with several processes, some transactions fail immediately with ``database is locked``, whatever the
    timeout: ``bulk_load()`` with a TextIndex, ``update_or_create()``. Cause: ``BEGIN`` alone takes no lock, and a
    transaction that has read cannot wait for one, because its reads may become stale. djanorm 4.3 to 4.5.
    """
    if not wrapper._atomic_depth:
        connection = wrapper.get_connection()
        if not connection.in_transaction:
            begin(connection, wrapper)
    with original(wrapper):
        yield


@repair(_SYNC, "_new_connection", name="waiting_writers", is_fixed=_takes_the_lock)
def _connection(original: Any, wrapper: Any) -> Any:
    seconds, mode = _seconds(wrapper), transaction_mode(wrapper)
    if wrapper.vendor != "sqlite":
        # Turso's wrapper inherits this method.
        return original(wrapper)
    raw = original(wrapper)
    try:
        _prepare(raw, wrapper, seconds, mode)
    except BaseException:
        raw.close()
        raise
    return raw


@repair(_ASYNC, "_new_connection", name="waiting_writers", is_fixed=_takes_the_lock)
async def _async_connection(original: Any, wrapper: Any) -> Any:
    seconds, mode = _seconds(wrapper), transaction_mode(wrapper)
    connection = await original(wrapper)
    try:
        # The raw connection may be used only in aiosqlite's own thread.
        await connection._execute(_prepare, connection._conn, wrapper, seconds, mode)
    except BaseException:
        await asyncio.shield(connection.close())
        raise
    return connection


def _prepare(raw: Any, wrapper: Any, seconds: float, mode: str) -> None:
    raw.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
    if raw.isolation_level is not None:
        # The mode of transactions that the driver begins on its own for single statements.
        raw.isolation_level = mode
    if not wrapper.settings.get("OPTIONS", {}).get("journal_mode"):
        _keep_new_files_in_wal(raw)


def _keep_new_files_in_wal(raw: Any) -> None:
    """Put an empty file in WAL mode, so that readers and a writer do not block each other."""
    import sqlite3

    try:
        if raw.execute("PRAGMA page_count").fetchone()[0] == 0:
            raw.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        # Another connection is already writing and decides the mode, or the file is read-only.
        if not any(reason in str(error) for reason in ("locked", _READ_ONLY)):
            raise
