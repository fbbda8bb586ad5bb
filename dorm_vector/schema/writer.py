"""Hooks of djanorm's migration writer, so that it writes fields and indexes as the model declares them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from dorm.constraints import BaseConstraint
from dorm.expressions import F, Q, RawSQL
from dorm.fields import Field
from dorm.indexes import Index

from ..expressions.distances import Expression
from ..patching.on_import import Late
from ..patching.registry import hook

_WRITER = "dorm.migrations.writer"

writer: Any = Late(_WRITER)

operations: Any = Late("dorm.migrations.operations")

_OWN_PACKAGE = "dorm_vector."
# The model options whose values are lists of objects.
_PARTS = ("indexes", "constraints")


class _Source:
    """Python source that stands in for a value, because CreateModel's options are written with ``repr()``."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@hook(_WRITER, "_serialize_field")
def vector_field_source(original: Any, field: Any) -> str:
    """Write every option of a vector field.

    Symptom: ``db_column``, ``db_default``, ``help_text`` and callable defaults are lost, and any class named
    VectorField is imported from ``dorm.contrib.pgvector``. Cause: the writer looks up fields by class name. djanorm 4.3
    to 4.5.
    """
    return _call(field) if _is_ours(field) else str(original(field))


@hook(_WRITER, "_serialize_operation")
def vector_index_source(original: Any, operation: Any) -> str:
    """Write our operations, and operations that contain a vector or text index, with all their options."""
    if _is_ours(operation):
        return _call(operation)
    ours = any(map(_is_ours, _indexes_of(operation)))
    return _with_indexes(original, operation) if ours else str(original(operation))


def _with_indexes(original: Any, operation: Any) -> str:
    if isinstance(operation, operations.CreateModel) and operation.options:
        operation = copy.copy(operation)
        parts = {option: operation.options[option] for option in _PARTS if operation.options.get(option)}
        sources = {option: [_Source(_value(part)) for part in declared] for option, declared in parts.items()}
        operation.options = operation.options | sources
        return str(original(operation))
    if isinstance(getattr(operation, "constraint", None), BaseConstraint):
        name, constraint = type(operation).__name__, _value(operation.constraint)
        return f"{name}(\n        model_name={operation.model_name!r},\n        constraint={constraint},\n    )"
    if isinstance(getattr(operation, "index", None), Index):
        concurrently = ", concurrently=True" if operation.concurrently else ""
        name, index = type(operation).__name__, _value(operation.index)
        return f"{name}(\n        model_name={operation.model_name!r},\n        index={index}{concurrently},\n    )"
    return str(original(operation))


@hook(_WRITER, "_gather_field_imports", name="vector_field_source")
def _field_imports(original: Any, operation: Any, imports: set[str]) -> None:
    found: set[str] = set()
    original(operation, found)
    others = {type(item).__name__ for item in _fields_of(operation) if not _is_ours(item)}
    imports |= {line for line in found if line.rpartition(" ")[2] in others}
    if hasattr(operation, "operation"):
        writer._gather_field_imports(operation.operation, imports)


@hook(_WRITER, "_collect_user_imports", name="vector_field_source")
def _imports(original: Any, operations: Iterable[Any]) -> list[str]:
    lines = set(original(operations))
    inner = [operation.operation for operation in operations if hasattr(operation, "operation")]
    lines |= {f"import {type(operation).__module__}" for operation in inner} | (
        set(original(inner)) if inner else set()
    )
    for operation in (*operations, *inner):
        for part in (operation, *_fields_of(operation), *_indexes_of(operation)):
            lines |= set(_imports_of(part))
    return sorted(lines)


@hook(_WRITER, "write_migration")
@hook(_WRITER, "write_squashed_migration", name="write_migration")
def write_migration(
    original: Any, app_label: str, directory: Any, number: int, operations: list[Any], *rest: Any, **options: Any
) -> Path:
    """Import our operations from their own module.

    Symptom: after squashing migrations that include VectorExtension, every dorm command of the app fails with
    ImportError. Cause: the writer imports all operations from ``dorm.migrations.operations``. djanorm 4.3 to 4.5.
    """
    path: Path = original(app_label, directory, number, operations, *rest, **options)
    foreign = {type(operation).__name__ for operation in operations if _is_ours(operation)}
    if foreign:
        path.write_text(_without_imports(path.read_text(), foreign))
    return path


@hook(_WRITER, "write_pgvector_extension_migration")
def enable_pgvector(original: Any, *args: Any, **options: Any) -> Path:
    """Make ``dorm makemigrations --enable-pgvector`` write our VectorExtension.

    Symptom: the file imports ``dorm.contrib.pgvector``, whose extension loads sqlite-vec for one process only. Cause:
    the text of the migration is hard-coded. djanorm 4.3 to 4.5.
    """
    path: Path = original(*args, **options)
    text = path.read_text().replace("from dorm.contrib.pgvector import", "from dorm_vector import")
    path.write_text(text.replace("Enable the pgvector PostgreSQL extension.", "Enable vector search."))
    return path


def _is_ours(item: Any) -> bool:
    return isinstance(item, (Field, Index, operations.Operation)) and _path(item).startswith(_OWN_PACKAGE)


