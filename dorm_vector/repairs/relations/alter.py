"""AlterField on every database: type, NULL, default, uniqueness, foreign key and column name."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from dorm.fields import AutoField, BigAutoField, CharField, RelatedField, SmallAutoField

from ...engines import _rebuilds, dialect_of_vendor
from ...migration_state import column_of, model_of, table_of
from ...patching.registry import repair
from ..migrations import _named
from .columns import NotedStatements
from .constraints import rename_sql
from .mysql import FOREIGN_KEYS
from .rebuild import definition_of, rebuild
from .state import is_many_to_many

_ALTER = "dorm.migrations.operations:AlterField"
_REFERENCES = " REFERENCES "
_DEFAULT = re.compile(r" DEFAULT (.+?)(?: COMMENT '.*)?$")
_COUNTED = (AutoField, BigAutoField, SmallAutoField)
_FOREIGN_KEYS = {
    "postgresql": (
        "SELECT c.conname AS name FROM pg_constraint c JOIN pg_attribute a"
        " ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)"
        " WHERE c.contype = 'f' AND c.conrelid = to_regclass('\"{table}\"') AND a.attname = '{column}'"
    ),
    "mysql": FOREIGN_KEYS,
}
_UNIQUE = {
    "postgresql": (
        "SELECT c.conname AS name FROM pg_constraint c JOIN pg_attribute a"
        " ON a.attrelid = c.conrelid AND ARRAY[a.attnum] = c.conkey"
        " WHERE c.contype = 'u' AND c.conrelid = to_regclass('\"{table}\"') AND a.attname = '{column}'"
    ),
    "mysql": (
        "SELECT index_name AS name FROM information_schema.statistics WHERE table_schema = DATABASE()"
        " AND table_name = '{table}' AND non_unique = 0 AND index_name <> 'PRIMARY'"
        " GROUP BY index_name HAVING COUNT(*) = 1 AND MAX(column_name) = '{column}'"
    ),
}


def _alters_on_mysql() -> bool:
    from dorm.migrations.operations import AlterField
    from dorm.migrations.state import ProjectState

    before, after, statements = ProjectState(), ProjectState(), NotedStatements("mysql")
    before.add_model("app", "Ticket", {"title": CharField(max_length=9)})
    after.add_model("app", "Ticket", {"title": CharField(max_length=99)})
    AlterField("Ticket", "title", CharField(max_length=99)).database_forwards("app", statements, before, after)
    return bool(statements)


@repair(_ALTER, "database_forwards", is_fixed=_alters_on_mysql)
def alter_every_field(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Alter exactly the changed parts of a column, on every database, and skip fields that have not changed.

    Symptom: AlterField on a model with a foreign key fails on SQLite; on MySQL and MariaDB it changes nothing; on
    PostgreSQL, a default, ``unique``, the referenced model and ``db_column`` keep their old values; and SQLite rebuilds
    the table for an unchanged column, and drops indexes that were created by hand. Cause: for PostgreSQL, only the type
    and NULL are written, and columns are named after the fields. djanorm 4.3 to 4.5.
    """
    old_model, new_model = (model_of(operation.model_name, app_label, state) for state in (before, after))
    old, new = old_model["fields"].get(operation.name), operation.field
    if old is None or is_many_to_many(old) or is_many_to_many(new):
        return
    change = _Change(table_of(old_model, app_label), operation.name, old, new, connection)
    rename = partial(rename_sql, name=operation.name, before=old_model, after=new_model, app_label=app_label)
    if definition_of(operation.name, old, connection) == definition_of(operation.name, new, connection):
        statements = change.widening(rename)
    elif _rebuilds(connection):
        rebuild(_named(connection), app_label, old_model, {**new_model, "fields": _with(old_model, operation)})
        return
    else:
        statements = change.statements(rename)
    for statement in statements:
        connection.execute_script(statement)


def _with(model: dict[str, Any], operation: Any) -> dict[str, Any]:
    return {name: operation.field if name == operation.name else field for name, field in model["fields"].items()}


def _goes_back() -> bool:
    from dorm.migrations.operations import AlterField
    from dorm.migrations.state import ProjectState

    before, after, statements = ProjectState(), ProjectState(), NotedStatements("postgresql")
    before.add_model("app", "Ticket", {"title": CharField(max_length=99)})
    after.add_model("app", "Ticket", {"title": CharField(max_length=9)})
    AlterField("Ticket", "title", CharField(max_length=99)).database_backwards("app", statements, before, after)
    return bool(statements)


@repair(_ALTER, "database_backwards", is_fixed=_goes_back)
def alter_every_field_back(
    _original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any
) -> None:
    """Unapply an AlterField.

    Symptom: after unapplying, the column keeps its new type, and the migration is recorded as unapplied. Cause:
    ``AlterField.database_backwards`` is empty. djanorm 4.3 to 4.5.
    """
    field = model_of(operation.model_name, app_label, after)["fields"].get(operation.name)
    if field is not None:
        back = type(operation)(operation.model_name, operation.name, field)
        back.database_forwards(app_label, connection, before, after)


