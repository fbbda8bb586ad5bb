"""A field that is renamed: the indexes that are of it, or that name it, go on under its new name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from dorm.indexes import Index

from ..indexes.text import TextIndex
from ..indexes.vector import VectorIndex
from ..migration_state import model_of
from ..patching.registry import hook
from ..repairs.migrations import _renamed
from ..repairs.stand_ins import state

_OPERATION = "dorm.migrations.operations:RenameField"


@hook(_OPERATION, "state_forwards")
def rename_vector_indexes(original: Any, operation: Any, app_label: str, after: Any) -> None:
    """Let a vector or text index know its columns by their new names after one is renamed."""
    original(operation, app_label, after)
    _rename(operation, app_label, after, _is_ours)


def _renames_in_indexes() -> bool:
    after = state(indexes=[Index(["name"])])
    sys.modules["dorm.migrations.operations"].RenameField("Item", "name", "title").state_forwards("app", after)
    (index,) = after.models["app.item"]["options"]["indexes"]
    return bool(index.fields == ["title"])


def _is_ours(index: Any) -> bool:
    return isinstance(index, (VectorIndex, TextIndex))


def _rename(operation: Any, app_label: str, after: Any, is_meant: Callable[[Any], bool]) -> None:
    options = model_of(operation, app_label, after).get("options", {})
    if "indexes" in options:
        options["indexes"] = [_renamed(index, operation) if is_meant(index) else index for index in options["indexes"]]


@hook(_OPERATION, "database_forwards")
@hook(_OPERATION, "database_backwards", name="rename_what_a_companion_filters_by")
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
    indexes = model_of(operation, app_label, state).get("options", {}).get("indexes", ())
    return {index.get_name(operation.model_name): index for index in indexes if getattr(index, "filters", ())}
