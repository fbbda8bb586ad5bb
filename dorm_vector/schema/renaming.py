"""A field that is renamed: the indexes that are of it, or that name it, go on under its new name."""

from __future__ import annotations

from typing import Any

from ..migration_state import model_of
from ..patching.registry import repair

_OPERATION = "dorm.migrations.operations:RenameField"


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
    indexes = model_of(operation, app_label, state).get("options", {}).get("indexes", ())
    return {index.get_name(operation.model_name): index for index in indexes if getattr(index, "filters", ())}