class _Change:
    """The statements that change one column to its new definition."""

    def __init__(self, table: str, name: str, old: Any, new: Any, connection: Any) -> None:
        self.table, self.name, self.connection = table, name, connection
        self.old, self.new = old, new
        self.old_column, self.column = column_of(name, old), column_of(name, new)
        self.was, self.will_be = self._plain(old), self._plain(new)
        self.changes_reference = self._reference(old) != self._reference(new) or self._type(old) != self._type(new)

    def statements(self, rename: Callable[..., str]) -> Iterator[str]:
        table, is_postgresql = f'ALTER TABLE "{self.table}"', self.connection.vendor == "postgresql"
        if self.changes_reference:
            yield from self._without("FOREIGN KEY", _FOREIGN_KEYS)
        if self.old.unique and not self.new.unique:
            yield from self._without("INDEX", _UNIQUE)
        if is_postgresql and self.old_column != self.column:
            yield rename(f'RENAME COLUMN "{self.old_column}" TO "{self.column}"', connection=self.connection)
        yield from self._postgresql() if is_postgresql else self._mysql(rename)
        if self.new.unique and not self.old.unique:
            yield f'{table} ADD UNIQUE ("{self.column}")'
        if self.changes_reference and self._reference(self.new):
            yield f'{table} ADD FOREIGN KEY ("{self.column}"){self._reference(self.new)}'

    def widening(self, rename: Callable[..., str]) -> Iterator[str]:
        """Widen a column that an earlier release created narrower, although its field is declared as it is today."""
        kind = self._type(self.new)
        if kind.lower() not in dialect_of_vendor(self.connection.vendor).ddl.narrower:
            return
        if self.connection.vendor == "postgresql":
            yield f'ALTER TABLE "{self.table}" ALTER COLUMN "{self.column}" TYPE {kind}'
        else:
            yield from self._mysql(rename)

    def _without(self, kind: str, catalogue: dict[str, str]) -> Iterator[str]:
        vendor = self.connection.vendor
        dropped = "CONSTRAINT" if vendor == "postgresql" else kind
        for row in self.connection.execute(catalogue[vendor].format(table=self.table, column=self.old_column)):
            yield f'ALTER TABLE "{self.table}" DROP {dropped} "{row["name"]}"'

    def _postgresql(self) -> Iterator[str]:
        column = f'ALTER TABLE "{self.table}" ALTER COLUMN "{self.column}"'
        kind, default = self._type(self.new), _default(self.will_be)
        if self._type(self.old) != kind:
            if _default(self.was):
                yield f"{column} DROP DEFAULT"
            yield f'{column} TYPE {kind} USING "{self.column}"::{kind}'
        if default != _default(self.was) or (default and self._type(self.old) != kind):
            yield f"{column} SET DEFAULT {default}" if default else f"{column} DROP DEFAULT"
        if self.old.null and not self.new.null:
            yield from self._filled(default, self.column)
            yield f"{column} SET NOT NULL"
        elif self.new.null and not self.old.null:
            yield f"{column} DROP NOT NULL"

    def _mysql(self, rename: Callable[..., str]) -> Iterator[str]:
        if self.old.null and not self.new.null:
            yield from self._filled(_default(self.will_be), self.old_column)
        definition = self.will_be.replace(" PRIMARY KEY", "")
        change = f'CHANGE COLUMN "{self.old_column}" {definition}'
        is_renamed = self.old_column != self.column
        yield rename(change, connection=self.connection) if is_renamed else f'ALTER TABLE "{self.table}" {change}'

    def _filled(self, default: str, column: str) -> Iterator[str]:
        if default:
            yield f'UPDATE "{self.table}" SET "{column}" = {default} WHERE "{column}" IS NULL'

    def _plain(self, field: Any) -> str:
        """Return the definition without UNIQUE and REFERENCES, which are separate constraints."""
        bare = copy.copy(field)
        bare.unique = False
        return self._parts(bare)[0]

    def _reference(self, field: Any) -> str:
        return self._parts(field)[1]

    def _parts(self, field: Any) -> tuple[str, str]:
        definition = definition_of(self.name, field, self.connection)
        if not isinstance(field, RelatedField):
            return definition, ""
        head, found, tail = definition.rpartition(_REFERENCES)
        return head, f"{found}{tail}"

    def _type(self, field: Any) -> str:
        kind = str(field.db_type(self.connection))
        # A serial column has an integer type once it exists.
        is_serial = isinstance(field, _COUNTED) and self.connection.vendor == "postgresql"
        return kind.upper().replace("SERIAL", "INT") if is_serial else kind


def _default(definition: str) -> str:
    found = _DEFAULT.search(definition)
    return found[1] if found else ""
