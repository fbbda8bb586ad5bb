"""Repairs of djanorm's routing between databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dorm.conf import settings

from ...patching.registry import repair
from ...query.routed import REPAIR, Routed, for_writing

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


@repair("dorm.db.connection", "router_db_for_read", name=REPAIR, fixed_in="5.0")
def _remembered(original: Any, model: Any, *, default: str = "default", **hints: Any) -> str:
    if not settings.DATABASE_ROUTERS:
        # djanorm would look for a recent write first, and return the same.
        return default
    return Routed(original(model, default=default, **hints))


_WRITES = ("create", "get_or_create", "update_or_create", "update", "delete", "bulk_create", "bulk_update")
_LARGE_WRITES = ("update_batched", "delete_batched", "bulk_update_when", "upsert")
_ASYNC_WRITES = (*(f"a{name}" for name in _WRITES), "abulk_update_when", "aupsert")


def writes_where_routers_say(original: Any, queryset: Any, /, *args: Any, **options: Any) -> Any:
    """Write where the routers say, and lock rows there.

    Symptom: with a router that sends reads to a standby, `objects.create()`, `update()`, `delete()` and the other
    writes of managers and querysets, `select_for_update()` and relations fail, because a standby refuses them; with
    other routers they change the database of reads. Cause: djanorm asks `db_for_read` for every queryset, and
    `db_for_write` for none. djanorm 4.3 to 4.5.
    """
    for_writing(queryset)
    return original(queryset, *args, **options)


for _method in (*_WRITES, *_LARGE_WRITES, *_ASYNC_WRITES, "select_for_update"):
    repair("dorm.queryset:QuerySet", _method, name=REPAIR, fixed_in="5.0")(writes_where_routers_say)
