"""Vectors and deferred columns in the records of ``dorm.contrib``: history, temporal versions and audits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..patching.registry import hook
from .serialization import plain
from .trails import NOT_READ


@hook("dorm.contrib.history", "_snapshot_kwargs", name="whole_snapshots")
@hook("dorm.contrib.temporal", "_snapshot", name="whole_snapshots")
def whole_snapshots(original: Any, instance: Any, meta: Any) -> dict[str, Any]:
    """Record the stored value of a deferred column."""
    found: dict[str, Any] = original(instance, meta)
    rest = instance.__dict__.get(NOT_READ, {})
    kept = [field for field in meta.fields if field.attname in rest and field.attname not in instance.__dict__]
    return found | {field.name: rest[field.attname] for field in kept if not getattr(field, "pii", False)}


@hook("dorm.contrib.audit", "_emit_diff")
def numbers_in_audits(
    original: Any, sender: Any, instance: Any, *, operation: str, pre: dict[str, Any], **options: Any
) -> Any:
    """Compare and record vectors as lists of numbers; a deferred column is unchanged."""
    before = {name: plain(value) for name, value in pre.items()}
    rest = {name: plain(value) for name, value in instance.__dict__.get(NOT_READ, {}).items()}
    if operation == "-":
        before |= {name: value for name, value in rest.items() if name in before and name not in instance.__dict__}
    held = before if operation == "~" else {}
    after = held | {name: plain(value) for name, value in instance.__dict__.items()}
    return original(sender, SimpleNamespace(**after), operation=operation, pre=before, **options)
