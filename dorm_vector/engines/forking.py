"""Open new connections in a forked child, and leave the parent's alone.

After a fork, both processes hold each open connection and share its socket. The child redirects its copy to the null
device, so nothing that it still writes there, including a protocol goodbye, reaches a server. For files, see
``forked_files``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from dorm.db import connection as dorm_connections

from ..patching.on_import import Late

forked_files: Any = Late(f"{__package__}.forked_files")

_wrappers: WeakSet[Any] = WeakSet()
_connections: WeakValueDictionary[int, Any] = WeakValueDictionary()
_pools: WeakSet[Any] = WeakSet()
_held: list[Any] = []
"""Objects of threads that the fork ends; otherwise their finalizers would run in the child before anything else."""
_kept: list[Any] = []
"""Objects of the parent that this process never finalizes."""
_THREAD_LOCK = type(threading.Lock())
_NAMES_OF_CONNECTIONS = ("_conn", "_pool", "_loop", "_autocommit_conn", "_async_conn", "_sync_conn", "_executor")


def watch(wrapper: Any) -> None:
    """Make the wrapper forget its connections in a forked child."""
    _wrappers.add(wrapper)


def share(connection: Any) -> Any:
    """Register an open server connection, and return it."""
    if _connections.get(id(connection)) is not connection and _driver(connection) in _DESCRIPTORS:
        # Keyed by id, because some connections are not hashable.
        _connections[id(connection)] = connection
    return connection


def share_pool(pool: Any) -> bool:
    """Register a psycopg pool, whose idle connections the child leaves alone; return whether it is new."""
    is_new = pool not in _pools and _driver(pool) == "psycopg_pool"
    if is_new:
        _pools.add(pool)
    return is_new


def keep(value: Any) -> None:
    """Never finalize an object that belongs to the parent."""
    _kept.append(value)


def _before() -> None:
    _held.extend(_connections.values())
    forked_files.note_busy_threads()


def _in_parent() -> None:
    _held.clear()


def _in_child() -> None:
    """Leave all connections to the parent, and start without any."""
    _never_free(_kept)
    _never_free(parents := [*_held, *_pools, *(vars(wrapper).copy() for wrapper in _wrappers)])
    _held.clear()
    _cut([*_connections.values(), *(connection for pool in _pools for connection in pool._pool)])
    parents.extend(_threads_own(wrapper) for wrapper in _wrappers)
    _connections.clear()
    _pools.clear()
    wrappers = list(_wrappers)
    files = forked_files.leave(wrappers)
    for wrapper in wrappers:
        _forget(wrapper)
    files.restore()
    _forget_process_wide(parents)


def _never_free(value: Any) -> None:
    # An extra reference keeps finalizers from running, even at interpreter exit.
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def _threads_own(wrapper: Any) -> list[Any]:
    return [vars(value).copy() for value in vars(wrapper).values() if isinstance(value, threading.local)]


def _cut(connections: list[Any]) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for connection in connections:
        # Keep the descriptor number in use, so that nothing else gets it while the parent's objects refer to it.
        if (descriptor := _descriptor(connection)) >= 0:
            os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)


def _descriptor(connection: Any) -> int:
    """Return the descriptor of the socket, or -1 if it is closed."""
    return int(_DESCRIPTORS[_driver(connection)](connection))


def _driver(connection: Any) -> str:
    return type(connection).__module__.partition(".")[0]


_DESCRIPTORS: dict[str, Any] = {
    "psycopg": lambda connection: -1 if connection.closed else connection.fileno(),
    "pymysql": lambda connection: connection._sock.fileno() if connection._sock else -1,
    "aiomysql": lambda connection: _of_transport(connection._writer.transport) if connection._writer else -1,
    "dorm_vector": lambda transport: getattr(transport, "descriptor", -1),
}


def _of_transport(transport: Any) -> int:
    socket = transport.get_extra_info("socket")
    return -1 if socket is None else int(socket.fileno())


def _forget(wrapper: Any) -> None:
    """Reset the wrapper to its state before the first connection."""
    attributes = vars(wrapper)
    attributes.update({name: _unused(name, value) for name, value in attributes.items()})


def _unused(name: str, value: Any) -> Any:
    if isinstance(value, asyncio.Lock | threading.local):
        return type(value)()
    if isinstance(value, _THREAD_LOCK):
        return threading.Lock()
    if name in ("_conns", "_loops"):
        return {}
    if name in _NAMES_OF_CONNECTIONS:
        return None
    return 0 if name == "_atomic_depth" else value


def _forget_process_wide(parents: list[Any]) -> None:
    # Another thread may have held the lock at the fork.
    dorm_connections._sync_lock = threading.Lock()
    if utils := sys.modules.get("dorm.db.utils"):
        utils.ASYNC_ATOMIC_STATE.set(None)
    if task_pool := sys.modules.get("dorm.contrib.task_pool"):
        task_pool._PINNED_STATE.set(None)
    if replicas := sys.modules.get("dorm_vector.engines.turso.replica"):
        parents.extend(replicas.forget())


# Windows has no fork and no register_at_fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
