"""Repairs of djanorm's engine ``libsql``, and of pyturso beneath it."""

from __future__ import annotations

import sys
from typing import Any

from ..engines.turso.driver import PATIENCE, replica_of
from ..patching.registry import repair
from ..patching.stand_ins import Statements

_MODULE = "dorm.db.backends.libsql"

_SYNC = f"{_MODULE}:LibSQLDatabaseWrapper"


@repair(_SYNC, "_new_connection", fixed_in="5.0")
def turso_patience(original: Any, wrapper: Any) -> Any:
    """Wait for the lock of another writer, as the sqlite3 module does.

    Symptom: with several threads most writes fail at once: ``database is locked``. Cause: pyturso waits for nothing
    unless told to. djanorm 4.3 to 4.5, pyturso 0.6 to 0.8.
    """
    connection = original(wrapper)
    connection.execute(PATIENCE)
    return connection


@repair(_MODULE, "_import_turso_sync", fixed_in="5.0")
def turso_replicas(original: Any) -> Any:
    """Let several threads use a replica of a server, and pull while others write.

    Symptom: with ``SYNC_URL`` most threads fail as they connect: ``database tape error: database is busy``; after a
    pull beside a writer the file is locked for ever; a database that was no replica is replaced by the server's.
    Cause: each connection of pyturso makes a replica of its own of the one file, and a pull waits for nobody.
    djanorm 4.3 to 4.5, pyturso 0.7 to 0.8.
    """
    original()
    from ..engines.turso import replica as turso_replica

    return turso_replica


class _Replica(Statements):
    """What pyturso has of a connection to a replica."""

    def pull(self) -> None:
        self.append("pull")


def _pulls() -> bool:
    wrapper, connection = sys.modules[_MODULE].LibSQLDatabaseWrapper({"SYNC_URL": "http://localhost"}), _Replica()
    wrapper.get_connection = lambda: connection
    wrapper.sync_replica()
    return bool(connection)


@repair(_SYNC, "sync_replica", name="turso_push_and_pull", is_fixed=_pulls)
def turso_push_and_pull(original: Any, wrapper: Any) -> None:
    """Fetch what others have pushed to the server of a replica, or say why not; and send what was written to it.

    Symptom: ``sync_replica()`` fetches nothing, and what is written stays in the file. Cause: it calls a method that
    pyturso does not have and hides every error, and nothing else of djanorm sends. djanorm 4.3 to 4.5.
    """
    if wrapper.sync_url:
        wrapper.pull()


@repair(_SYNC, "push", name="turso_push_and_pull", added=True, is_fixed=_pulls)
def _push(original: Any, wrapper: Any) -> None:
    replica_of(wrapper).get_connection().push()


@repair(_SYNC, "pull", name="turso_push_and_pull", added=True, is_fixed=_pulls)
def _pull(original: Any, wrapper: Any) -> bool:
    return bool(replica_of(wrapper).get_connection().pull())


@repair("dorm.db.connection", "_create_async_connection", fixed_in="5.0")
def turso_async(original: Any, alias: str, settings: Any) -> Any:
    """Give the async wrapper of Turso the rows, the transactions and the streaming of the SQLite one.

    Symptom: ``acount()`` and annotations raise TypeError on tuples; ``aatomic()`` raises AttributeError as the first
    call, deadlocks or rolls nothing back; ``aiterator(chunk_size)`` fails; ``abulk_create()`` returns no keys; each
    event loop leaves a thread and an open file behind. Cause: the wrapper opens connections another way than the
    class it inherits from, without a row factory, and commits after every statement. djanorm 4.3 to 4.5.
    """
    wrapper = original(alias, settings)
    return _as_turso_wrapper(wrapper) if type(wrapper).__module__ == _MODULE else wrapper


def _as_turso_wrapper(wrapper: Any) -> Any:
    """Return our wrapper in the place of djanorm's, which has opened nothing yet."""
    from ..engines.turso.async_wrapper import TursoAsyncWrapper

    return TursoAsyncWrapper(wrapper.settings)
