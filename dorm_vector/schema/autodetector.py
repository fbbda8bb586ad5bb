"""Detect changed vector and text indexes, and drop an index before its column."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from ..indexes.text import TextIndex
from ..indexes.vector import VectorIndex
from ..patching.on_import import Late
from ..patching.registry import hook

_OPERATIONS = "dorm.migrations.operations"

operations: Any = Late(_OPERATIONS)


def _rebuilt(detector: Any, key: str, is_meant: Callable[[Any], bool]) -> Iterator[Any]:
    before, after = detector.from_state.models[key], detector.to_state.models[key]
    old = {index.get_name(before["name"]): index for index in before["options"].get("indexes") or []}
    for index in after["options"].get("indexes") or []:
        known = old.get(index.get_name(after["name"]))
        if known is not None and is_meant(index) and not _is_same_index(known, index):
            yield operations.RemoveIndex(after["name"], known)
            yield operations.AddIndex(after["name"], index)


def _is_same_index(known: Any, index: Any) -> bool:
    # djanorm's own comparison, which contrib.pgvector indexes use, ignores the parameters.
    if not isinstance(index, VectorIndex) or isinstance(known, VectorIndex):
        return bool(known == index)
    # Parameters that it omits have pgvector's defaults, which are also ours.
    defaults = type(index)(index.fields).with_options
    return bool(known == index) and defaults | getattr(known, "with_options", {}) == index.with_options


def _indexes_first(found: list[Any], is_meant: Callable[[Any], bool]) -> list[Any]:
    def is_later(operation: Any) -> bool:
        return not (isinstance(operation, operations.RemoveIndex) and is_meant(operation.index))

    return sorted(found, key=is_later)


@hook("dorm.migrations.autodetector:MigrationAutodetector", "changes")
def changed_vector_indexes(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Detect a vector or text index whose parameters changed, and drop it before the column that it indexes."""
    return _with_changed(original(detector, app_label), detector, app_label, _is_ours)


@hook("dorm.migrations.autodetector:MigrationAutodetector", "changes")
def renamed_indexes(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Rename an index if only its name has changed, often together with its field's, instead of rebuilding it."""
    changes: dict[str, list[Any]] = original(detector, app_label)
    return {label: _renamed(found, detector.from_state.models, label) for label, found in changes.items()}


def _renamed(found: list[Any], before: dict[str, Any], label: str) -> list[Any]:
    from .operations import RenameIndex

    result = list(found)
    for added in [operation for operation in found if isinstance(operation, operations.AddIndex)]:
        name, new = added.model_name, added.index.get_name(added.model_name)
        known = before.get(f"{label}.{name.lower()}", {}).get("options", {}).get("indexes") or ()
        removed = next((operation for operation in result if _is_same_under_another_name(operation, added)), None)
        if removed is not None and new not in {index.get_name(name) for index in known}:
            result[result.index(added)] = RenameIndex(name, removed.index.get_name(name), new)
            result.remove(removed)
    return result


def _is_same_under_another_name(removed: Any, added: Any) -> bool:
    if not isinstance(removed, operations.RemoveIndex) or removed.model_name.lower() != added.model_name.lower():
        return False
    known, index = copy.copy(removed.index), copy.copy(added.index)
    known._name = index._name = None
    return type(known) is type(index) and _is_same_index(known, index)


def _is_ours(index: Any) -> bool:
    return isinstance(index, (VectorIndex, TextIndex))


def _with_changed(
    changes: dict[str, list[Any]], detector: Any, app_label: str | None, is_meant: Callable[[Any], bool]
) -> dict[str, list[Any]]:
    """Add the changes of the selected indexes, and move their removals to the front."""
    for key in detector.from_state.models.keys() & detector.to_state.models.keys():
        label = key.rpartition(".")[0]
        if app_label in (None, label):
            changes.setdefault(label, []).extend(_rebuilt(detector, key, is_meant))
    return {label: _indexes_first(found, is_meant) for label, found in changes.items() if found}
