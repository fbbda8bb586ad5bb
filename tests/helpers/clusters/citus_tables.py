"""Distribute the tables of a suite over a Citus cluster: by primary key, or as reference tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dorm.constraints import UniqueConstraint
from dorm.fields import ManyToManyField, RelatedField
from dorm.migrations.state import ProjectState

from dorm_vector import CreateDistributedTable, CreateReferenceTable
from dorm_vector.introspection import key_names


def distribute(connection: Any, models: tuple[Any, ...], state: ProjectState) -> None:
    """Distribute the tables of the models, each behind those that it refers to; leave out those that are by now."""
    placed = _placed(connection)
    models = tuple(model for model in models if model._meta.db_table not in placed)
    referenced = {target for model in models for target in _targets(model)}
    labels = {each["name"]: key.rpartition(".")[0] for key, each in state.models.items()}
    for model in sorted(models, key=lambda model: model not in referenced):
        operation = operation_of(model, is_referenced=model in referenced)
        operation.database_forwards(labels[model.__name__], connection, state, state)


def _placed(connection: Any) -> set[str]:
    rows = connection.execute("SELECT relname AS name FROM pg_dist_partition JOIN pg_class ON oid = logicalrelid")
    return {row["name"] for row in rows}


def operation_of(model: Any, *, is_referenced: bool) -> CreateDistributedTable | CreateReferenceTable:
    key = key_names(model)
    if is_referenced or len(key) > 1 or _has_other_unique_columns(model):
        return CreateReferenceTable(model.__name__)
    return CreateDistributedTable(model.__name__, distribution_column=key[0])


def _targets(model: Any) -> Iterator[Any]:
    """Yield the models that a table, or a junction of its rows, refers to."""
    for field in model._meta.fields:
        if isinstance(field, ManyToManyField):
            yield model
        if isinstance(field, (ManyToManyField, RelatedField)):
            yield field._resolve_related_model()


def _has_other_unique_columns(model: Any) -> bool:
    """Return whether a unique constraint lacks the primary key, which Citus refuses for a distributed table."""
    meta = model._meta
    declared = [*meta.constraints, *(index for index in meta.indexes if getattr(index, "unique", False))]
    return (
        any(field.unique and not field.primary_key for field in meta.fields)
        or bool(meta.unique_together)
        or any(isinstance(each, UniqueConstraint) or getattr(each, "unique", False) for each in declared)
    )
