"""Querysets whose database routers chose: they read from one, and may write to another."""

from __future__ import annotations

from typing import Any

from dorm.db import connection

from ..patching.registry import is_on

REPAIR = "writes_where_routers_say"


class Routed(str):
    """The alias of a database that routers chose for reads; a queryset and its rows keep it, and write elsewhere."""

    __slots__ = ()


def for_writing(queryset: Any) -> None:
    """Point a queryset whose database routers chose for reads to the one that they choose for writes."""
    if isinstance(queryset._db, Routed) and is_on(REPAIR):
        queryset._db = connection.router_db_for_write(queryset.model)
