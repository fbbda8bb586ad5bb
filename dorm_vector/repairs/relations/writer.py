"""Write complete, loadable migration files: field options, keys, operations and values."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dorm.expressions import RawSQL
from dorm.fields import NOT_PROVIDED, CharField, CompositePrimaryKey

from ...patching.registry import repair
from ...schema.writer import _is_ours, _value
from .apps import LATE
from .state import is_many_to_many, is_relation

_WRITER = "dorm.migrations.writer"
_OPERATIONS = "dorm.migrations.operations"
# Imports that the repr() of a value needs.
_VALUES = {
    r"\bdatetime\.": "import datetime",
    r"\bDecimal\(": "from decimal import Decimal",
    r"\bUUID\(": "from uuid import UUID",
    r"\bdorm\.": "import dorm",
    r"\bimport_module\(": "from importlib import import_module",
}


def _writes_columns() -> bool:
    from dorm.migrations.writer import _serialize_field

    return "db_column" in _serialize_field(CharField(max_length=9, db_column="no"))


@repair(_WRITER, "_serialize_field", is_fixed=_writes_columns)
def every_option_of_a_field(original: Any, field: Any) -> str:
    """Write ``db_column``, ``db_default``, ``through``, ``related_name`` and composite keys.

    Symptom: a field with a ``db_column`` is created under the field's name, and then not found; ``through=`` is lost; a
    CompositePrimaryKey cannot be loaded. Cause: the writer knows only some options of some classes. djanorm 4.3 to 4.5.
    """
    if isinstance(field, CompositePrimaryKey):
        return f"CompositePrimaryKey({', '.join(map(repr, field.field_names))})"
    source = str(original(field))
    if is_relation(field):
        source = source.replace(f"('{_bare_name(field)}'", f"('{_target(field)}'", 1)
    options = ", ".join(f"{name}={_value(value)}" for name, value in _options(field))
    return source if not options else f"{source[:-1]}{'' if source.endswith('()') else ', '}{options})"


def _options(field: Any) -> Iterator[tuple[str, Any]]:
    if field.db_column:
        yield "db_column", field.db_column
    if field.db_default is not NOT_PROVIDED and field.db_default is not None:
        yield "db_default", field.db_default
    if field.db_comment:
        yield "db_comment", field.db_comment
    if getattr(field, "related_name", None):
        yield "related_name", field.related_name
    if is_many_to_many(field) and field.through:
        through = field.through
        yield "through", through if isinstance(through, str) else through.__name__


def _bare_name(field: Any) -> str:
    target = field.remote_field_to
    return str(target if isinstance(target, str) else target.__name__)


def _target(field: Any) -> str:
    """Return the name of the model that a relation refers to, qualified by its app if that is another one."""
    target = field.remote_field_to
    if isinstance(target, str) or field.model is None:
        return _bare_name(field)
    label = target._meta.app_label
    return target.__name__ if label == field.model._meta.app_label else f"{label}.{target.__name__}"


@repair(_WRITER, "_serialize_operation", name="every_option_of_a_field", is_fixed=_writes_columns)
def _operation(original: Any, operation: Any) -> str:
    kind = type(operation).__name__
    if kind == "RunSQL":
        reverse = f", reverse_sql={operation.reverse_sql!r}" if operation.reverse_sql else ""
        return f"RunSQL(sql={operation.sql!r}{reverse})"
    if kind == "RunPython":
        reverse = f", reverse_code={_function(operation.reverse_code)}" if operation.reverse_code else ""
        return f"RunPython(code={_function(operation.code)}{reverse})"
    if kind == "AlterModelTable":
        return f"AlterModelTable(name={operation.name!r}, table={operation.table!r})"
    return str(original(operation))


def _function(code: Any) -> str:
    """Return an expression for a migration's function; import_module(), because module names begin with a number."""
    path = str(code.__qualname__)
    if "<" in path:
        raise ValueError(f"{code!r} cannot be written to a migration. Define it at the top of a module.")
    return "RunPython.noop" if path == "RunPython.noop" else f"import_module({code.__module__!r}).{path}"


