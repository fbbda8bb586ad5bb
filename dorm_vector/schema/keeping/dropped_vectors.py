"""RemoveField and DeleteModel: dropping stored vectors requires ``allow_vector_loss=True``.

Files written since this rule protect vectors: they set ``protects_vectors``. It applies to them and to every later
file of the app. Earlier files cannot contain the option, so they only warn.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...exceptions import VectorsDropped, VectorsWouldBeLost
from ...introspection import reads_vectors
from ...migration_state import column_of, model_of, table_of
from ...models.generated_fields import GeneratedVectorField
from ...patching.on_import import Late
from ...patching.registry import hook

_OPERATIONS = "dorm.migrations.operations"
_WRITER = "dorm.migrations.writer"
_PROTECTS = "protects_vectors"
_MARK = (
    "# From this migration on, dropping stored vectors requires allow_vector_loss=True (dorm_vector).\n"
    f"{_PROTECTS} = True\n"
)
# Set on the operations of a migration file: whether the rule applies to it.
_REFUSES = "dorm_vector_refuses"

operations: Any = Late(_OPERATIONS)


@hook(f"{_OPERATIONS}:RemoveField", "__init__", name="explicit_vector_loss")
@hook(f"{_OPERATIONS}:DeleteModel", "__init__")
def explicit_vector_loss(
    original: Any, operation: Any, *arguments: Any, allow_vector_loss: bool = False, **options: Any
) -> None:
    """Accept ``allow_vector_loss=True`` in RemoveField and DeleteModel, and write it to new migrations."""
    original(operation, *arguments, **options)
    operation.allow_vector_loss = allow_vector_loss


@hook("dorm.migrations.autodetector:MigrationAutodetector", "changes", name="explicit_vector_loss")
def _detected(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    changes: dict[str, list[Any]] = original(detector, app_label)
    for label, found in changes.items():
        for operation in filter(_drops, found):
            operation.allow_vector_loss = any(True for _column in _dropped(operation, label, detector.from_state))
    return changes


@hook(_WRITER, "_serialize_operation", name="explicit_vector_loss")
def _source(original: Any, operation: Any) -> str:
    source = str(original(operation))
    return f"{source[:-1]}, allow_vector_loss=True)" if _is_allowed(operation) else source


@hook(_WRITER, "_collect_user_imports", name="explicit_vector_loss")
def _imports(original: Any, operations: Iterable[Any]) -> list[str]:
    # The import adds the option to the operations, in case nothing else imports the package.
    allowed = any(map(_is_allowed, operations))
    return sorted({*original(operations), *(["import dorm_vector"] if allowed else [])})


@hook(_WRITER, "write_migration", name="explicit_vector_loss")
def _write(
    original: Any, app_label: str, directory: Any, number: int, operations: list[Any], *rest: Any, **options: Any
) -> Path:
    path: Path = original(app_label, directory, number, operations, *rest, **options)
    if any(_is_allowed(operation) or _adds_vectors(operation) for operation in operations):
        _mark(path)
    return path


@hook(_WRITER, "write_squashed_migration", name="explicit_vector_loss")
def _write_squashed(
    original: Any, app_label: str, directory: Any, number: int, operations: Any, replaces: Any, *rest: Any, **more: Any
) -> Path:
    path: Path = original(app_label, directory, number, operations, replaces, *rest, **more)
    # A squash keeps the permissions of the files it replaces. This folder lacks those of other apps and deleted ones.
    files = [path.parent / f"{name}.py" for _app, name in replaces]
    if any(f"\n{_PROTECTS} = True\n" in file.read_text() for file in files if file.exists()):
        _mark(path)
    return path


def _mark(path: Path) -> None:
    head, operations, tail = path.read_text().partition("\noperations = [\n")
    path.write_text(f"{head}\n{_MARK}{operations}{tail}")


@hook("dorm.migrations.executor:MigrationExecutor", "_apply_forward")
def vector_loss_refused(
    original: Any, executor: Any, app_label: str, migrations: list[Any], *rest: Any, **options: Any
) -> Any:
    """Refuse to drop stored vectors in a migration that does not allow it; earlier releases' migrations warn."""
    since = min((number for number, _name, module in migrations if hasattr(module, _PROTECTS)), default=None)
    for number, _name, module in migrations:
        for operation in _dropping(getattr(module, "operations", [])):
            setattr(operation, _REFUSES, since is not None and number >= since)
    return original(executor, app_label, migrations, *rest, **options)


