"""Indexes and constraints on columns instead of fields: the column of ``customer`` is ``customer_id``."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from dorm.constraints import CheckConstraint, UniqueConstraint
from dorm.expressions import F, Q
from dorm.fields import ForeignKey, IntegerField
from dorm.indexes import Index

from ...engines import dialect_for
from ...exceptions import UnsupportedByDatabase
from ...indexes.text import TextIndex
from ...indexes.vector import VectorIndex
from ...migration_state import column_of, model_of, table_of
from ...patching.registry import repair

_OPERATIONS = "dorm.migrations.operations"
_Fields = Mapping[str, Any]
_NAME = re.compile(r"[A-Za-z_]\w*")


class _Column(int):
    """A column in place of a value: djanorm writes numbers into DDL without quotes."""

    name: str

    @classmethod
    def named(cls, name: str) -> _Column:
        column = cls()
        column.name = name
        return column

    def __str__(self) -> str:
        return f'"{self.name}"'


def is_plain(index: Any) -> bool:
    """Return whether djanorm itself builds the index; vector and text indexes are built elsewhere."""
    return isinstance(index, Index) and not isinstance(index, (VectorIndex, TextIndex))


def index_in_columns(index: Index, model: dict[str, Any]) -> Any:
    """Return the index with columns instead of fields, under the name by which it is dropped."""
    fields, found = model["fields"], copy.copy(index)
    found._name = index.get_name(model["name"])
    found.fields = [_indexed(name, fields) for name in index.fields]
    found.include = [_column(name, fields) for name in index.include]
    found.condition = _condition(index.condition, fields)
    return found


def constraint_in_columns(constraint: Any, model: dict[str, Any]) -> Any:
    """Return the constraint with columns instead of fields."""
    fields, found = model["fields"], copy.copy(constraint)
    if isinstance(constraint, UniqueConstraint):
        found.fields = [_column(name, fields) for name in constraint.fields]
        found.include = [_column(name, fields) for name in constraint.include]
    if isinstance(constraint, CheckConstraint):
        found.check = _condition(constraint.check, fields)
    if getattr(constraint, "condition", None) is not None:
        found.condition = _condition(constraint.condition, fields)
    return found


def _column(name: str, fields: _Fields) -> str:
    if name == "pk":
        keys = [key for key, field in fields.items() if getattr(field, "primary_key", False)]
        name = keys[0] if keys else "id"
    return column_of(name, fields[name]) if name in fields else name


def _indexed(name: str, fields: _Fields) -> str:
    if "(" in name:
        head, _, arguments = name.partition("(")
        return f"{head}({_NAME.sub(lambda found: _column(found[0], fields), arguments)}"
    bare = name.removeprefix("-")
    return name[: len(name) - len(bare)] + _column(bare, fields)


def _condition(condition: Q | None, fields: _Fields) -> Any:
    if condition is None:
        return None
    found = copy.copy(condition)
    found.children = [
        _condition(child, fields) if isinstance(child, Q) else _comparison(child[0], child[1], fields)
        for child in condition.children
    ]
    return found


def _comparison(path: str, value: Any, fields: _Fields) -> Any:
    name, *rest = path.split("__")
    if rest and rest[0] in ("pk", "id") and isinstance(fields.get(name), ForeignKey):
        rest = rest[1:]
    key = "__".join([_column(name, fields), *rest])
    if rest == ["in"]:
        # djanorm's IN on PostgreSQL requires a parameter, which DDL does not support.
        either = Q(*((_column(name, fields), _value(one, fields)) for one in value))
        either.connector = Q.OR
        return either
    return key, _value(value, fields)


def _value(value: Any, fields: _Fields) -> Any:
    if isinstance(value, F):
        return _Column.named(_column(value.name, fields))
    return getattr(value, "pk", value)


def _names_columns() -> bool:
    from dorm.migrations.operations import AddIndex
    from dorm.migrations.state import ProjectState

    state, statements = ProjectState(), NotedStatements("sqlite")
    state.add_model("app", "Ticket", {"number": IntegerField(db_column="no")})
    AddIndex("Ticket", Index(["number"])).database_forwards("app", statements, state, state)
    return '"no"' in "".join(statements)


class NotedStatements(list[str]):
    """A connection that records the statements it receives, for probes."""

    def __init__(self, vendor: str) -> None:
        super().__init__()
        self.vendor = vendor

    def execute_script(self, statement: str) -> None:
        self.append(statement)

    def execute(self, _statement: str, _parameters: Any = None) -> list[Any]:
        return []


def _over_columns(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Use columns in indexes and conditions on foreign keys and on fields with a ``db_column``.

    Symptom: ``Index(fields=["customer"])`` fails on PostgreSQL, MySQL and MariaDB, and on SQLite indexes the text
    "customer"; the same applies to constraints and conditions. An index of a model with a ``db_table`` is never
    dropped. Cause: field names are used as columns, and the index name is derived from the table name.
    djanorm 4.3 to 4.5.
    """
    if is_plain(operation.index):
        model = model_of(operation.model_name, app_label, after, before)
        operation = copy.copy(operation)
        operation.index = _buildable(index_in_columns(operation.index, model), model, connection)
    original(operation, app_label, connection, before, after)


