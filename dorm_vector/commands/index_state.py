"""What the database has of each vector index that a model declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..dialects.shared.companions import STANDING
from ..engines.sqlite.extension import is_served
from ..indexes.contents import columns_of
from ..indexes.sign_columns import SignBits
from ..indexes.text import TextIndex
from ..indexes.vec0 import SignTable
from ..indexes.vector import VectorIndex
from ..steps import run
from .database import Database
from .index_size import index_size

BUILT, MISSING, INVALID, BUILDING, UNSUPPORTED = "built", "missing", "invalid", "building", "unsupported"
"""The states. ``unsupported``: the database has no index of this kind, so searches do not use it."""


@dataclass(frozen=True)
class Companion:
    """How the content of a companion table differs from the model's table."""

    rows: int
    missing: int
    extra: int

    @property
    def in_sync(self) -> bool:
        return not (self.missing or self.extra)


@dataclass(frozen=True)
class IndexState:
    """One declared index in one database."""

    index: Any
    name: str
    field: Any
    """The vector field; None for a text index."""
    state: str
    opclass: str = ""
    bytes: int | None = None
    companion: Companion | None = None
    note: str = ""
    """Why the size is not known, or what searches do where there is no such index."""

    def as_json(self) -> dict[str, Any]:
        kind, distance = ("text", None) if self.field is None else (self.index.kind, self.index.metric.value)
        found = {"name": self.name, "field": ", ".join(self.index.fields), "kind": kind, "state": self.state}
        content = None
        if self.companion is not None:
            content = {**asdict(self.companion), "in_sync": self.companion.in_sync}
        return {**found, "distance": distance, "bytes": self.bytes, "companion": content, "note": self.note or None}


def index_states(database: Database, model: Any, *, sizes: bool = False) -> Iterator[IndexState]:
    """Yield the state of each vector index and each text index that the model declares, perhaps with its size."""
    states = [
        _state(database, model, index) if isinstance(index, VectorIndex) else _text_state(database, model, index)
        for index in model._meta.indexes
        if isinstance(index, (VectorIndex, TextIndex))
    ]
    for state in states:
        if state.state == UNSUPPORTED:
            yield replace(state, note=_instead(database, state, states))
        elif sizes and state.state in (BUILT, INVALID):
            size, note = index_size(database, model, state.name, is_text=state.field is None)
            yield replace(state, bytes=size, note=note)
        else:
            yield state


def _instead(database: Database, state: IndexState, states: list[IndexState]) -> str:
    """Return what searches do without an index that the database does not have."""
    others = [
        other.name
        for other in states
        if other.state == BUILT and other.field is state.field and other.index.metric is state.index.metric
    ]
    what = f"can use {' or '.join(others)}" if others else "are exact: they read every row"
    return (
        f"{database.dialect.title} builds no such index. Searches of {state.field.name} by {state.index.metric.value}"
        f" {what}."
    )


def _text_state(database: Database, model: Any, index: TextIndex) -> IndexState:
    name = index.get_name(model.__name__)
    found = database.ask(database.dialect.upkeep.text_index.format(name=name, table=model._meta.db_table))
    if not found:
        return IndexState(index, name, None, MISSING)
    return IndexState(index, name, None, BUILT if found["valid"] else INVALID)


def _state(database: Database, model: Any, index: Any) -> IndexState:
    name, field = index.get_name(model.__name__), model._meta.get_field(index.fields[0])
    if not index.is_built_by(database.dialect):
        return IndexState(index, name, field, UNSUPPORTED)
    if index.holds_signs(database.dialect):
        return _sign_state(database, model, index, name, field)
    if index.on(database.dialect).kind in database.dialect.companions:
        return _companion_state(database, model, index, name, field)
    found = _built(database, model, field, name)
    if found is None:
        is_building = database.ask(database.dialect.upkeep.building_index.format(name=name))
        return IndexState(index, name, field, BUILDING if is_building else MISSING)
    building = database.all_rows(database.dialect.upkeep.building, model._meta.db_table)
    state = BUILT if found["valid"] else BUILDING if building else INVALID
    return IndexState(index, name, field, state, str(found["opclass"]))


def _built(database: Database, model: Any, field: Any, name: str) -> dict[str, Any] | None:
    for row in built_indexes(database, model, field):
        if row["name"] == name:
            return row
    standing = "" if database.dialect.planning.built_indexes else database.dialect.index_use.standing
    return {"valid": True, "opclass": ""} if database.ask(standing, name) else None


def built_indexes(database: Database, model: Any, field: Any) -> list[dict[str, Any]]:
    """Return the vector indexes that the database has for a column, by name, if it can list them."""
    return database.all_rows(database.dialect.planning.built_indexes, model._meta.db_table, field.column)


def _sign_state(database: Database, model: Any, index: Any, name: str, field: Any) -> IndexState:
    signs = SignBits(index, database.dialect, name, model._meta.db_table, field.column, field.dimensions)
    if not run(signs.is_standing(), database.connection):
        return IndexState(index, name, field, MISSING)
    if run(signs.has_lost_triggers(), database.connection):
        return IndexState(index, name, field, INVALID)
    found = database.ask(signs.drift_query())
    content = Companion(*(int(found[each]) for each in ("rows", "missing", "extra")))
    return IndexState(index, name, field, BUILT, companion=content)


def _companion_state(database: Database, model: Any, index: VectorIndex, name: str, field: Any) -> IndexState:
    table, dialect = model._meta.db_table, database.dialect
    columns = columns_of({each.name: each for each in model._meta.concrete_fields}, database.connection)
    built: Any = index.on(dialect)
    if isinstance(built, SignTable) and not built.fits(dialect, columns):
        return IndexState(index, name, field, UNSUPPORTED)
    declaration = built.declaration(dialect, name, field.dimensions, columns)
    triggers = [f"{name}_{event}" for event in ("insert", "update", "move", "delete")]
    parts = database.ask(STANDING, name, declaration, table, *triggers)["parts"]
    if parts == 0:
        return IndexState(index, name, field, MISSING)
    if parts != 1 + len(triggers):
        return IndexState(index, name, field, INVALID)
    if not is_served(dialect.companions[built.kind]):
        return IndexState(index, name, field, BUILT)
    found = database.ask(built.drift_query(dialect, name, table, field.column, field.dimensions, columns))
    return IndexState(index, name, field, BUILT, companion=Companion(found["rows"], found["missing"], found["extra"]))
