"""A field that is renamed: the indexes that are of it, or that name it, go on under its new name."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from dorm.expressions import Q

from .repairs import repair

_OPERATION = "dorm.migrations.operations:RenameField"


@repair(_OPERATION, "state_forwards")
def rename_indexed_fields(original: Any, operation: Any, app_label: str, state: Any) -> None:
    """Let an index know its columns by their new names after one is renamed.

    Symptom: the next ``makemigrations`` drops the index and builds it again, and that migration cannot be taken back:
    it names a field that is no more. Cause: the state keeps the old name in ``Meta.indexes``. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, state)
    options = _model(operation, app_label, state).get("options", {})
    if "indexes" in options:
        options["indexes"] = [_renamed(index, operation) for index in options["indexes"]]


def _renamed(index: Any, operation: Any) -> Any:
    """Return the index under the name that it has in the database, which may be made of the names of its fields."""
    if operation.old_name not in _names(index):
        return index
    new = copy.copy(index)
    new._name = index.get_name(operation.model_name)
    for attribute in ("fields", "include", "partition_by", "metadata"):
        if hasattr(index, attribute):
            names = getattr(index, attribute)
            setattr(new, attribute, type(names)(_name(name, operation) for name in names))
    if index.condition is not None:
        new.condition = _condition(index.condition, operation)
    return new


def _name(name: str, operation: Any) -> str:
    """Return the new name of a field; ``-name`` descends, and ``name__gt`` compares."""
    bare, lookup, rest = name.removeprefix("-").partition("__")
    sign = "-" if name.startswith("-") else ""
    return f"{sign}{operation.new_name if bare == operation.old_name else bare}{lookup}{rest}"


def _names(index: Any) -> set[str]:
    names = {*index.fields, *index.include, *getattr(index, "filters", ()), *_named_in(index.condition)}
    return {str(name).removeprefix("-").partition("__")[0] for name in names}


def _named_in(condition: Any) -> Iterator[str]:
    for child in getattr(condition, "children", ()):
        if isinstance(child, Q):
            yield from _named_in(child)
        else:
            yield child[0]


def _condition(condition: Q, operation: Any) -> Q:
    new = copy.copy(condition)
    new.children = [
        _condition(child, operation) if isinstance(child, Q) else (_name(child[0], operation), child[1])
        for child in condition.children
    ]
    return new


@repair(_OPERATION, "database_forwards")
@repair(_OPERATION, "database_backwards", name="rename_what_a_companion_filters_by")
def rename_what_a_companion_filters_by(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Build a Vec0Index anew whose ``partition_by`` or ``metadata`` names a field that is renamed.

    Symptom: searches no longer use it. Cause: its own columns are named after those of the table. djanorm 4.3 to 4.5.
    """
    from dorm.migrations.operations import AddIndex, RemoveIndex

    before, after = (_with_filters(operation, app_label, state) for state in (from_state, to_state))
    renamed = [name for name, index in before.items() if index.filters != getattr(after.get(name), "filters", None)]
    for name in renamed:
        RemoveIndex(operation.model_name, before[name]).database_forwards(app_label, connection, from_state, from_state)
    original(operation, app_label, connection, from_state, to_state)
    for name in renamed:
        if name in after:
            AddIndex(operation.model_name, after[name]).database_forwards(app_label, connection, to_state, to_state)


def _with_filters(operation: Any, app_label: str, state: Any) -> dict[str, Any]:
    """Return the indexes of the model that name columns to filter by, by their own names."""
    indexes = _model(operation, app_label, state).get("options", {}).get("indexes", ())
    return {index.get_name(operation.model_name): index for index in indexes if getattr(index, "filters", ())}


def _model(operation: Any, app_label: str, state: Any) -> dict[str, Any]:
    model: dict[str, Any] = state.models.get(f"{app_label}.{operation.model_name.lower()}", {})
    return model
