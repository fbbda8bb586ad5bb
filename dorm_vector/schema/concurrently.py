"""Build and drop indexes during ``dorm migrate`` without blocking writes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from ..dialects.shared.index_rules import ConcurrentBuild
from ..engines import dialect_for
from ..exceptions import IndexWouldWait, UnsupportedByDatabase
from ..migration_state import model_of, table_of
from ..patching.on_import import Late

_OPERATIONS = "dorm.migrations.operations"

operations: Any = Late(_OPERATIONS)


def concurrently(
    run: Callable[..., None], operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Run an index operation; if it is concurrent, run it outside the transaction, without blocking writes."""
    rules = rules_of(connection) if operation.concurrently else None
    if rules is None or getattr(connection, "captured", None) is not None:
        run(operation, app_label, connection, from_state, to_state)
        return
    table = table_of(model_of(operation.model_name, app_label, to_state), app_label)
    if _is_ours_alone(operation, table, rules, connection):
        # No other session can use the table before this transaction ends, so there are no writes to block.
        operation = copy.copy(operation)
        operation.concurrently = False
        run(operation, app_label, connection, from_state, to_state)
        return
    name = operation.index.get_name(operation.model_name)
    with separate_session(connection, rules) as session:
        session.drop_invalid(name)
        try:
            run(operation, app_label, session, from_state, to_state)
        except Exception:
            # Any error leaves an invalid index behind.
            session.drop_invalid(name)
            raise


def rules_of(connection: Any) -> ConcurrentBuild | None:
    try:
        return dialect_for(connection).index_rules.concurrent
    except UnsupportedByDatabase:
        return None


def _is_ours_alone(operation: Any, table: str, rules: ConcurrentBuild, connection: Any) -> bool:
    """Return whether only this transaction can use the table; raise IndexWouldWait if the build would wait for it."""
    if getattr(connection, "_atomic_conn", None) is None:
        return False
    locks = {row["mode"] for row in connection.execute(rules.own_locks.format(table=table))}
    if rules.exclusive in locks:
        return True
    if locks - (rules.waits_not_for if isinstance(operation, operations.AddIndex) else frozenset()):
        name = operation.index.get_name(operation.model_name)
        raise _would_wait(f"{type(operation).__name__}({name!r}, concurrently=True)", table)
    return False


def require_free(what: str, table: str, rules: ConcurrentBuild, connection: Any) -> None:
    """Raise IndexWouldWait if the open transaction has a lock on the table, for which other sessions wait."""
    if getattr(connection, "_atomic_conn", None) is not None and connection.execute(
        rules.own_locks.format(table=table)
    ):
        raise _would_wait(what, table)


def _would_wait(what: str, table: str) -> IndexWouldWait:
    return IndexWouldWait(
        f"{what} would wait for ever: what this run of migrate did to {table} before is committed only at the end of"
        " the run. Keep the operation in a migration of its own, and apply those before it in a run of their own:"
        " dorm migrate APP NUMBER_OF_THE_ONE_BEFORE, then dorm migrate."
    )


class SeparateSession:
    """A connection that runs its statements in a separate session, outside the transaction."""

    def __init__(self, connection: Any, raw: Any, rules: ConcurrentBuild) -> None:
        self._connection, self._raw, self._rules = connection, raw, rules
        self.set_option = rules.set_option

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute_script(self, sql: str) -> None:
        held = getattr(self._connection, "_atomic_conn", None)
        if held is not None:
            # A query with parameters, or a prepared one, keeps its snapshot until the next query; the build
            # would wait for that.
            held.execute("SELECT 1", prepare=False)
        self._raw.execute(sql)

    def execute(self, sql: str, params: Any = None) -> list[Any]:
        return list(self._raw.execute(sql, params).fetchall())

    def atomic(self) -> Any:
        return nullcontext()

    def drop_invalid(self, name: str) -> None:
        """Drop the index if a failed build left it invalid."""
        if self.execute(self._rules.invalid.format(name=name)):
            self.execute_script(self._rules.drop_invalid.format(name=name))


@contextmanager
def separate_session(connection: Any, rules: ConcurrentBuild) -> Iterator[SeparateSession]:
    raw = connection._get_persistent_conn()
    try:
        session = SeparateSession(connection, raw, rules)
        for name in rules.inherited:
            (row,) = connection.execute(dialect_for(connection).index_rules.build_option_now.format(name=name))
            session.execute_script(rules.set_option.format(name=name, value=str(row["value"]).replace("'", "''")))
        yield session
    finally:
        # Close it, so that its settings end with it.
        raw.close()
