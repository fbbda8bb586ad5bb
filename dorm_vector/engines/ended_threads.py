"""Close a thread's connection when the thread ends: SQLite, libSQL and Turso hold one per thread."""

from __future__ import annotations

import os
from threading import get_ident
from typing import Any

from ..patching.registry import hook


class _Owner:
    """An object in the thread's own storage that closes the connection when the thread ends."""

    def __init__(self, wrapper: Any, connection: Any) -> None:
        # No reference to the connection: Turso unlocks a file only when a closed connection is gone.
        self.identity = id(connection)
        self._connections, self._lock = wrapper._conns, wrapper._conns_lock
        self._thread, self._process = get_ident(), os.getpid()

    def __del__(self) -> None:
        if os.getpid() != self._process:
            # In a forked child, the parent's other threads end, but their connections belong to the parent.
            return
        with self._lock:
            connection = self._connections.get(self._thread)
            if connection is None or id(connection) != self.identity:
                return
            del self._connections[self._thread]
        # A connection to a server closes without waiting for the answer.
        getattr(connection, "close_soon", connection.close)()


@hook("dorm.db.backends.sqlite:SQLiteDatabaseWrapper", "get_connection")
def ended_threads(original: Any, wrapper: Any) -> Any:
    """Close a thread's connection when the thread ends, not when another thread reuses its identifier."""
    return owned(wrapper, original(wrapper))


def owned(wrapper: Any, connection: Any) -> Any:
    """Return the connection, which is closed when this thread ends."""
    owner = getattr(wrapper._local, "owner", None)
    if hasattr(connection, "close") and (owner is None or owner.identity != id(connection)):
        wrapper._local.owner = _Owner(wrapper, connection)
    return connection
