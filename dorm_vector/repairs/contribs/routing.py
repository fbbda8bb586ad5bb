"""Repair of djanorm's routing between databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dorm.conf import settings

from ...patching.registry import repair

_NOWHERE = ""


@repair("dorm.db.connection", "router_db_for_read", fixed_in="5.0")
def reads_after_a_write(original: Any, model: Any, *, default: str = "default", **hints: Any) -> str:
    """Let what follows a `bulk_load` go to the database that the load went to.

    Symptom: with `HashShardRouter` or another router, the rows that `create()` writes up to three seconds after
    `bulk_load` or `bulk_copy` land in `default`, and a search after it finds nothing. Cause: djanorm answers `default`
    for a model that was written lately, where it means the database that the routers write to. djanorm 4.3 to 4.5.
    """
    alias = original(model, default=_NOWHERE, **hints)
    if alias == _NOWHERE and original(model, default=_NOWHERE, **hints | {"sticky": False}) != _NOWHERE:
        alias = next(_written_to(model, hints), _NOWHERE)
    return str(alias or default)


def _written_to(model: Any, hints: dict[str, Any]) -> Iterator[str]:
    # Not djanorm's router_db_for_write: it counts as another write.
    for router in settings.DATABASE_ROUTERS or ():
        if hasattr(router, "db_for_write") and (alias := router.db_for_write(model, **hints)):
            yield alias
