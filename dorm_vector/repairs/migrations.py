"""Repairs of djanorm's migration operations."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dorm.expressions import Q
from dorm.fields import DurationField, IntegerField
from dorm.indexes import Index

from ..engines import _SPEAKS, _rebuilds
from ..patching.on_import import Late
from ..patching.registry import repair
from ..patching.stand_ins import Statements, model, state
from ..schema import writer as source
from ..schema.autodetector import _with_changed
from ..schema.concurrently import concurrently
from ..schema.renaming import _is_ours, _rename, rename_in_constraints

_OPERATIONS = "dorm.migrations.operations"
operations: Any = Late(_OPERATIONS)
writer: Any = Late("dorm.migrations.writer")


def _renames_in_indexes() -> bool:
    after = state(indexes=[Index(["name"])])
    sys.modules["dorm.migrations.operations"].RenameField("Item", "name", "title").state_forwards("app", after)
    (index,) = after.models["app.item"]["options"]["indexes"]
    return bool(index.fields == ["title"])


def _alters() -> bool:
    connection, table = Statements("libsql"), state(fields={"name": IntegerField()})
    operations.AlterField("Item", "name", IntegerField()).database_forwards("app", connection, table, table)
    return bool(connection)


def _numbers_rows_as_sqlite() -> bool:
    connection, field = Statements("libsql"), SimpleNamespace(remote_field_to=model("author"))
    operations.CreateModel("Item", [])._emit_m2m_junction("item", "authors", field, connection)
    return "AUTO_INCREMENT" not in "".join(connection)


def _turns_cascades_off() -> bool:
    connection = Statements("sqlite")
    with sys.modules["dorm.migrations.executor"]._migration_lock(connection):
        return bool(connection)


def _keeps_its_options() -> bool:
    operation = operations.CreateModel("Item", [], {"indexes": []})
    after = state()
    operation.state_forwards("app", after)
    operations.AddIndex("Item", Index(["name"])).state_forwards("app", after)
    return not operation.options["indexes"]


def _notices_changed_indexes() -> bool:
    before, after = (state(indexes=[Index([name], name="item_name")]) for name in ("name", "title"))
    detector = sys.modules["dorm.migrations.autodetector"].MigrationAutodetector(before, after)
    return bool(detector.changes())


def _writes_conditions() -> bool:
    index = Index(["name"], name="item_name", condition=Q(name="a"))
    added = type("AddIndex", (SimpleNamespace,), {})(model_name="Item", index=index, concurrently=False)
    return "condition" in writer._serialize_operation(added)


class _InATransaction(Statements):
    """A connection inside a transaction that has just created the table, so that no other connection can use it."""

    _atomic_conn = True


def _leaves_the_transaction_alone() -> bool:
    connection = _InATransaction("postgresql", [{"mode": "AccessExclusiveLock"}])
    index = Index(["name"], name="item_name")
    operations.AddIndex("Item", index, concurrently=True).database_forwards("app", connection, state(), state())
    return "CONCURRENTLY" not in "".join(connection)


@repair(f"{_OPERATIONS}:CreateModel", "state_forwards", is_fixed=_keeps_its_options)
def separate_model_state(original: Any, operation: Any, app_label: str, after: Any) -> None:
    """Keep the operation's own options out of the project state.

    Symptom: after a migration in the same process, an unapplied and reapplied CreateModel also builds the indexes of
    later migrations. Cause: the state holds the operation's own ``options``, and AddIndex appends to them.
    djanorm 4.3 to 4.5.
    """
    original(operation, app_label, after)
    model = after.models[f"{app_label}.{operation.name.lower()}"]
    model["options"] = {
        key: list(value) if isinstance(value, list) else value for key, value in model["options"].items()
    }


class AsSQLite:
    """A connection under the vendor name for which djanorm generates the SQL that it accepts."""

    def __init__(self, connection: Any) -> None:
        self.real = connection
        self.dialect = connection.vendor
        self.vendor = _SPEAKS[connection.vendor]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@repair(f"{_OPERATIONS}:AlterField", "database_forwards", is_fixed=_alters)
def alter_by_rebuilding(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Alter a column on Turso.

    Symptom: AlterField changes nothing on Turso, and the migration is recorded as applied. Cause: it rebuilds the table
    only for vendor ``sqlite``. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, _named(connection), from_state, to_state)


@repair(_OPERATIONS, "_field_to_column_sql", name="alter_by_rebuilding", is_fixed=_alters)
def _column(original: Any, name: str, field: Any, connection: Any) -> str:
    # Render the column as CreateModel rendered it, for the real vendor.
    return str(original(name, field, getattr(connection, "real", connection)))


@repair(f"{_OPERATIONS}:CreateModel", "_emit_m2m_junction", is_fixed=_numbers_rows_as_sqlite)
def create_junction(original: Any, operation: Any, table: str, name: str, field: Any, connection: Any) -> None:
    """Create the table of a ManyToManyField on Turso.

    Symptom: CreateModel raises a syntax error at AUTO_INCREMENT. Cause: every vendor other than ``sqlite`` and
    ``postgresql`` is treated as MySQL. djanorm 4.3 to 4.5.
    """
    original(operation, table, name, field, _named(connection))


@repair("dorm.migrations.executor", "_migration_lock", is_fixed=_turns_cascades_off)
def keep_what_refers(original: Any, connection: Any) -> Any:
    """Keep the rows of other tables when a migration rebuilds the table that they refer to.

    Symptom: on SQLite, AlterField on a model deletes every row that refers to it by a cascading foreign key. Cause:
    DROP TABLE deletes the rows first, and that cascades even if constraints are deferred; only
    ``foreign_keys = OFF`` before the transaction prevents it. djanorm 4.3 to 4.5.
    """
    return _without_cascades(original, connection)


@contextmanager
def _without_cascades(lock: Any, connection: Any) -> Iterator[None]:
    with lock(connection):
        if not _rebuilds(connection):
            yield
            return
        connection.execute("PRAGMA foreign_keys = OFF")
        try:
            yield
        finally:
            connection.execute("PRAGMA foreign_keys = ON")


def _named(connection: Any) -> Any:
    return AsSQLite(connection) if connection.vendor in _SPEAKS else connection


_OPERATION = "dorm.migrations.operations:RenameField"


@repair(_OPERATION, "state_forwards", is_fixed=_renames_in_indexes)
def rename_indexed_fields(original: Any, operation: Any, app_label: str, after: Any) -> None:
    """Update the column names in indexes and constraints after a field is renamed.

    Symptom: the next ``makemigrations`` drops the index and builds it again, and that migration cannot be unapplied,
    because it names a field that no longer exists. Cause: the state keeps the old name in ``Meta.indexes`` and
    ``Meta.constraints``. djanorm 4.3 to 4.5.
    """
    original(operation, app_label, after)
    _rename(operation, app_label, after, lambda index: not _is_ours(index))
    rename_in_constraints(operation, app_label, after)


@repair("dorm.migrations.autodetector:MigrationAutodetector", "changes", is_fixed=_notices_changed_indexes)
def changed_indexes(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Detect changed index parameters, and drop indexes before their columns.

    Symptom: other fields in an index that keeps its name are "No changes detected"; removing a field with its index
    cannot be unapplied. Cause: indexes are compared by name, and fields are removed first. djanorm 4.3 to 4.5.
    """
    return _with_changed(original(detector, app_label), detector, app_label, lambda index: not _is_ours(index))


