"""``dorm.contrib`` history, temporal and audit models: record the stored vectors of a row, even if deferred."""

from __future__ import annotations

from typing import Any

from dorm.queryset import QuerySet

from ..engines.connections import alias_of
from ..introspection import is_one_of
from ..patching.registry import hook
from ..steps import Fetch, Steps, arun, run

NOT_READ = "_dorm_vector_not_read"
"""The instance attribute that holds the stored values of deferred columns, for the history record."""

_TRAILS = ("_history_model", "_temporal_model", "_audit_model")


def _leaves_a_trail(model: Any) -> bool:
    return any(getattr(model, name, None) is not None for name in _TRAILS)


@hook("dorm.models:Model", "_do_update", name="trails_of_partial_rows")
def trails_of_partial_rows(original: Any, instance: Any, connection: Any, *rest: Any) -> Any:
    """Read the deferred columns of a row before it is saved or deleted, so that its history includes them."""
    if _leaves_a_trail(type(instance)):
        run(_read_the_rest(instance, alias_of(connection)))
    return original(instance, connection, *rest)


@hook("dorm.models:Model", "_ado_update", name="trails_of_partial_rows")
async def _async_trails_of_partial_rows(original: Any, instance: Any, connection: Any, *rest: Any) -> Any:
    if _leaves_a_trail(type(instance)):
        await arun(_read_the_rest(instance, alias_of(connection)))
    return await original(instance, connection, *rest)


@hook("dorm.models:Model", "_handle_on_delete", name="trails_of_partial_rows")
def _trails_of_deleted_rows(original: Any, instance: Any, using: str = "default") -> Any:
    if _leaves_a_trail(type(instance)):
        run(_read_the_rest(instance, using))
    return original(instance, using=using)


@hook("dorm.models:Model", "_ahandle_on_delete", name="trails_of_partial_rows")
async def _async_trails_of_deleted_rows(original: Any, instance: Any, using: str = "default") -> Any:
    if _leaves_a_trail(type(instance)):
        await arun(_read_the_rest(instance, using))
    return await original(instance, using=using)


def _read_the_rest(instance: Any, alias: str) -> Steps[None]:
    missing = [f.attname for f in instance._meta.concrete_fields if f.column and f.attname not in instance.__dict__]
    rows = (yield Fetch(QuerySet(type(instance), alias).filter(is_one_of([instance])))) if missing else []
    instance.__dict__[NOT_READ] = {name: row.__dict__.get(name) for row in rows for name in missing}
