"""A thread that ends gives its connection back: SQLite, libSQL and Turso, whose wrappers hold one for each thread."""

from __future__ import annotations

import os
from threading import get_ident
from typing import Any

from ..patching.registry import hook


class _Owner:
    """Lives as long as its thread, in the thread's own storage, and closes the connection then."""

    def __init__(self, wrapper: Any, connection: Any) -> None:
        self.connection = connection
        self._connections, self._lock = wrapper._conns, wrapper._conns_lock
        self._thread, self._process = get_ident(), os.getpid()

    def __del__(self) -> None:
        if os.getpid() != self._process:
            # A fork ends the threads of the parent in the child: their connections are the parent's.
            return
        with self._lock:
            if self._connections.get(self._thread) is self.connection:
                del self._connections[self._thread]
        # Of a server: nobody is there to wait for its goodbye.
        getattr(self.connection, "close_soon", self.connection.close)()


@hook("dorm.db.backends.sqlite:SQLiteDatabaseWrapper", "get_connection")
def ended_threads(original: Any, wrapper: Any) -> Any:
    """Close the connection of a thread that ends, not when another thread gets its number."""
    return owned(wrapper, original(wrapper))


def owned(wrapper: Any, connection: Any) -> Any:
    """Have the connection closed when this thread ends, and return it."""
    owner = getattr(wrapper._local, "owner", None)
    if hasattr(connection, "close") and (owner is None or owner.connection is not connection):
        wrapper._local.owner = _Owner(wrapper, connection)
    return connection
