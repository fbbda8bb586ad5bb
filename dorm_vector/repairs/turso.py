"""Repairs of djanorm's engine ``libsql``, and of pyturso underneath."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

from ..engines.statements import parts
from ..engines.turso.driver import PATIENCE, replica_of
from ..patching.registry import repair
from ..patching.stand_ins import Statements

_MODULE = "dorm.db.backends.libsql"

_SYNC = f"{_MODULE}:LibSQLDatabaseWrapper"


@repair(_SYNC, "_new_connection", fixed_in="5.0")
def turso_patience(original: Any, wrapper: Any) -> Any:
    """Wait for the lock of another writer, as the sqlite3 module does.

    Symptom: with several threads, most writes fail immediately with ``database is locked``. Cause: pyturso does not
    wait for locks by default. djanorm 4.3 to 4.5, pyturso 0.6 to 0.8.
    """
    connection = original(wrapper)
    connection.execute(PATIENCE)
    return connection


@repair(_MODULE, "_import_turso_sync", fixed_in="5.0")
def turso_replicas(original: Any) -> Any:
    """Let several threads use a replica of a server, and pull while others write.

    Symptom: with ``SYNC_URL``, most threads fail to connect with ``database tape error: database is busy``; a pull
    during a write leaves the file locked permanently; a database that was not a replica is replaced by the server's.
    Cause: each pyturso connection creates its own replica of the one file, and a pull does not wait for open
    transactions. djanorm 4.3 to 4.5, pyturso 0.7 to 0.8.
    """
    original()
    from ..engines.turso import replica as turso_replica

    return turso_replica


_LEAST = -(2**63)

_MICROSECOND = timedelta(microseconds=1)


def _refuses_long_integers() -> bool:
    try:
        sys.modules["turso.lib"].Cursor._to_positional_params([-_LEAST])
    except OverflowError:
        return True
    return False


@repair("turso.lib:Cursor", "_to_positional_params", is_fixed=_refuses_long_integers)
def turso_integers(original: Any, parameters: Any) -> Any:
    """Refuse integers beyond 64 bits, as the sqlite3 module does.

    Symptom: an IntegerField is saved without an error, and read as another number, a float. Cause: pyturso rounds
    integers that do not fit. djanorm 4.3 to 4.5, pyturso 0.6 to 0.8.
    """
    values = original(parameters)
    for value in values:
        if isinstance(value, int) and not _LEAST <= value < -_LEAST:
            raise OverflowError(f"{value} does not fit into a column: an integer there has 64 bits.")
    return values


def _binds_uuids() -> bool:
    (value,) = sys.modules["turso.lib"].Cursor._to_positional_params([UUID(int=1)])
    return isinstance(value, str)


@repair("turso.lib:Cursor", "_to_positional_params", is_fixed=_binds_uuids)
def turso_uuids(original: Any, parameters: Any) -> Any:
    """Bind UUIDs as text, which is how djanorm stores them.

    Symptom: many-to-many relations of models with UUIDs as keys fail with "unexpected parameter value". Cause: djanorm
    converts the values of fields, but not these keys. djanorm 4.3 to 4.5.
    """
    values = original(parameters)
    return tuple(str(value) if type(value) is UUID else value for value in values) if _has_uuid(values) else values


def _has_uuid(values: Any) -> bool:
    return any(type(value) is UUID for value in values)


def _binds_durations() -> bool:
    (value,) = sys.modules["turso.lib"].Cursor._to_positional_params([_MICROSECOND])
    return bool(value == 1)


@repair("turso.lib:Cursor", "_to_positional_params", is_fixed=_binds_durations)
def turso_durations(original: Any, parameters: Any) -> Any:
    """Bind durations as whole microseconds, which is how djanorm stores them on SQLite.

    Symptom: a row with a DurationField cannot be saved: "unexpected parameter value". Cause: djanorm gives the
    conversion to the sqlite3 module only. djanorm 4.3 to 4.5.
    """
    values = original(parameters)
    if not any(isinstance(value, timedelta) for value in values):
        return values
    return tuple(value // _MICROSECOND if isinstance(value, timedelta) else value for value in values)


_UNUSED = re.compile(r"bind index (\d+) is out of bounds")
_PLACEHOLDER = re.compile(r"\?(\d*)")


def _binds_what_is_unused() -> bool:
    driver = sys.modules["turso.lib"]
    connection = driver.connect(":memory:")
    try:
        connection.execute("SELECT 1 WHERE 0 AND ?", (1,))
    except driver.InterfaceError:
        return False
    finally:
        connection.close()
    return True


@repair("turso.lib:Cursor", "execute", is_fixed=_binds_what_is_unused)
def turso_unused_parameters(original: Any, cursor: Any, sql: str, parameters: Any = ()) -> Any:
    """Bind the parameters of conditions and sort keys that Turso leaves out, as the sqlite3 module does.

    Symptom: ``bind index 2 is out of bounds``, at a query that sorts by a distance after the primary key, or whose
    last condition follows from another one. Cause: Turso leaves out what changes nothing and forgets its parameters;
    those that remain keep their numbers, and one after the last of them is refused. djanorm 4.3 to 4.5, pyturso 0.8.
    """
    try:
        return original(cursor, sql, parameters)
    except sys.modules["turso.lib"].InterfaceError as error:
        unused = _UNUSED.fullmatch(str(error))
        # More values than placeholders are an error of the caller's.
        if unused is None or not isinstance(parameters, list | tuple) or len(parameters) > _placeholders(sql):
            raise
        used = int(unused[1]) - 1
    return original(cursor, sql, tuple(parameters)[:used])


def _placeholders(sql: str) -> int:
    """Return the number of the last placeholder; ``?`` is one more than the highest before it."""
    highest = 0
    for number in _PLACEHOLDER.findall("".join(parts(sql)[::2])):
        highest = max(highest, int(number)) if number else highest + 1
    return highest


class _Replica(Statements):
    """A stand-in for a pyturso connection to a replica."""

    def pull(self) -> None:
        self.append("pull")


def _pulls() -> bool:
    wrapper, connection = sys.modules[_MODULE].LibSQLDatabaseWrapper({"SYNC_URL": "http://localhost"}), _Replica()
    wrapper.get_connection = lambda: connection
    wrapper.sync_replica()
    return bool(connection)


@repair(_SYNC, "sync_replica", name="turso_push_and_pull", is_fixed=_pulls)
def turso_push_and_pull(original: Any, wrapper: Any) -> None:
    """Pull the changes of others to a replica, or raise the error; and push local changes to its server.

    Symptom: ``sync_replica()`` fetches nothing, and local writes stay in the file. Cause: it calls a method that
    pyturso does not have and hides every error, and nothing else in djanorm pushes. djanorm 4.3 to 4.5.
    """
    if wrapper.sync_url:
        wrapper.pull()


@repair(_SYNC, "push", name="turso_push_and_pull", added=True, is_fixed=_pulls)
def _push(original: Any, wrapper: Any) -> None:
    replica_of(wrapper).get_connection().push()


@repair(_SYNC, "pull", name="turso_push_and_pull", added=True, is_fixed=_pulls)
def _pull(original: Any, wrapper: Any) -> bool:
    return bool(replica_of(wrapper).get_connection().pull())