@repair("dorm.migrations.writer", "_serialize_operation", is_fixed=_writes_conditions)
def index_source(original: Any, operation: Any) -> str:
    """Write indexes with their class, method, opclass, parameters and condition.

    Symptom: a migration with ``Meta.indexes`` raises NameError, and a partial index becomes an index of every row.
    Cause: indexes are written with ``repr()``, or with only three of their options. djanorm 4.3 to 4.5.
    """
    return str(original(operation)) if source._is_ours(operation) else source._with_indexes(original, operation)


_on_its_own = partial(repair, name="concurrent_index", is_fixed=_leaves_the_transaction_alone)


@_on_its_own(f"{_OPERATIONS}:AddIndex", "database_forwards")
@_on_its_own(f"{_OPERATIONS}:AddIndex", "database_backwards")
@_on_its_own(f"{_OPERATIONS}:RemoveIndex", "database_forwards")
@_on_its_own(f"{_OPERATIONS}:RemoveIndex", "database_backwards")
def concurrent_index(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Build an index with ``concurrently=True`` on a separate connection, and leave no invalid index behind.

    Symptom: it always fails with ``CREATE INDEX CONCURRENTLY cannot run inside a transaction block``. Cause:
    ``dorm migrate`` holds its lock, and applies each migration, in a transaction. djanorm 4.3 to 4.5.
    """
    concurrently(original, operation, app_label, connection, from_state, to_state)


@repair("dorm.migrations.lint", "lint_migration_file", fixed_in="5.0")
def every_file_is_linted(original: Any, path: Path) -> Any:
    """Let ``dorm lint-migrations`` read the migrations that ``dorm makemigrations`` writes.

    Symptom: "No issues found", whatever the migrations do. Cause: the linter reads a class ``Migration``, and the files
    have a list of operations. djanorm 4.3 to 4.5.
    """
    result = original(path)
    if result.findings:
        return result
    # The linter has already loaded the file without an error, but does not return its content.
    loaded = runpy.run_path(str(path))
    if "Migration" in loaded:
        return result
    from dorm.migrations import lint

    return lint.lint_operations(loaded.get("operations", []), file=path, suppressed=lint._suppressed_codes(path))


_MICROSECOND = timedelta(microseconds=1)


def _writes_default_durations() -> bool:
    field, connection = DurationField(default=_MICROSECOND), Statements("sqlite")
    return "DEFAULT 1" in sys.modules["dorm.migrations.operations"]._field_to_column_sql("lasts", field, connection)


@repair(_OPERATIONS, "_field_to_column_sql", is_fixed=_writes_default_durations)
def default_durations(original: Any, name: str, field: Any, connection: Any) -> str:
    """Write the DEFAULT of a DurationField.

    Symptom: a table with a ``DurationField(default=timedelta(minutes=5))`` cannot be created, or the field added: a
    syntax error at ``DEFAULT 0:05:00``. Cause: djanorm writes the duration as Python prints it. djanorm 4.3 to 4.5.
    """
    sql = str(original(name, field, connection))
    # A key of several columns has neither.
    for value in (getattr(field, "db_default", None), getattr(field, "default", None)):
        if isinstance(value, timedelta):
            written = value // _MICROSECOND
            default = f"'{written} microseconds'" if connection.vendor == "postgresql" else str(written)
            return sql.replace(f" DEFAULT {value}", f" DEFAULT {default}", 1)
    return sql
