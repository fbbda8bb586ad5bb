"""Rebuild tables on SQLite, libSQL and Turso with other columns: rows, indexes and triggers are kept."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from dorm.fields import AutoField, BigAutoField, CompositePrimaryKey, SmallAutoField

from ...migration_state import column_of, table_of
from ...patching.on_import import Late
from ...schema.rebuilding import drop_indexes_first
from .columns import constraint_in_columns
from .state import is_many_to_many

operations: Any = Late("dorm.migrations.operations")
_COUNTED = (AutoField, BigAutoField, SmallAutoField)


def definition_of(name: str, field: Any, connection: Any) -> str:
    """Return the definition of a field's column; empty for a field without a column."""
    if is_many_to_many(field) or isinstance(field, CompositePrimaryKey):
        return ""
    return str(operations._field_to_column_sql(name, with_column(name, field), connection) or "")


def with_column(name: str, field: Any) -> Any:
    """Return the field with its column set, because djanorm reads it from the field."""
    if is_many_to_many(field) or isinstance(field, CompositePrimaryKey):
        return field
    found = copy.copy(field)
    found.column = column_of(name, field)
    return found


def rebuild(connection: Any, app_label: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Rebuild the table of ``before`` with the columns and checks of ``after``."""
    table = table_of(before, app_label)
    temporary = f"_dorm_alter_{table}"
    columns = dict(_columns_kept(before, after, connection))
    by_hand = _made_by_hand(table, before, after, connection)
    kept = list(_kept(table, columns, before, connection))
    counted = _highest_key(table, connection)
    connection.execute_script("PRAGMA defer_foreign_keys=ON")
    connection.execute_script(f'DROP TABLE IF EXISTS "{temporary}"')
    definitions = [*_definitions(after, connection), *by_hand.columns.values()]
    lines = ",\n  ".join([*definitions, *_table_constraints(after, connection), *by_hand.constraints])
    connection.execute_script(f'CREATE TABLE "{temporary}" (\n  {lines}\n)')
    _copy(table, temporary, before, after, columns | by_hand.copied(), connection)
    drop_indexes_first(table, connection)
    connection.execute_script(f'DROP TABLE "{table}"')
    connection.execute_script(f'ALTER TABLE "{temporary}" RENAME TO "{table}"')
    if counted:
        connection.execute_write(f"DELETE FROM sqlite_sequence WHERE name = '{table}'")
        connection.execute_write(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {counted})")
    for statement in kept:
        # execute_script() would end SQLite's transaction for a trigger, which contains several semicolons.
        connection.execute_write(statement)
    _require_references(table, connection)


class _ByHand:
    """The columns of a table that its model does not know, and the constraints that name them, as they are written."""

    def __init__(self, definitions: list[str], known: set[str]) -> None:
        named = {_name(each): each for each in definitions}
        constraints = [each for each in definitions if not _name(each)]
        self.columns = {name: each for name, each in named.items() if name and name.lower() not in known}
        words = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in self.columns) or "$^", re.IGNORECASE)
        self.constraints = [each for each in constraints if words.search(each)]

    def copied(self) -> dict[str, str]:
        return {name: name for name, each in self.columns.items() if not _GENERATED.search(each)}


_NAME = re.compile(r'"([^"]+)"|`([^`]+)`|\[([^]]+)\]|([^\s"`[(]+)')
_CONSTRAINT = re.compile(r"(CONSTRAINT|PRIMARY\s+KEY|UNIQUE|CHECK|FOREIGN\s+KEY)\b", re.IGNORECASE)
_GENERATED = re.compile(r"\bAS\s*\(", re.IGNORECASE)
_PIECE = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\[[^]]*\]|--[^\n]*|/\*.*?\*/|.""", re.DOTALL)


def _name(definition: str) -> str:
    """Return the name of the column that is defined; empty for a constraint."""
    found = None if _CONSTRAINT.match(definition) else _NAME.match(definition)
    return str(found[found.lastindex or 0]) if found else ""


