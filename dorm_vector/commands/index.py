"""``dorm-vector index``: build, rebuild, drop and optimize the vector indexes that models declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from ..engines.limits.exempt import no_statement_timeout
from .database import Database
from .exit_codes import DONE, UsageError
from .index_state import BUILDING, BUILT, INVALID, MISSING, UNSUPPORTED, IndexState, index_states
from .output import Output
from .progress import BuildProgress, TerminalProgress
from .project import add_database_argument, checked_alias, label_of, model_named, models_with_vectors

HELP = "Build, rebuild, drop or optimize vector indexes, without blocking writers where the server can."

EXIT_1 = "An index could not be built or dropped; those before it are done."

Result = dict[str, Any]


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "action",
        choices=list(ACTIONS),
        help="build what is missing or invalid, rebuild, drop, or update the statistics that searches are planned by",
    )
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="a model; by default all with vectors; drop needs one"
    )
    parser.add_argument("--name", metavar="INDEX", help="one index of the model; by default all of them")
    add_database_argument(parser)


def run(options: Any, output: Output) -> int:
    """Run the action on each index, and print what was done."""
    if options.model is None and (options.action == "drop" or options.name is not None):
        raise UsageError(f"index {options.action}: give the model whose index it is.")
    database = Database(checked_alias(options.database))
    models = [model_named(options.model)] if options.model else models_with_vectors()
    with no_statement_timeout():
        done = [
            result
            for model in models
            if database.has_table(model)
            for result in ACTIONS[options.action](database, model, options.name)
        ]
    lines = [f"{each['model']} {each['index'] or each['table']}: {each['result']}" for each in done]
    output.show({"action": options.action, "results": done}, lines or ["Nothing to do."])
    return DONE


def _chosen(database: Database, model: Any, name: str | None) -> list[IndexState]:
    states = list(index_states(database, model))
    if name is None:
        return states
    if name not in {state.name for state in states}:
        there = ", ".join(state.name for state in states) or "none"
        raise UsageError(f"{label_of(model)} has no vector or text index {name!r}. It has {there}.")
    return [state for state in states if state.name == name]


def _build(database: Database, model: Any, name: str | None) -> Iterator[Result]:
    for state in _chosen(database, model, name):
        if state.state in (BUILT, BUILDING):
            yield _result(model, state, f"is {state.state} already")
        elif state.state == UNSUPPORTED:
            yield _result(model, state, f"{database.dialect.title} has no such index")
        else:
            with _shown(database, model, state):
                if state.state == INVALID:
                    _change("RemoveIndex", database, model, state)
                _change("AddIndex", database, model, state)
            yield _result(model, state, "built")


def _rebuild(database: Database, model: Any, name: str | None) -> Iterator[Result]:
    from ..schema.reindexing import rebuild_index

    for state in _chosen(database, model, name):
        if state.state == UNSUPPORTED:
            yield _result(model, state, f"{database.dialect.title} has no such index")
        elif state.state in (BUILT, BUILDING):
            with _shown(database, model, state):
                rebuild_index(model, state.name, using=database.alias)
            yield _result(model, state, "rebuilt")
        else:
            yield from _build(database, model, state.name)


def _drop(database: Database, model: Any, name: str | None) -> Iterator[Result]:
    for state in _chosen(database, model, name):
        if state.state == UNSUPPORTED:
            yield _result(model, state, f"{database.dialect.title} has no such index")
            continue
        if state.state == MISSING:
            yield _result(model, state, "is not in the database")
            continue
        with TerminalProgress(f"Dropping {state.name}", "steps"):
            _change("RemoveIndex", database, model, state)
        yield _result(model, state, "dropped; the model still declares it, and index build builds it again")


def _optimize(database: Database, model: Any, name: str | None) -> Iterator[Result]:
    """Update the table's statistics, and rebuild the indexes that lost rows or differ from their table."""
    table = model._meta.db_table
    with TerminalProgress(f"Optimizing {label_of(model)}", "steps"):
        for template in database.dialect.upkeep.optimize:
            _outside_a_transaction(database)(template.format(table=table))
            yield {"model": label_of(model), "table": table, "index": None, "result": template.format(table=table)}
        outdated = [state for state in _chosen(database, model, name) if _is_outdated(database, model, state)]
    for state in outdated:
        yield from _rebuild(database, model, state.name)


def _is_outdated(database: Database, model: Any, state: IndexState) -> bool:
    from ..search.lost_rows import LookForLostRows

    if state.field is None:
        return False
    lost = LookForLostRows(database.rows(model), state.field.name).run(database.connection)
    drifted = state.companion is not None and not state.companion.in_sync
    return drifted or state.name in {each.index for each in lost}


def _outside_a_transaction(database: Database) -> Callable[[str], Any]:
    from ..schema.concurrently import rules_of, separate_session

    rules = rules_of(database.connection)
    if rules is None or not database.dialect.upkeep.outside_transactions:
        run: Callable[[str], Any] = database.connection.execute_script
        return run

    def in_a_session(statement: str) -> None:
        with separate_session(database.connection, rules) as session:
            session.execute_script(statement)

    return in_a_session


def _change(operation: str, database: Database, model: Any, state: IndexState) -> None:
    """Run AddIndex or RemoveIndex as a migration would, concurrently where the database can."""
    from dorm.migrations import operations

    from ..schema.concurrently import rules_of
    from ..schema.tables import state_of

    owner, connection = model._meta.concrete_model, database.connection
    declared = state_of([owner])
    concurrently = rules_of(connection) is not None
    change = getattr(operations, operation)(owner.__name__, state.index, concurrently=concurrently)
    with nullcontext() if concurrently or database.dialect.loading.ddl_commits else connection.atomic():
        change.database_forwards(owner._meta.app_label, connection, declared, declared)


@contextmanager
def _shown(database: Database, model: Any, state: IndexState) -> Iterator[None]:
    from ..indexes.build_progress import BuildReport

    with (
        BuildProgress(f"Building {state.name}") as progress,
        BuildReport(progress, database.alias, database.dialect, model._meta.db_table),
    ):
        yield


def _result(model: Any, state: IndexState, result: str) -> Result:
    return {"model": label_of(model), "table": model._meta.db_table, "index": state.name, "result": result}


ACTIONS: Mapping[str, Callable[[Database, Any, str | None], Iterator[Result]]] = {
    "build": _build,
    "rebuild": _rebuild,
    "drop": _drop,
    "optimize": _optimize,
}
