"""Database files that a forked child inherits open: SQLite, libSQL and Turso.

File locks belong to a process, but the driver tracks them in memory, which the fork copies. While that copy exists, a
new connection in the child assumes that it holds locks that only the parent holds. Its writes are lost when the parent
closes the file. So the child closes its copy if it is idle, and otherwise refuses to open the file.

https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_file_across_a_fork_
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

from dorm.exceptions import OperationalError

_MEMORY = ("", ":memory:")
# Modules whose code may be inside a driver call.
_WORKS = ("dorm.db.backends.", "dorm_vector.engines.libsql.", "aiosqlite.", "turso.", "sqlite3.")
_busy: set[int] = set()
_tursos: WeakSet[Any] = WeakSet()


def share(connection: Any) -> Any:
    """Register a Turso connection, and return it; its file stays open while it lives, even after close()."""
    if not hasattr(connection, "replica"):
        _tursos.add(connection)
    return connection


@dataclass
class Opened:
    """A connection of the parent to a file."""

    wrapper: Any
    connection: Any
    thread: int | None
    is_busy: bool


@dataclass
class Left:
    """What the child continues with: in-memory copies, and files that it refuses to open."""

    copies: list[Opened] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    wrappers: list[Any] = field(default_factory=list)

    def restore(self) -> None:
        """Give the wrappers, which no longer hold connections, their state in this process."""
        for opened in self.copies:
            opened.wrapper._local.conn = opened.connection
            opened.wrapper._conns[opened.thread] = opened.connection
        for wrapper in self.wrappers:
            if (file := _file(wrapper)) in self.refused:
                wrapper._new_connection = partial(_arefuse if _is_async(wrapper) else _refuse, file)


def note_busy_threads() -> None:
    """Record, before a fork, which other threads may be inside a driver."""
    _busy.clear()
    here = threading.get_ident()
    _busy.update(thread for thread, frame in sys._current_frames().items() if thread != here and any(_works(frame)))


def _works(frame: Any) -> Iterator[bool]:
    while frame is not None:
        yield frame.f_globals.get("__name__", "").startswith(_WORKS)
        frame = frame.f_back


def leave(wrappers: list[Any]) -> Left:
    """Close or keep the connections that the parent had open."""
    left = Left(wrappers=[wrapper for wrapper in wrappers if hasattr(wrapper, "database")])
    kept = []
    for opened in [opened for wrapper in left.wrappers for opened in _opened(wrapper)]:
        if (file := _file(opened.wrapper)) in _MEMORY:
            # The fork copied the memory, so the child owns its copy.
            left.copies += [opened] if opened.thread == threading.get_ident() else []
        elif opened.is_busy or opened.connection.in_transaction:
            left.refused.add(file)
        else:
            _close(opened.connection)
            continue
        kept.append(opened.connection)
    for connection in set(_tursos).difference(kept):
        _close(connection)
    return left


def _opened(wrapper: Any) -> Iterator[Opened]:
    for thread, connection in vars(wrapper).get("_conns", {}).items():
        if (inner := _blocking(connection)) is not None:
            yield Opened(wrapper, inner, thread, thread in _busy)
    for here in vars(wrapper).get("_loops", {}).values():
        lock, connection = here.get("_lock"), here.get("_conn")
        if connection is not None and (inner := _blocking(connection)) is not None:
            yield Opened(wrapper, inner, None, lock is not None and lock.locked())


def _blocking(connection: Any) -> Any:
    """Return the blocking connection inside an async one; None if it has no file."""
    kind = f"{type(connection).__module__}.{type(connection).__name__}"
    if kind == "aiosqlite.core.Connection":
        return connection._connection
    if kind == "dorm_vector.engines.libsql.async_connection.AsyncConnection":
        connection = connection._connection
    elif kind.startswith("turso.") and hasattr(connection, "_queue"):
        connection = connection._conn
    if hasattr(connection, "replica") or not getattr(connection, "has_file", True):
        return None
    return connection if hasattr(connection, "in_transaction") else None


def _close(connection: Any) -> None:
    if type(connection).__module__.startswith("turso."):
        # close() would checkpoint the WAL into the file, which the parent still writes to; dropping it does nothing.
        connection._conn = None
        return
    if type(connection).__module__ == "sqlite3":
        # Calling __init__ again closes the file from any thread; aiosqlite's thread no longer exists.
        connection.__init__(":memory:", check_same_thread=False)
    connection.close()


def _file(wrapper: Any) -> str:
    name = str(wrapper.database)
    return name if name in _MEMORY else str(Path(name.removeprefix("file:")).absolute())


def _is_async(wrapper: Any) -> bool:
    return hasattr(wrapper, "aatomic")


def _refuse(file: str) -> Any:
    raise OperationalError(
        f"This process was forked while a transaction or a statement was open on {file}. The locks of the file stay"
        " with the parent, so that a connection opened here could damage it. Fork outside of transactions, or start the"
        ' child by spawn or forkserver: multiprocessing.get_context("spawn").'
    )


async def _arefuse(file: str) -> Any:
    _refuse(file)