def _made_by_hand(table: str, before: dict[str, Any], after: dict[str, Any], connection: Any) -> _ByHand:
    rows = connection.execute(f"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
    known = {
        column_of(name, field).lower()
        for model in (before, after)
        for name, field in model["fields"].items()
        if not is_many_to_many(field)
    }
    return _ByHand([each for row in rows for each in _parts(str(row["sql"]))], known)


def _parts(statement: str) -> Iterator[str]:
    """Yield the comma-separated parts of CREATE TABLE."""
    depth, part = 0, ""
    for piece in _PIECE.findall(statement):
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and part:
            yield part.strip()
            return
        if depth == 1 and piece == ",":
            yield part.strip()
            part = ""
        elif depth > 1 or (depth == 1 and piece != "("):
            part += "" if piece.startswith(("--", "/*")) else piece


def _definitions(model: dict[str, Any], connection: Any) -> list[str]:
    found = [definition_of(name, field, connection) for name, field in model["fields"].items()]
    is_composite = any(isinstance(field, CompositePrimaryKey) for field in model["fields"].values())
    if is_composite:
        found = [re.sub(r" PRIMARY KEY| AUTOINCREMENT", "", line) for line in found]
    return [line for line in found if line]


def _table_constraints(model: dict[str, Any], connection: Any) -> Iterator[str]:
    fields = model["fields"]
    for key in (field for field in fields.values() if isinstance(field, CompositePrimaryKey)):
        columns = ", ".join(f'"{column_of(name, fields[name])}"' for name in key.field_names)
        yield f"PRIMARY KEY ({columns})"
    for constraint in model["options"].get("constraints") or ():
        if hasattr(constraint, "create_sql_inline"):
            yield constraint_in_columns(constraint, model).create_sql_inline(connection)


def _columns_kept(before: dict[str, Any], after: dict[str, Any], connection: Any) -> Iterator[tuple[str, str]]:
    """Yield each column that remains, with its new name."""
    for name, field in after["fields"].items():
        old = before["fields"].get(name)
        if old is not None and definition_of(name, old, connection) and definition_of(name, field, connection):
            yield column_of(name, old), column_of(name, field)


def _copy(
    table: str, temporary: str, before: dict[str, Any], after: dict[str, Any], columns: dict[str, str], connection: Any
) -> None:
    values = {column: f'"{column}"' for column in columns}
    for name, field in after["fields"].items():
        old = before["fields"].get(name)
        default = re.search(r" DEFAULT (.+?)(?: REFERENCES .*)?$", definition_of(name, field, connection))
        if old is not None and old.null and not field.null and default:
            values[column_of(name, old)] = f'COALESCE("{column_of(name, old)}", {default[1]})'
    targets, sources = [f'"{new}"' for new in columns.values()], [values[old] for old in columns]
    if not any(isinstance(field, _COUNTED) for field in after["fields"].values()):
        # Companions of the table, such as that of a Vec0Index, refer to rows by rowid.
        targets, sources = ["rowid", *targets], ["rowid", *sources]
    script = f'INSERT INTO "{temporary}" ({", ".join(targets)}) SELECT {", ".join(sources)} FROM "{table}"'
    connection.execute_script(script)


def _kept(table: str, columns: dict[str, str], before: dict[str, Any], connection: Any) -> Iterator[str]:
    """Yield the statements that recreate the indexes and triggers, including those that no model declares."""
    had = {column_of(name, field) for name, field in before["fields"].items() if not is_many_to_many(field)}
    rows = connection.execute(
        "SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('index', 'trigger')"
        f" AND tbl_name = '{table}' ORDER BY type"
    )
    for row in rows:
        statement = str(row["sql"])
        named = {column for column in had if re.search(rf'"{column}"', statement)}
        if row["type"] == "index" and not named <= columns.keys():
            continue
        for column in named & columns.keys():
            statement = statement.replace(f'"{column}"', f'"{columns[column]}"')
        yield statement


def _highest_key(table: str, connection: Any) -> int:
    """Return the highest key that the table has generated, even if its row is deleted."""
    made = connection.execute(f"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
    if not made or "AUTOINCREMENT" not in str(made[0]["sql"]).upper():
        return 0
    rows = connection.execute(f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'")
    return int(rows[0]["seq"] or 0) if rows else 0


def _require_references(table: str, connection: Any) -> None:
    broken = list(connection.execute(f'PRAGMA foreign_key_check("{table}")'))
    if broken:
        rows = ", ".join(str(dict(row)) for row in broken[:3])
        raise RuntimeError(
            f"{table} cannot be changed: {len(broken)} of its rows refer to rows that do not exist, such as {rows}."
            " Nothing was changed. Delete or correct them, then migrate again."
        )
