"""Vector indexes: not built, invalid, useless, undeclared, out of sync, and builds with too little memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dorm.queryset import QuerySet

from ...dialects.base import Dialect
from ...introspection import vector_fields
from ...search.lost_rows import LookForLostRows
from ...search.observed_plans import observe
from ..database import Database
from ..index_state import BUILT, INVALID, MISSING, Companion, IndexState, built_indexes, index_states
from ..output import size_of
from ..project import label_of, models_with_vectors
from .finding import NOTE, Finding
from .memory import graph_bytes


def indexes(database: Database) -> Iterator[Finding]:
    """Yield what is wrong with the vector indexes of each table."""
    for model in models_with_vectors():
        if not database.is_migrated(model):
            continue
        states = list(index_states(database, model))
        for state in states:
            yield from _one(database, model, state)
        yield from _undeclared(database, model, {state.name for state in states})
        yield from _lost(database, model)


def _one(database: Database, model: Any, state: IndexState) -> Iterator[Finding]:
    subject, command = f"{label_of(model)} {state.name}", _command(database, model, state.name)
    if state.state == MISSING:
        yield Finding(
            "index-missing",
            subject,
            f"The index {state.name} is declared, and not in the database: searches read the whole table, or fail.",
            "The index.",
            command("build"),
        )
    elif state.state == INVALID:
        yield Finding(
            "index-invalid",
            subject,
            f"The index {state.name} is not complete: its build failed, or parts of it were dropped or are outdated.",
            "A valid index.",
            command("rebuild"),
        )
    elif state.companion is not None and not state.companion.in_sync:
        yield Finding(
            "companion",
            subject,
            _drift(state, state.companion, database.dialect),
            f"The same vectors as {model._meta.db_table}.",
            command("rebuild"),
        )
    elif state.state == BUILT and state.field is not None:
        yield from _useless(database, model, state, command("rebuild"))
    if state.field is not None:
        yield from _memory(database, model, state)


def _drift(state: IndexState, companion: Companion, dialect: Dialect) -> str:
    if state.index.holds_signs(dialect):
        return (
            f"{companion.missing:,} rows of {companion.rows:,} have changed since {state.name} was built, which has no"
            " triggers: the server refused them. Searches measure these rows exactly, and take longer."
        )
    return (
        f"{companion.missing:,} rows are missing or outdated in the table {state.name}, and {companion.extra:,} of its"
        " rows are of no row: something wrote past the triggers."
    )


def _command(database: Database, model: Any, name: str) -> Any:
    return lambda action: f"dorm-vector index {action} {label_of(model)} --name {name}{database.option()}"


def _useless(database: Database, model: Any, state: IndexState, fix: str) -> Iterator[Finding]:
    """Yield a finding if no search by the declared distance can use the index."""
    reason = _other_metric(database, model, state) or _not_planned(database, model, state)
    if reason:
        yield Finding(
            "index-unusable",
            f"{label_of(model)} {state.name}",
            f"No search by {state.index.metric.value} can use the index {state.name}. {reason}",
            f"An index for {state.index.metric.value}, as it is declared.",
            # REINDEX would keep its definition.
            fix.replace("index rebuild", "index drop") + f" && {fix.replace('index rebuild', 'index build')}",
        )


def _other_metric(database: Database, model: Any, state: IndexState) -> str:
    """Return that the index is built for another distance, as its definition says; else an empty string."""
    upkeep, table = database.dialect.upkeep, model._meta.db_table
    if not upkeep.index_metric:
        return ""
    held = database.ask(upkeep.index_definition.format(name=state.name, table=table))
    lines = [line for line in str(next(reversed(held.values()), "")).splitlines() if state.name in line]
    made = state.index.statements(database.dialect, state.name, table, state.field.column, field=state.field)
    built, declared = (re.search(upkeep.index_metric, text) for text in (" ".join(lines), " ".join(made)))
    if built is None or declared is None or built[1] == declared[1]:
        return ""
    return f"It is built for {built[1]}, and declared for {declared[1]}."


def _not_planned(database: Database, model: Any, state: IndexState) -> str:
    """Return why the database would not use the index even if a full scan were expensive; else an empty string."""
    search = _search_for(database, model, state) if database.dialect.planning.switch else None
    if search is None:
        return ""
    observed = observe(search, state.field.name)
    if any(database.dialect.uses_index(plan, state.name) for plan in (observed.plan, observed.forced_plan)):
        return ""
    return " ".join(str(reason) for reason in search.explain_search().reasons) or "Its plan shows no reason."


def _search_for(database: Database, model: Any, state: IndexState) -> Any:
    """Return a search that the index is for, by a vector of the table; None if the table has none."""
    rows = database.searched(model)
    if state.index.condition is not None:
        rows = rows.filter(state.index.condition)
    stored = rows.filter(**{f"{state.field.name}__isnull": False}).values_list(state.field.name, flat=True)[:1]
    vector = next(iter(stored), None)
    if vector is None:
        return None
    search = rows.nearest(state.field.name, vector, distance=state.index.metric)
    if state.index.precision == "bit" or state.index.dimensions:
        search = search.rerank(20, index=state.name)
    return search[:10]


def _undeclared(database: Database, model: Any, declared: set[str]) -> Iterator[Finding]:
    found = {row["name"] for field in vector_fields(model) for row in built_indexes(database, model, field)}
    dialect, table = database.dialect, model._meta.db_table
    kind = next(iter(dialect.companions), "hnsw")
    for name in sorted(found - declared):
        statements = "; ".join(dialect.drop_index(kind, name, table)).replace('"', dialect.upkeep.quote)
        yield Finding(
            "index-undeclared",
            f"{label_of(model)} {name}",
            f"The database has the vector index {name}, and the model does not declare it: it slows down every write.",
            "Only declared indexes.",
            f"Declare it in Meta.indexes, or drop it in dorm dbshell: {statements};",
            NOTE,
        )


def _lost(database: Database, model: Any) -> Iterator[Finding]:
    for field in vector_fields(model):
        for lost in LookForLostRows(QuerySet(model, database.alias), field.name).run(database.connection):
            yield Finding(
                "index-lost-rows",
                f"{label_of(model)} {lost.index}",
                lost.problem,
                "An index that finds every row by its own vector.",
                _command(database, model, lost.index)("rebuild"),
            )


def _memory(database: Database, model: Any, state: IndexState) -> Iterator[Finding]:
    """Yield a finding if the graph of an index does not fit into the memory that a build may use."""
    upkeep = database.dialect.upkeep
    if not upkeep.build_memory or state.state not in (BUILT, MISSING, INVALID):
        return
    if (state.index.build_options or {}).get(upkeep.build_memory_option):
        return
    wanted = graph_bytes(state.index, state.field, database.rows(model).count(), database.dialect)
    found = database.ask(upkeep.build_memory)
    if wanted > found["bytes"]:
        yield Finding(
            "build-memory",
            f"{label_of(model)} {state.name}",
            f"{upkeep.build_memory_option} is {found['setting']}, and the graph of {state.name} takes about"
            f" {size_of(wanted)}: a build that does not fit into memory takes many times as long.",
            f"At least {size_of(wanted)} for the build.",
            f"Declare it: {type(state.index).__name__}(…, build_options="
            f'{{"{upkeep.build_memory_option}": "{-(-wanted // 2**20)}MB"}})',
            NOTE,
        )
