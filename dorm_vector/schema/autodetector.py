"""Detect changed indexes, and drop an index before its column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..indexes.vector import VectorIndex
from ..patching.on_import import Late
from ..patching.registry import repair
from .vector_indexes import _is_ours, _notices_changed_indexes, _with_changed

_OPERATIONS = "dorm.migrations.operations"

operations: Any = Late(_OPERATIONS)


@repair("dorm.migrations.autodetector:MigrationAutodetector", "changes", is_fixed=_notices_changed_indexes)
def changed_indexes(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Notice an index whose parameters changed, and drop indexes before the columns they stand on.

    Symptom: other fields of an index that keeps its name are "No changes detected"; removing a field with its index
    cannot be unapplied. Cause: indexes are compared by name, and fields are removed first. djanorm 4.3 to 4.5.
    """
    return _with_changed(original(detector, app_label), detector, app_label, lambda index: not _is_ours(index))


def _rebuilt(detector: Any, key: str, is_meant: Callable[[Any], bool]) -> Iterator[Any]:
    before, after = detector.from_state.models[key], detector.to_state.models[key]
    old = {index.get_name(before["name"]): index for index in before["options"].get("indexes") or []}
    for index in after["options"].get("indexes") or []:
        known = old.get(index.get_name(after["name"]))
        if known is not None and is_meant(index) and not _is_same_index(known, index):
            yield operations.RemoveIndex(after["name"], known)
            yield operations.AddIndex(after["name"], index)


def _is_same_index(known: Any, index: Any) -> bool:
    # djanorm's own comparison, which a contrib.pgvector index has, passes over the parameters.
    if not isinstance(index, VectorIndex) or isinstance(known, VectorIndex):
        return bool(known == index)
    # What it leaves out is pgvector's default, which is ours.
    defaults = type(index)(index.fields).with_options
    return bool(known == index) and defaults | getattr(known, "with_options", {}) == index.with_options


def _indexes_first(found: list[Any], is_meant: Callable[[Any], bool]) -> list[Any]:
    def is_later(operation: Any) -> bool:
        return not (isinstance(operation, operations.RemoveIndex) and is_meant(operation.index))

    return sorted(found, key=is_later)
