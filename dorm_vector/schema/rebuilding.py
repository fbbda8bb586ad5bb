"""Repairs of tables that djanorm alters by building them anew: SQLite's way, and Turso's."""

from __future__ import annotations

from typing import Any

from ..engines import _rebuilds, dialect_for
from ..indexes.text import TextIndex
from ..migration_state import table_of
from ..patching.on_import import Late

_OPERATIONS = "dorm.migrations.operations"

operations: Any = Late(_OPERATIONS)


def standing_state(operation: Any, app_label: str, connection: Any, newer: Any, older: Any) -> Any:
    """Return the state whose model has what its table has, halfway through a migration that is taken back.

    djanorm knows the states before and after the whole migration, and a rebuild by either loses a column or an index.
    """
    state, key = newer.clone(), f"{app_label}.{operation.model_name.lower()}"
    model = state.models[key]
    table = table_of(model, app_label)
    columns = {row["name"] for row in connection.get_table_columns(table)}
    fields = older.models[key]["fields"] | model["fields"]
    model["fields"] = {name: field for name, field in fields.items() if _column_of(name, field, connection) in columns}
    if _rebuilds(connection):
        standing = {row["name"] for row in connection.execute(f'PRAGMA index_list("{table}")')}
        standing |= {name for name, owner in companions_found(connection) if owner == table}
        indexes = [*model["options"].get("indexes", ()), *older.models[key]["options"].get("indexes", ())]
        named = {index.get_name(operation.model_name): index for index in reversed(indexes)}
        model["options"]["indexes"] = [
            index for name, index in named.items() if name in standing or is_standing(index, name, connection)
        ]
    return state


def is_standing(index: Any, name: str, connection: Any) -> bool:
    """Tell whether the index is one of texts, and whole."""
    template = dialect_for(connection).text_search.standing
    return isinstance(index, TextIndex) and bool(template) and bool(connection.execute(template.format(name=name)))


def companions_found(connection: Any) -> list[tuple[str, str]]:
    """Return each companion in the database, and the table that it belongs to."""
    dialect = dialect_for(connection)
    rows = connection.execute(dialect.companions_found) if dialect.companions_found else []
    return [(str(row["name"]), str(row["table"])) for row in rows]


def _column_of(name: str, field: Any, connection: Any) -> str:
    # As djanorm writes it, quoted, at the head of the definition; nothing for a ManyToManyField.
    return str(operations._field_to_column_sql(name, field, connection) or '""').split('"')[1]
