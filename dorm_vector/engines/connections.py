"""Prepare each connection for vectors when djanorm creates its wrapper."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import Any
from uuid import UUID

from dorm.db import connection as dorm_connections

from ..dialects import dialect_named
from ..patching import registry
from ..patching.on_import import Late
from ..patching.registry import hook
from . import forking
from .limits import setting
from .postgresql import adapters

extension: Any = Late(f"{__package__}.sqlite.extension")


def _nothing() -> None:
    """Do nothing, because most drivers bind bytes as they are."""


@cache
def _bind_uuids() -> None:
    """Bind UUIDs as text, which is how djanorm stores them; it passes the keys of many-to-many relations as they are.

    A program that stores them otherwise has registered its own adapter.
    """
    import sqlite3

    if (UUID, sqlite3.PrepareProtocol) not in sqlite3.adapters:
        sqlite3.register_adapter(UUID, str)


_DRIVERS: dict[str, Callable[[], None]] = {
    "dorm.db.backends.postgresql": adapters.register,
    "dorm.db.backends.sqlite": _bind_uuids,
}


@hook("dorm.db.connection", "_create_sync_connection", name="prepare_connections")
@hook("dorm.db.connection", "_create_async_connection", name="prepare_connections")
def prepare_connections(original: Any, alias: str, settings: Any) -> Any:
    """Prepare every connection for vectors, sync and async, in every thread and process.

    Symptom: ``no such function: vec_distance_l2`` in another thread, on an async connection, or in a process that did
    not run the migration. Cause: djanorm loads sqlite-vec only if a flag is set, and only the migration sets it.
    djanorm 4.3 to 4.5.
    """
    wrapper = original(alias, settings)
    prepare(wrapper)
    return wrapper


def prepare(wrapper: Any) -> None:
    """Install the patches of the wrapper's backend, and register what its driver needs."""
    for cls in type(wrapper).__mro__:
        registry.install(cls.__module__)
        _DRIVERS.get(cls.__module__, _nothing)()
    setting.limit(wrapper)
    forking.watch(wrapper)


def prepare_open_connections() -> None:
    """Prepare the wrappers that djanorm created before dorm_vector was imported, and their open connections."""
    for wrapper in [*dorm_connections._sync_connections.values(), *dorm_connections._async_connections.values()]:
        prepare(wrapper)
        _OPENED.get(type(wrapper).__module__, _leave)(wrapper)


def _leave(wrapper: Any) -> None:
    """Do nothing, because most drivers keep nothing for a connection."""


def _load_into_open(wrapper: Any) -> None:
    extension.load_into_open(wrapper)


def _replace(wrapper: Any) -> None:
    """Recreate the wrapper of djanorm's async libsql engine, whose class has been replaced."""
    opened = dorm_connections._async_connections
    for alias in [alias for alias, known in opened.items() if known is wrapper]:
        opened[alias] = dorm_connections._create_async_connection(alias, wrapper.settings)


_OPENED: dict[str, Callable[[Any], None]] = {
    "dorm.db.backends.postgresql": adapters.register_on_open,
    "dorm.db.backends.sqlite": _load_into_open,
    "dorm.db.backends.libsql": _replace,
}


def alias_of(wrapper: Any) -> str:
    """Return the alias that a connection was created for."""
    known = [*dorm_connections._sync_connections.items(), *dorm_connections._async_connections.items()]
    for alias, open_wrapper in known:
        if open_wrapper is wrapper:
            return str(alias)
    raise LookupError(f"{wrapper!r} is the connection of no database in DATABASES.")


@hook("dorm.db.backends.sqlite:SQLiteDatabaseWrapper", "_new_connection", name="prepare_connections")
def _sqlite_connection(original: Any, wrapper: Any) -> Any:
    # This comes first, so that the new connection already has the auto extension.
    extension.sqlite_vec_tier()
    raw = original(wrapper)
    with ExitStack() as on_failure:
        on_failure.callback(raw.close)
        extension.load_sqlite_vec_extension(raw)
        on_failure.pop_all()
    return raw


@hook("dorm.db.backends.sqlite:SQLiteAsyncDatabaseWrapper", "_new_connection", name="prepare_connections")
async def _sqlite_async_connection(original: Any, wrapper: Any) -> Any:
    extension.sqlite_vec_tier()
    connection = await original(wrapper)
    # The raw connection may be used only in aiosqlite's own thread.
    await connection._execute(extension.load_sqlite_vec_extension, connection._conn)
    return connection


@hook("dorm.db.utils", "_is_transient")
def only_lost_connections(original: Any, error: BaseException) -> bool:
    """Do not retry what the server canceled on request: the connection was not lost."""
    is_canceled = getattr(error, "sqlstate", None) in dialect_named("postgresql").limits.told
    return not is_canceled and bool(original(error))


def in_transaction(connection: Any) -> bool:
    if hasattr(connection, "_in_async_atomic"):
        return bool(connection._in_async_atomic())
    return bool(getattr(connection, "_atomic_depth", 0)) or getattr(connection, "_atomic_conn", None) is not None


def is_in_memory(connection: Any) -> bool:
    """Return whether each thread has its own in-memory database."""
    return str(getattr(connection, "database", "server")) in ("", ":memory:")
