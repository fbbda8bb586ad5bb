"""Check that a database can build the vector indexes of a migration, before the migration changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.index_extensions import IndexExtension
from ..engines import dialect_for
from ..engines.sqlite.extension import NO_EXTENSION, is_served
from ..exceptions import UnsupportedByDatabase
from ..indexes.contents import Column, columns_of
from ..indexes.sign_columns import SignBits
from ..indexes.text import TextIndex
from ..indexes.vector import VectorIndex
from ..introspection import reads_vectors
from ..patching.on_import import Late
from ..patching.registry import hook
from .requirements.extensions import require_extension

operations: Any = Late("dorm.migrations.operations")


@hook("dorm.migrations.executor:MigrationExecutor", "_apply_forward")
def indexes_checked_first(
    original: Any, executor: Any, app_label: str, migrations: Any, applied: Any, *rest: Any, **options: Any
) -> Any:
    """Reject an index that the database cannot build, and an old extension, before the first migration runs.

    Symptom: a migration fails halfway, and its earlier changes stay. Cause: MySQL and MariaDB commit each change of a
    table separately. djanorm 4.3 to 4.5.
    """
    state, has_vectors = executor.loader.get_migration_state(app_label), False
    for _number, name, module in migrations:
        for operation in getattr(module, "operations", []) if name not in applied else ():
            operation.state_forwards(app_label, state)
            model = state.models.get(f"{app_label}.{_model_name(operation)}", {})
            has_vectors = has_vectors or any(map(reads_vectors, model.get("fields", {}).values()))
            if any(isinstance(index, VectorIndex) for index in _indexes(model)):
                require_possible_indexes(model, executor.connection)
            if isinstance(operation, (operations.AddIndex, operations.CreateModel)):
                _require_extensions(model, executor.connection)
    if has_vectors:
        # Migrations are imported late: to import an expression must not import them.
        from .operations import require_recent_extension

        require_recent_extension(executor.connection)
    return original(executor, app_label, migrations, applied, *rest, **options)


def _require_extensions(model: dict[str, Any], connection: Any) -> None:
    for index in _indexes(model):
        extension = _extension_of(index, dialect_for(connection))
        if extension is not None:
            require_extension(extension, index.get_name(model["name"]), connection)


def _extension_of(index: Any, dialect: Dialect) -> IndexExtension | None:
    if isinstance(index, TextIndex):
        return index.search(dialect).extension
    return dialect.index_rules.extensions.get(index.kind) if isinstance(index, VectorIndex) else None


def require_possible_indexes(
    model: dict[str, Any], connection: Any, columns: Mapping[str, Column] | None = None
) -> None:
    """Raise UnsupportedByDatabase, with the fix, if the model's vector indexes cannot be built."""
    dialect = dialect_for(connection)
    built = [index for index in _indexes(model) if isinstance(index, VectorIndex) and index.is_built_by(dialect)]
    for index in built:
        for reason in (
            *_obstacles(model, index, built, dialect),
            *_companion_obstacles(model, index, connection, columns),
            *_sign_obstacles(model, index, dialect),
        ):
            name = index.get_name(model["name"])
            raise UnsupportedByDatabase(f"{dialect.title} cannot build {name}: {reason} Nothing was changed.")


def _obstacles(model: dict[str, Any], index: VectorIndex, built: list[Any], dialect: Dialect) -> Iterator[str]:
    rules, (name,) = dialect.index_rules, index.fields
    label = f"{model['name']}.{name}"
    if rules.metrics is not None and index.metric not in rules.metrics:
        known = " or ".join(f'"{metric.value}"' for metric in rules.metrics)
        yield (
            f"its indexes do not know the distance {index.metric.value}."
            f" Declare it with distance={known}, or remove it: every search by {index.metric.value} is exact without."
        )
    if rules.not_null and model["fields"][name].null:
        yield f"it indexes only NOT NULL columns. Declare {label} without null=True, or remove the index."
    if rules.whole_table and index.condition is not None:
        yield "its vector indexes take no condition. Declare it without one."
    if index.with_options.get("m", rules.links[0]) not in rules.links:
        yield f"m is from {rules.links[0]} to {rules.links[-1]} there; it is {index.with_options['m']}."
    if rules.one_per_table and built[0] is not index:
        yield f"a table has one vector index there, and {built[0].get_name(model['name'])} is it. Keep one of them."


def _companion_obstacles(
    model: dict[str, Any], index: Any, connection: Any, columns: Mapping[str, Column] | None
) -> Iterator[str]:
    dialect, (name,) = dialect_for(connection), index.fields
    # A table of signs that cannot be built is left out, because searches are exact without.
    if index.kind in dialect.companions and name in model["fields"]:
        yield from index.obstacles(
            dialect, model["fields"][name].dimensions, columns or columns_of(model["fields"], connection)
        )
        if not is_served(dialect.companions[index.kind]):
            yield NO_EXTENSION


def _sign_obstacles(model: dict[str, Any], index: VectorIndex, dialect: Dialect) -> Iterator[str]:
    if index.holds_signs(dialect):
        obstacle = SignBits(index, dialect, index.get_name(model["name"]), "", "", 1).obstacle()
        yield from [obstacle] if obstacle else []


def _indexes(model: dict[str, Any]) -> list[Any]:
    return list(model.get("options", {}).get("indexes") or [])


def _model_name(operation: Any) -> str:
    return str(getattr(operation, "model_name", None) or getattr(operation, "name", "")).lower()
