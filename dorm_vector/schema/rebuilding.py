"""State of tables that djanorm alters by rebuilding them, as on SQLite and Turso."""

from __future__ import annotations

from typing import Any

from ..engines import _rebuilds, dialect_for
from ..indexes.text import TextIndex
from ..migration_state import table_of
from ..patching.on_import import Late

_OPERATIONS = "dorm.migrations.operations"

operations: Any = Late(_OPERATIONS)


def standing_state(operation: Any, app_label: str, connection: Any, newer: Any, older: Any) -> Any:
    """Return a state that matches the table as it is now, halfway through unapplying a migration.

    djanorm has only the states before and after the whole migration. A rebuild from either one would lose a column or
    an index.
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
    """Return whether the index is a TextIndex that is complete in the database."""
    template = dialect_for(connection).text_search.standing
    return isinstance(index, TextIndex) and bool(template) and bool(connection.execute(template.format(name=name)))


def companions_found(connection: Any) -> list[tuple[str, str]]:
    """Return each companion table in the database with the table that it belongs to."""
    dialect = dialect_for(connection)
    rows = connection.execute(dialect.companions_found) if dialect.companions_found else []
    return [(str(row["name"]), str(row["table"])) for row in rows]


def drop_indexes_first(table: str, connection: Any) -> None:
    """Drop the vector indexes that prevent their table from being dropped."""
    ddl = dialect_for(connection).ddl
    for row in connection.execute(ddl.dropped_first, [table]) if ddl.dropped_first else ():
        connection.execute_write(ddl.drop_index.format(name=row["name"], table=table))


def _column_of(name: str, field: Any, connection: Any) -> str:
    # djanorm puts the quoted column name first in the definition; a ManyToManyField has no definition.
    return str(operations._field_to_column_sql(name, field, connection) or '""').split('"')[1]
