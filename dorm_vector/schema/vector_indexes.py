"""Build and drop vector indexes in migrations."""

from __future__ import annotations

from typing import Any

from ..engines import _rebuilds
from ..indexes.vector import VectorIndex
from ..migration_state import model_of, table_of, vector_indexes
from ..patching.on_import import Late
from ..patching.registry import hook
from .checks import require_possible_indexes
from .ddl import _place, build, drop, placed


@hook("dorm.migrations.operations:AlterField", "database_forwards")
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
    rows = connection.execute(f'PRAGMA index_list("{table_of(operation, app_label, to_state)}")')
    standing = {row["name"] for row in rows}
    for index in declared:
        place = placed(operation, index, app_label, to_state, connection)
        if place.name not in standing:
            build(index, place, connection)


_OPERATIONS = "dorm.migrations.operations"

operations: Any = Late(_OPERATIONS)


@hook(f"{_OPERATIONS}:AddIndex", "database_forwards")
@hook(f"{_OPERATIONS}:RemoveIndex", "database_backwards", name="vector_index_ddl")
def vector_index_ddl(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Build and drop a vector index by the dialect of the connection.

    Symptom: an HnswIndex is a syntax error on every database but PostgreSQL, ignores ``db_column``, and an unnamed one
    is created under one name and dropped under another. Cause: ``Index.create_sql`` is told a vendor, not the
    connection, and dropping never asks the index. djanorm 4.3 to 4.5.
    """
    if not isinstance(operation.index, VectorIndex):
        original(operation, app_label, connection, from_state, to_state)
        return
    require_possible_indexes(model_of(operation, app_label, to_state), connection)
    place = _place(operation, app_label, to_state, connection)
    if place.field is None:
        # Taken back from a squashed migration that creates the model, too: the state before knows no such model.
        place = _place(operation, app_label, from_state, connection)
    build(operation.index, place, connection, operation.concurrently)


@hook(f"{_OPERATIONS}:RemoveIndex", "database_forwards", name="vector_index_ddl")
@hook(f"{_OPERATIONS}:AddIndex", "database_backwards", name="vector_index_ddl")
def _drop_vector_index(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    if not isinstance(operation.index, VectorIndex):
        original(operation, app_label, connection, from_state, to_state)
        return
    drop(operation.index, _place(operation, app_label, from_state, connection), connection, operation.concurrently)
