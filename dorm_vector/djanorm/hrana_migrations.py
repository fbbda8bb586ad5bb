"""Repairs of migrations for a database that djanorm takes for SQLite, and that has a vector index."""

from __future__ import annotations

from typing import Any

from .building import build
from .migrations import _table, placed, vector_indexes
from .rebuilding import _rebuilds
from .repairs import repair


@repair("dorm.migrations.operations:AlterField", "database_forwards")
def keep_vector_indexes(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Build the vector indexes of a table again after it was rebuilt.

    Symptom: on libSQL an AlterField of any field drops the model's HnswIndex, and the next migration that removes it
    finds none; on SQLite a Vec0Index follows its table no more. Cause: the table is dropped, with its triggers, and
    ``Index.create_sql``, which is asked for what to build again, is told neither the connection nor the field.
    djanorm 4.3 to 4.5.
    """
    original(operation, app_label, connection, from_state, to_state)
    declared = vector_indexes(operation, app_label, to_state)
    if not declared or not _rebuilds(connection) or getattr(connection, "captured", None) is not None:
        return
    rows = connection.execute(f'PRAGMA index_list("{_table(operation, app_label, to_state)}")')
    standing = {row["name"] for row in rows}
    for index in declared:
        place = placed(operation, index, app_label, to_state, connection)
        if place.name not in standing:
            build(index, place, connection)
