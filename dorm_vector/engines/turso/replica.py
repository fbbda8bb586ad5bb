"""Replicas of a Turso server: thread-safe pyturso connections, push and pull."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from dorm.exceptions import ImproperlyConfigured, OperationalError, ProgrammingError
from turso.lib import Cursor, Error
from turso.lib_sync import ConnectionSync, _run_op, connect_sync

SECONDS = 30.0
"""How long a new connection or a pull waits for open transactions of other connections."""


class Replica:
    """One replica in this process: the state its connections share, and which of them may run."""

    def __init__(self, url: str, database: Any, http: Any) -> None:
        self.url, self.database, self.http = url, database, http
        self.connections: WeakSet[ReplicaConnection] = WeakSet()
        # pyturso has one queue of server operations. Code that also calls quiet() takes this lock first.
        self.asking = threading.RLock()
        self._quiet = threading.Condition()
        self._running = self._waiting = 0
        self._in_transaction: WeakSet[ReplicaConnection] = WeakSet()

    def ask(self, operation: Any) -> Any:
        """Run an operation of the replica itself, which may contact the server."""
        return _run_op(self.database, operation, self.http)

    @contextmanager
    def statement(self, connection: ReplicaConnection) -> Iterator[None]:
        """Run a statement concurrently with others, but after waiting quiet() blocks, unless it is in a transaction."""
        with self._quiet:
            if connection not in self._in_transaction:
                self._quiet.wait_for(lambda: not self._waiting)
            self._running += 1
        try:
            yield
        finally:
            with self._quiet:
                self._running -= 1
                self._note(connection)
                self._quiet.notify_all()

    def _note(self, connection: ReplicaConnection) -> None:
        if connection in self.connections and connection.in_transaction:
            self._in_transaction.add(connection)
        else:
            self._in_transaction.discard(connection)

    @contextmanager
    def quiet(self, what: str) -> Iterator[None]:
        """Run while no other statement runs and no transaction is open."""
        with self._quiet:
            self._waiting += 1
            try:
                if not self._quiet.wait_for(lambda: not (self._running or self._in_transaction), SECONDS):
                    raise OperationalError(
                        f"Turso: {what} waited {SECONDS:.0f} seconds for a transaction of another connection to end. "
                        "Keep transactions short, or open this thread's connection before one begins."
                    )
                yield
            finally:
                self._waiting -= 1
                self._quiet.notify_all()


class ReplicaCursor(Cursor):
    """A cursor whose calls all count as statements of the replica."""

    def execute(self, *args: Any) -> Any:
        with self._statement():
            return super().execute(*args)

    def executemany(self, *args: Any) -> Any:
        with self._statement():
            return super().executemany(*args)

    def executescript(self, *args: Any) -> Any:
        with self._statement():
            return super().executescript(*args)

    def fetchone(self) -> Any:
        with self._statement():
            return super().fetchone()

    def fetchmany(self, *args: Any) -> list[Any]:
        with self._statement():
            return super().fetchmany(*args)

    def fetchall(self) -> list[Any]:
        with self._statement():
            return super().fetchall()

    def close(self) -> None:
        with self._statement():
            super().close()

    def _statement(self) -> AbstractContextManager[None]:
        connection: ReplicaConnection = self.connection  # type: ignore[assignment]  # the connection that created it
        return connection.replica.statement(connection)


class ReplicaConnection(ConnectionSync):
    """A pyturso connection to a replica, one of several in this process."""

    def __init__(self, replica: Replica, isolation_level: str | None) -> None:
        with replica.asking, replica.quiet("a new connection to a replica"):
            connection = replica.ask(replica.database.connect())
        super().__init__(connection, sync=replica.database, http_ctx=replica.http, isolation_level=isolation_level)
        self.replica = replica
        replica.connections.add(self)

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or ReplicaCursor)

    def batch(self, *args: Any, **options: Any) -> Any:
        with self.replica.statement(self):
            return super().batch(*args, **options)

    def commit(self) -> None:
        with self.replica.statement(self):
            super().commit()

    def rollback(self) -> None:
        with self.replica.statement(self):
            super().rollback()

    def close(self) -> None:
        with self.replica.statement(self):
            self.replica.connections.discard(self)
            super().close()

    def push(self) -> None:
        """Send local commits to the server."""
        self._refuse_in_a_transaction("push()")
        replica = self.replica
        with _naming("push to", replica.url, "What was written stays here, to be pushed later."), replica.asking:
            replica.ask(replica.database.push_changes())

    def pull(self) -> bool:
        """Fetch the changes that others pushed, and return whether there were any."""
        self._refuse_in_a_transaction("pull()")
        replica = self.replica
        with _naming("pull from", replica.url, "What is here can be used as it is."), replica.asking:
            changes = replica.ask(replica.database.wait_changes())
            if changes.empty():
                return False
            with replica.quiet("pull()"):
                replica.ask(replica.database.apply_changes(changes))
            return True

    def _refuse_in_a_transaction(self, what: str) -> None:
        if self.in_transaction:
            raise ProgrammingError(f"Turso: {what} was called in a transaction, which it would not see. Call it after.")


# A replica is freed with its last connection, which releases the lock on its file.
_replicas: WeakValueDictionary[tuple[str, str], Replica] = WeakValueDictionary()

_opening = threading.Lock()


def forget() -> list[Replica]:
    """Start without replicas in a forked child, and return the parent's."""
    global _opening  # noqa: PLW0603  # another thread may have held it
    _opening = threading.Lock()
    parents = list(_replicas.values())
    _replicas.clear()
    return parents


def connect(path: str, *, remote_url: str, isolation_level: str | None = "DEFERRED", **options: Any) -> Any:
    """Open another connection to a replica; the first one creates the replica.

    Raises:
        OperationalError: There is no replica yet, and the server does not respond.
    """
    key = (path if path == ":memory:" else str(Path(path).absolute()), remote_url)
    with _opening:
        replica = _replicas.get(key)
        if replica is None or not replica.connections:
            replica = _replicas[key] = _opened(path, remote_url, options)
        return ReplicaConnection(replica, isolation_level)


def _opened(path: str, url: str, options: dict[str, Any]) -> Replica:
    _refuse_another_database(path)
    with _naming("replica of", url, "A replica's first connection needs its server."):
        first = connect_sync(path, url, **options)
    database, http = first._sync, first._http_ctx
    first.close()
    return Replica(url, database, http)


def _refuse_another_database(path: str) -> None:
    files = [Path(path + suffix) for suffix in ("", "-wal")]
    if not Path(f"{path}-info").exists() and any(file.exists() and file.stat().st_size for file in files):
        raise ImproperlyConfigured(
            f"Turso: {path} is a database, and no replica: with SYNC_URL its tables would be replaced by the server's. "
            "Give the replica a NAME of its own, and copy the rows over."
        )


@contextmanager
def _naming(what: str, url: str, then: str) -> Iterator[None]:
    """Name the server in errors, without credentials before its host."""
    try:
        yield
    except Error as error:
        raise OperationalError(f"Turso: {what} {re.sub('//[^/]*@', '//', url)} failed: {error}. {then}") from error
