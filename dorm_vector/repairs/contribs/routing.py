"""Repair of djanorm's routing between databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dorm.conf import settings

from ...patching.registry import repair

_NOWHERE = ""


@repair("dorm.db.connection", "router_db_for_read", fixed_in="5.0")
def reads_after_a_write(original: Any, model: Any, *, default: str = "default", **hints: Any) -> str:
    """Route reads after a `bulk_load` to the database that it wrote to.

    Symptom: with `HashShardRouter` or another router, the rows that `create()` writes up to three seconds after
    `bulk_load` or `bulk_copy` end up in `default`, and a later search finds nothing. Cause: for a recently written
    model, djanorm returns `default` instead of the database that the routers write to. djanorm 4.3 to 4.5.
    """
    alias = original(model, default=_NOWHERE, **hints)
    if alias == _NOWHERE and original(model, default=_NOWHERE, **hints | {"sticky": False}) != _NOWHERE:
        alias = next(_written_to(model, hints), _NOWHERE)
    return str(alias or default)


def _written_to(model: Any, hints: dict[str, Any]) -> Iterator[str]:
    # Do not call djanorm's router_db_for_write, which counts as another write.
    for router in settings.DATABASE_ROUTERS or ():
        if hasattr(router, "db_for_write") and (alias := router.db_for_write(model, **hints)):
            yield alias
