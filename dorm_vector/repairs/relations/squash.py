"""Squash migrations: merge operations only if none between them prevents it."""

from __future__ import annotations

from typing import Any

from dorm.fields import ForeignKey, IntegerField

from ...patching.on_import import Late
from ...patching.registry import repair
from .state import is_relation

operations: Any = Late("dorm.migrations.operations")
_KNOWN = (
    "CreateModel",
    "DeleteModel",
    "AddField",
    "RemoveField",
    "AlterField",
    "RenameField",
    "AddIndex",
    "RemoveIndex",
    "AddConstraint",
    "RemoveConstraint",
)


def _keeps_order() -> bool:
    from dorm.migrations.operations import AddField, CreateModel
    from dorm.migrations.squasher import squash_operations

    found = [CreateModel("A", []), CreateModel("B", []), AddField("A", "b", ForeignKey("B"))]
    found += [AddField("A", "number", IntegerField())]
    return [type(operation).__name__ for operation in squash_operations(found)] == [
        "CreateModel",
        "CreateModel",
        "AddField",
    ]


@repair("dorm.migrations.squasher", "squash_operations", is_fixed=_keeps_order)
def squash_in_order(_original: Any, found: list[Any]) -> list[Any]:
    """Merge the operations of a squashed migration only if the result is the same.

    Symptom: a squashed migration refers to a table that it creates later, or lacks a field that was removed and added
    again. Cause: a field moves to its CreateModel past all operations in between. djanorm 4.3 to 4.5.
    """
    result: list[Any] = []
    for operation in found:
        _merge(operation, result)
    return result


def _merge(operation: Any, result: list[Any]) -> None:
    """Append the operation, or merge it into an earlier one."""
    kind = type(operation).__name__
    if kind not in ("AddField", "AlterField", "RemoveField"):
        result.append(operation)
        return
    for place in reversed(range(len(result))):
        earlier = result[place]
        if _is_start(earlier, operation):
            merged = _merged(earlier, operation) if _targets_exist(operation, result[place:]) else None
            if merged is not None:
                result[place : place + 1] = merged
                return
            break
        if type(earlier).__name__ not in _KNOWN or _touches(earlier, operation):
            break
    result.append(operation)


def _is_start(earlier: Any, operation: Any) -> bool:
    """Return whether the earlier operation adds the field, or creates its model."""
    model = operation.model_name.lower()
    if isinstance(earlier, operations.CreateModel):
        return bool(earlier.name.lower() == model)
    is_added = isinstance(earlier, operations.AddField) and not isinstance(operation, operations.AddField)
    return is_added and earlier.model_name.lower() == model and earlier.name == operation.name


def _merged(earlier: Any, operation: Any) -> list[Any] | None:
    """Return the operations that replace the earlier one; None if both remain."""
    if isinstance(earlier, operations.AddField):
        if isinstance(operation, operations.RemoveField):
            return []
        return [operations.AddField(earlier.model_name, earlier.name, operation.field)]
    fields = dict(earlier.fields)
    if isinstance(operation, operations.RemoveField) or _has_parts(earlier, operation):
        return None
    fields[operation.name] = operation.field
    return [operations.CreateModel(earlier.name, list(fields.items()), earlier.options)]


def _has_parts(created: Any, operation: Any) -> bool:
    """Return whether an index or constraint of the new model may use the changed field."""
    options = created.options or {}
    is_alter = isinstance(operation, operations.AlterField)
    return is_alter and bool(options.get("indexes") or options.get("constraints"))


def _targets_exist(operation: Any, since: list[Any]) -> bool:
    """Return whether the model that a relation refers to existed before these operations."""
    field: Any = getattr(operation, "field", None)
    if not is_relation(field):
        return True
    target = field.remote_field_to
    name = (target if isinstance(target, str) else target.__name__).rpartition(".")[2].lower()
    created = {one.name.lower() for one in since[1:] if isinstance(one, operations.CreateModel)}
    return name not in created and not getattr(field, "through", None)


def _touches(earlier: Any, operation: Any) -> bool:
    """Return whether an earlier operation affects the same field, or may affect it."""
    model = str(getattr(earlier, "model_name", None) or getattr(earlier, "name", "")).lower()
    if model != operation.model_name.lower():
        return False
    names = {getattr(earlier, name, None) for name in ("name", "old_name", "new_name")}
    is_part = hasattr(earlier, "index") or hasattr(earlier, "constraint")
    return operation.name in names or (is_part and not isinstance(operation, operations.AddField))
