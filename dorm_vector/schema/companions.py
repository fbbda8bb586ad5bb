"""Companion tables of a Vec0Index: drop them with their table, and hide them from ``inspectdb``."""

from __future__ import annotations

from typing import Any

from ..dialects.shared.companions import DROP
from ..migration_state import model_of, table_of
from ..patching.registry import hook
from .rebuilding import companions_found, drop_indexes_first

_OPERATIONS = "dorm.migrations.operations"


@hook(f"{_OPERATIONS}:DeleteModel", "database_forwards")
def drop_companions(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Drop the companion table of a Vec0Index together with the model's table.

    Symptom: on SQLite, the table of a Vec0Index remains after its model is deleted. Cause: djanorm drops only the
    model's table, and SQLite drops only the triggers on it. djanorm 4.3 to 4.5.
    """
    table = table_of(model_of(operation.name, app_label, from_state), app_label)
    # First, because a table that refers to itself is locked by its own triggers as its rows are deleted.
    for name in [name for name, owner in companions_found(connection) if owner == table]:
        for statement in DROP:
            connection.execute_write(statement.format(name=name))
    drop_indexes_first(table, connection)
    original(operation, app_label, connection, from_state, to_state)


@hook(f"{_OPERATIONS}:CreateModel", "database_backwards", name="drop_companions")
def _drop_companions_back(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    drop_companions(original, operation, app_label, connection, from_state, to_state)


@hook("dorm.inspect", "introspect_tables")
def hide_companions(original: Any, connection: Any) -> list[dict[str, Any]]:
    """Hide the companion tables of a Vec0Index from ``dorm inspectdb``.

    Symptom: ``inspectdb`` writes a model for each of the six tables of a vec0 table. Cause: it treats every table in
    the catalog as the table of a model. djanorm 4.3 to 4.5.
    """
    companions = tuple(name for name, _table in companions_found(connection))
    shadows = tuple(f"{name}_" for name in companions)
    found = original(connection)
    return [each for each in found if each["name"] not in companions and not each["name"].startswith(shadows or "\0")]