def _drop_over_columns(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    if is_plain(operation.index):
        model = model_of(operation.model_name, app_label, before, after)
        made_before = operation.index.create_sql(table_of(model, app_label), vendor=connection.vendor)[1]
        operation = copy.copy(operation)
        operation.index = index_in_columns(operation.index, model)
        if connection.vendor != "mysql" and f'"{operation.index.name}"' not in made_before:
            # Before this repair, djanorm created the index under this name.
            connection.execute_script(made_before)
    original(operation, app_label, connection, before, after)


def _buildable(index: Any, model: dict[str, Any], connection: Any) -> Any:
    """Return the index as the database can build it.

    Raises:
        UnsupportedByDatabase: Without its condition, the index would enforce another rule.
    """
    if connection.vendor != "mysql":
        return index
    if index.condition is not None:
        if index.unique:
            raise unsupported_condition(f"Index(name={index.name!r}, unique=True, condition=…)", connection)
        index.condition = None
    if not index.unique:
        lengths = {column_of(name, field): _prefix(field, connection) for name, field in model["fields"].items()}
        return _PrefixIndex(index, lengths)
    return index


def _prefix(field: Any, connection: Any) -> str:
    kind = str(field.db_type(connection) or "") if hasattr(field, "max_length") else ""
    return "(255)" if kind.upper().endswith(("TEXT", "BLOB")) else ""


class _PrefixIndex(Index):
    """An index on MySQL or MariaDB, which index only a prefix of a text."""

    def __init__(self, index: Index, lengths: Mapping[str, str]) -> None:
        vars(self).update(vars(index))
        self.lengths = lengths

    def _column_sql(self) -> str:
        parts = []
        for name in self.fields:
            bare = name.removeprefix("-")
            descends = " DESC" if name.startswith("-") else ""
            parts.append(f"({name})" if "(" in name else f'"{bare}"{self.lengths.get(bare, "")}{descends}')
        return ", ".join(parts)


def unsupported_condition(what: str, connection: Any) -> UnsupportedByDatabase:
    title = dialect_for(connection).title
    return UnsupportedByDatabase(
        f"{title} cannot enforce {what}: it has no indexes with a condition. Nothing was changed."
        " Drop the condition, or check the rule in your code inside a transaction."
    )


def _register(operation: str, attribute: str, replacement: Any) -> None:
    register: Callable[[Any], Any] = repair(
        f"{_OPERATIONS}:{operation}", attribute, name="indexes_over_columns", is_fixed=_names_columns
    )
    register(replacement)


_register("AddIndex", "database_forwards", _over_columns)
_register("RemoveIndex", "database_backwards", _over_columns)
_register("AddIndex", "database_backwards", _drop_over_columns)
_register("RemoveIndex", "database_forwards", _drop_over_columns)
