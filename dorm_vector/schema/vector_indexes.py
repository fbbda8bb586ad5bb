"""Build and drop vector indexes in migrations."""

from __future__ import annotations

from typing import Any

from ..engines import _rebuilds
from ..indexes.vector import VectorIndex
from ..migration_state import indexes_of, model_of, table_of
from ..patching.registry import hook
from .checks import require_possible_indexes
from .ddl import build, drop, placed


@hook("dorm.migrations.operations:AlterField", "database_forwards")
def keep_vector_indexes(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Rebuild the vector indexes of a table after the table was rebuilt.

    Symptom: on libSQL, an AlterField of any field drops the model's HnswIndex, and the next migration that removes the
    index does not find it; on SQLite, a Vec0Index is no longer in sync with its table. Cause: the table is dropped,
    with its triggers, and djanorm rebuilds indexes with ``Index.create_sql``, which does not get the connection or the
    field. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, connection, from_state, to_state)
    model = model_of(operation.model_name, app_label, to_state)
    declared = indexes_of(model, VectorIndex)
    if not declared or not _rebuilds(connection) or getattr(connection, "captured", None) is not None:
        return
    rows = connection.execute(f'PRAGMA index_list("{table_of(model, app_label)}")')
    standing = {row["name"] for row in rows}
    for index in declared:
        place = placed(index, model, app_label, connection)
        if place.name not in standing:
            build(index, place, connection)


def add(operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
    """Build the vector index of an operation with the dialect of the connection."""
    # Unapplying a squashed migration that also creates the model: the earlier state does not have the model.
    model = model_of(operation.model_name, app_label, to_state, from_state)
    if model["fields"]:
        operation.index.check_model(model["name"], model["fields"])
    place = placed(operation.index, model, app_label, connection)
    require_possible_indexes(model_of(operation.model_name, app_label, to_state), connection, place.columns)
    build(operation.index, place, connection, operation.concurrently)


def remove(operation: Any, app_label: str, connection: Any, from_state: Any, _to_state: Any) -> None:
    """Drop the vector index of an operation."""
    model = model_of(operation.model_name, app_label, from_state)
    drop(operation.index, placed(operation.index, model, app_label, connection), connection, operation.concurrently)