def _dropping(found: Iterable[Any]) -> Iterator[Any]:
    for operation in found:
        if _drops(operation):
            yield operation
        # Those of SeparateDatabaseAndState.
        yield from _dropping(getattr(operation, "database_operations", None) or ())


@hook(f"{_OPERATIONS}:RemoveField", "database_forwards", name="vector_loss_refused")
@hook(f"{_OPERATIONS}:DeleteModel", "database_forwards", name="vector_loss_refused")
def _drop(original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
    is_checked = hasattr(operation, _REFUSES) and not _is_allowed(operation)
    if is_checked and getattr(connection, "captured", None) is None:
        _report(operation, list(_held(operation, app_label, connection, from_state)))
    original(operation, app_label, connection, from_state, to_state)


def _report(operation: Any, held: list[str]) -> None:
    if not held:
        return
    name = type(operation).__name__
    what = f"{' and '.join(held)}, and {name} drops them."
    allowed = f"{operation!r}"[:-1] + ", allow_vector_loss=True)"
    if not getattr(operation, _REFUSES):
        warnings.warn(f"{what} Migrations of earlier releases are not refused.", VectorsDropped, stacklevel=2)
        return
    renamed = "RenameField" if name == "RemoveField" else "RenameModel"
    raise VectorsWouldBeLost(
        f"{what} Nothing was dropped. If it was renamed, use {renamed} instead: dorm makemigrations --rename OLD=NEW"
        f" writes it. If the vectors may go, allow it in the migration: {allowed}"
    )


def _held(operation: Any, app_label: str, connection: Any, state: Any) -> Iterator[str]:
    """Yield how many vectors each dropped column holds."""
    dropped = list(_dropped(operation, app_label, state))
    model = model_of(_model_name(operation), app_label, state)
    table = table_of(model, app_label)
    if not dropped or not connection.table_exists(table):
        return
    for name, column in dropped:
        query = f'SELECT COUNT(*) AS "held" FROM "{table}" WHERE "{column}" IS NOT NULL'
        held = int(connection.execute(query)[0]["held"])
        if held:
            yield f"{model['name']}.{name} holds {held:,} vector{'s' * (held != 1)}"


def _dropped(operation: Any, app_label: str, state: Any) -> Iterator[tuple[str, str]]:
    """Yield the field and the column of stored vectors that the operation drops."""
    fields = model_of(_model_name(operation), app_label, state)["fields"]
    for name, field in fields.items():
        is_meant = not isinstance(operation, operations.RemoveField) or name == operation.name
        if is_meant and stores_vectors(field):
            yield name, column_of(name, field)


def stores_vectors(field: Any) -> bool:
    """Return whether dropping a column would lose vectors; a generated column can be computed again."""
    return reads_vectors(field) and not isinstance(field, GeneratedVectorField)


def _adds_vectors(operation: Any) -> bool:
    fields = [field for _name, field in getattr(operation, "fields", None) or ()]
    return any(map(stores_vectors, [*fields, getattr(operation, "field", None)]))


def _model_name(operation: Any) -> str:
    return str(operation.model_name if isinstance(operation, operations.RemoveField) else operation.name)


def _drops(operation: Any) -> bool:
    return isinstance(operation, (operations.RemoveField, operations.DeleteModel))


def _is_allowed(operation: Any) -> bool:
    return bool(getattr(operation, "allow_vector_loss", False))
