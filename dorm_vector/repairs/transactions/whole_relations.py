"""Change a relation in one transaction."""

from __future__ import annotations

from typing import Any

from dorm.transaction import aatomic, atomic

from ...patching.registry import repair

_MANY = "dorm.related_managers:ManyRelatedManager"
_REVERSE = "dorm.related_managers:ReverseFKManager"


@repair(_MANY, "set", fixed_in="5.0")
@repair(_MANY, "create", name="whole_relations", fixed_in="5.0")
@repair(_REVERSE, "set", name="whole_relations", fixed_in="5.0")
def whole_relations(original: Any, manager: Any, *args: Any, **options: Any) -> Any:
    """Set a relation in one transaction, and create its rows in one.

    Symptom: after a ``set()`` that failed or an ``aset()`` that was cancelled, the relation has neither the old nor the
    new rows. Cause: what is removed and what is added are committed one after the other. djanorm 4.3 to 4.5.
    """
    with atomic(using=manager._db):
        return original(manager, *args, **options)


@repair(_MANY, "aset", name="whole_relations", fixed_in="5.0")
@repair(_MANY, "acreate", name="whole_relations", fixed_in="5.0")
@repair(_REVERSE, "aset", name="whole_relations", fixed_in="5.0")
async def _awhole(original: Any, manager: Any, *args: Any, **options: Any) -> Any:
    async with aatomic(using=manager._db):
        return await original(manager, *args, **options)