@repair(_WRITER, "_collect_user_imports", name="every_option_of_a_field", is_fixed=_writes_columns)
def _imports(original: Any, operations: Iterable[Any]) -> list[str]:
    lines = set(original(operations))
    for operation in operations:
        fields = [field for _name, field in getattr(operation, "fields", None) or ()]
        if any(isinstance(field, CompositePrimaryKey) for field in fields):
            lines.add("from dorm.fields import CompositePrimaryKey")
        if any(isinstance(getattr(field, "db_default", None), RawSQL) for field in fields):
            lines.add("import dorm")
    return sorted(lines)


class _InMemory:
    """A path whose text is kept in memory, for the probe."""

    text = ""

    def __init__(self, _path: Any = None) -> None:
        """Accept any path."""

    def __truediv__(self, _name: str) -> _InMemory:
        return self

    def mkdir(self, **_options: Any) -> None:
        """Create nothing."""

    def exists(self) -> bool:
        return True

    def read_text(self) -> str:
        return self.text

    def write_text(self, text: str) -> None:
        self.text = text


class _Foreign:
    """An operation of another package."""

    def __repr__(self) -> str:
        return "_Foreign()"


def _imports_from_elsewhere() -> bool:
    from dorm.migrations import writer

    real: Any = vars(writer)["Path"]
    vars(writer)["Path"] = _InMemory
    try:
        written: Any = writer.write_squashed_migration("app", _InMemory(), 1, [_Foreign()], [])  # type: ignore[arg-type]
    finally:
        vars(writer)["Path"] = real
    return f"from {_Foreign.__module__} import" in written.read_text()


@repair(_WRITER, "write_migration", name="loadable_migrations", is_fixed=_imports_from_elsewhere)
def _write_in_two(
    original: Any, app_label: str, directory: Any, number: int, operations: list[Any], *rest: Any, **options: Any
) -> Path:
    # Operations that depend on another app's migration are written to a second file.
    early = [operation for operation in operations if not hasattr(operation, LATE)]
    late = [operation for operation in operations if hasattr(operation, LATE)]
    path = _loadable(original(app_label, directory, number, early or late, *rest, **options), early or late)
    if early and late:
        second = _loadable(original(app_label, directory, number + 1, late, *rest, **options), late)
        sys.stdout.write(f"  Created migration: {second}\n")
    return path


@repair(_WRITER, "write_squashed_migration", is_fixed=_imports_from_elsewhere)
def loadable_migrations(
    original: Any, app_label: str, directory: Any, number: int, operations: list[Any], *rest: Any, **options: Any
) -> Path:
    """Import all names that a migration uses, and split migrations of apps that refer to each other.

    Symptom: ``ImportError`` after squashing a range with contrib's VectorExtension; ``NameError`` for a default that is
    a date or a Decimal; two apps that refer to each other cannot be migrated. Cause: every operation is imported from
    ``dorm.migrations.operations``, and values are not imported at all. djanorm 4.3 to 4.5.
    """
    return _loadable(original(app_label, directory, number, operations, *rest, **options), operations)


def _loadable(path: Path, operations: list[Any]) -> Path:
    text = path.read_text()
    foreign = {type(operation): None for operation in operations if _is_foreign(operation)}
    for kind in foreign:
        text = text.replace(f"    {kind.__name__},\n", "", 1)
    text = text.replace("from dorm.migrations.operations import (\n)\n", "")
    lines = {f"from {kind.__module__} import {kind.__name__}" for kind in foreign}
    lines |= {line for pattern, line in _VALUES.items() if re.search(pattern, _code(text))}
    missing = sorted(line for line in lines if f"\n{line}\n" not in text)
    head, mark, tail = text.partition('\n"""\n')
    path.write_text(head + mark + "".join(f"{line}\n" for line in missing) + tail)
    return path


def _is_foreign(operation: Any) -> bool:
    return type(operation).__module__ != _OPERATIONS and not _is_ours(operation)


def _code(text: str) -> str:
    """Return the operations of a migration without its string literals."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", "''", text.partition("\noperations = ")[2])