def _path(item: Any) -> str:
    # A field's deconstruct() returns its name before the path.
    return str(item.deconstruct()[-3]) if hasattr(item, "deconstruct") else ""


def _call(item: Any) -> str:
    """Return the source of a call that recreates the item."""
    *_, path, args, options = item.deconstruct()
    parts = [_value(value) for value in args] + [f"{name}={_value(value)}" for name, value in options.items()]
    return f"{path}({', '.join(parts)})"


def _value(value: Any) -> str:
    if isinstance(value, (Field, Index, operations.Operation)):
        return _part(value)
    if isinstance(value, Expression) and hasattr(value, "deconstruct"):
        return _call(value)
    if isinstance(value, (Q, F, RawSQL, BaseConstraint)):
        return _of_djanorm(value)
    if isinstance(value, (set, frozenset, list, tuple)):
        return _several(value)
    if isinstance(value, Enum):
        return repr(value.value)
    if callable(value):
        return _callable(value)
    return repr(value)


def _of_djanorm(value: Any) -> str:
    if isinstance(value, Q):
        return _condition(value)
    if isinstance(value, F):
        return f"dorm.F({value.name!r})"
    return f"dorm.RawSQL({value.sql!r})" if isinstance(value, RawSQL) else _constraint(value)


def _several(values: Any) -> str:
    if isinstance(values, tuple):
        return f"({', '.join(map(_value, values))}{',' * (len(values) == 1)})"
    # Sort sets, because their order differs between runs.
    written = map(_value, values) if isinstance(values, list) else sorted(map(_value, values))
    return f"[{', '.join(written)}]"


def _constraint(constraint: BaseConstraint) -> str:
    names = ("check", "fields", "expressions", "name", "index_type", "condition", "deferrable", "include")
    default = {"index_type": "gist"}
    options = {name: getattr(constraint, name, None) for name in names}
    given = {name: value for name, value in options.items() if value and value != default.get(name)}
    return f"dorm.{type(constraint).__name__}({', '.join(f'{name}={_value(value)}' for name, value in given.items())})"


def _part(item: Any) -> str:
    if _is_ours(item):
        return _call(item)
    if isinstance(item, operations.Operation):
        return f"{type(item).__module__}.{writer._serialize_operation(item)}"
    return _plain_index(item) if isinstance(item, Index) else writer._serialize_field(item)


def _plain_index(index: Index) -> str:
    options: dict[str, Any] = {
        "fields": index.fields,
        "name": index.name or None,
        "unique": index.unique,
        "method": index.method,
    }
    options |= {"condition": index.condition, "opclasses": index.opclasses, "include": index.include}
    default = {"unique": False, "method": "btree"}
    given = {key: value for key, value in options.items() if value and value != default.get(key)}
    return f"dorm.Index({', '.join(f'{key}={_value(value)}' for key, value in given.items())})"


def _condition(condition: Q) -> str:
    parts = [_value(child) if isinstance(child, Q) else _comparison(*child) for child in condition.children]
    operator = " | " if condition.connector == "OR" else " & "
    joined = operator.join(parts) or "dorm.Q()"
    return f"{'~' * condition.negated}({joined})"


def _comparison(path: str, value: Any) -> str:
    return f"dorm.Q({path}={_value(value)})"


def _callable(function: Any) -> str:
    if not writer._is_module_level_callable(function):
        raise ValueError(f"{function!r} cannot be written to a migration. Define it at the top of a module.")
    return f"{function.__module__}.{function.__name__}"


def _fields_of(operation: Any) -> Iterator[Any]:
    direct = [field for _name, field in getattr(operation, "fields", None) or ()]
    direct += [operation.field] if getattr(operation, "field", None) is not None else []
    for field in direct:
        yield from _with_inner(field)


def _with_inner(field: Any) -> Iterator[Any]:
    yield field
    for attribute in ("base_field", "output_field"):
        inner = getattr(field, attribute, None)
        if inner is not None:
            yield from _with_inner(inner)


def _indexes_of(operation: Any) -> list[Any]:
    options = getattr(operation, "options", None) or {}
    declared = [part for option in _PARTS for part in options.get(option) or ()]
    parts = (getattr(operation, "index", None), getattr(operation, "constraint", None))
    return declared + [part for part in parts if isinstance(part, (Index, BaseConstraint))]


def _imports_of(item: Any) -> Iterator[str]:
    if isinstance(item, (Index, BaseConstraint)):
        yield "import dorm"
    if not _is_ours(item):
        return
    *_, path, _args, options = item.deconstruct()
    yield f"import {path.rpartition('.')[0]}"
    for value in options.values():
        if isinstance(value, RawSQL):
            yield "import dorm"
        elif callable(value) and not isinstance(value, Q):
            yield f"import {value.__module__}"


def _without_imports(text: str, names: set[str]) -> str:
    """Remove the names from the import of djanorm's operations, or the whole import if no name is left."""
    opening = "from dorm.migrations.operations import (\n"
    head, _, rest = text.partition(opening)
    block, _, tail = rest.partition(")\n")
    kept = [line for line in block.splitlines() if line.strip(" ,") not in names]
    return head + (opening + "\n".join(kept) + "\n)\n" if kept else "") + tail
