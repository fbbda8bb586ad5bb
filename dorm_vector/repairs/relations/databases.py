"""Rows stay on their database: the one that they were read from or written to."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any, TypeVar

from dorm.conf import settings
from dorm.db import connection
from dorm.models import Model, _ModelState
from dorm.related_managers import ReverseFKDescriptor

from ...patching.registry import repair
from ...patching.stand_ins import model
from ...query.routed import Routed

_REPAIR = "rows_on_their_database"
_DEFAULT = "default"
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _stays_on_its_database() -> bool:
    row = SimpleNamespace(_state=SimpleNamespace(db="other"))
    manager = ReverseFKDescriptor(model(), SimpleNamespace(name="author")).__get__(row, type(row))
    return bool(manager._db == "other")


def _repaired(target: str, attribute: str) -> Callable[[_Function], _Function]:
    return repair(target, attribute, name=_REPAIR, is_fixed=_stays_on_its_database)


def _home(row: Any) -> str:
    """Return the database that a row was read from or written to; the default one for a new row."""
    state = vars(row).get("_state")
    home: str | None = state.db if state is not None else None
    return home or _DEFAULT


def _settle(row: Any, alias: str) -> None:
    state = vars(row).get("_state")
    if state is None:
        # Rows of select_related() have no state.
        vars(row)["_state"] = _ModelState(adding=False, db=alias)
    else:
        state.db = alias


def _written_to(row: Any) -> str:
    """Return the database to write a row to: the one that the routers choose, else the one that it was read from."""
    home, state = _home(row), vars(row).get("_state")
    is_new = state is not None and state.adding
    if settings.DATABASE_ROUTERS and (is_new or _is_elsewhere(home)):
        return str(connection.router_db_for_write(type(row), default=str(home), instance=row))
    return str(home)


def _is_elsewhere(alias: str) -> bool:
    """Return whether rows of this database have to know it."""
    return alias != _DEFAULT or isinstance(alias, Routed)


# Rows that are read


def _place(row: Any, alias: str) -> Any:
    if isinstance(row, Model):
        _settle(row, alias)
        for name, related in vars(row).items():
            if name.startswith("_cache_"):
                _place(related, alias)
    return row


def _each(rows: Iterator[Any], alias: str) -> Iterator[Any]:
    for row in rows:
        yield _place(row, alias)


async def _aeach(rows: AsyncIterator[Any], alias: str) -> AsyncIterator[Any]:
    async for row in rows:
        yield _place(row, alias)


@_repaired("dorm.queryset:QuerySet", "_iterator")
@_repaired("dorm.queryset:QuerySet", "_iterator_streaming")
@_repaired("dorm.queryset:CombinedQuerySet", "_iterator")
def rows_on_their_database(original: Any, queryset: Any, *args: Any) -> Any:
    """Save, delete, refresh and relate a row on the database that it was read from or written to.

    Symptom: `Model.objects.using("other").get(pk=1).delete()` deletes row 1 of `default`; `save()`, foreign keys,
    `refresh_from_db()`, reverse and many-to-many relations of such a row use `default`, too. Cause: no row knows its
    database, and every method of it assumes `default`. djanorm 4.3 to 4.5.
    """
    rows = original(queryset, *args)
    return _each(rows, queryset._db) if _is_elsewhere(queryset._db) else rows


@_repaired("dorm.queryset:QuerySet", "_aiterator")
@_repaired("dorm.queryset:QuerySet", "_aiterator_streaming")
@_repaired("dorm.queryset:CombinedQuerySet", "_aiterator")
def _arows(original: Any, queryset: Any, *args: Any) -> Any:
    rows = original(queryset, *args)
    return _aeach(rows, queryset._db) if _is_elsewhere(queryset._db) else rows


@_repaired("dorm.queryset:QuerySet", "_prefetch_m2m")
def _prefetched(original: Any, queryset: Any, rows: Any, name: str, *args: Any, **options: Any) -> None:
    original(queryset, rows, name, *args, **options)
    _place_prefetched(queryset, rows, options.get("to_attr") or f"_prefetch_{name}")


@_repaired("dorm.queryset:QuerySet", "_aprefetch_m2m")
async def _aprefetched(original: Any, queryset: Any, rows: Any, name: str, *args: Any, **options: Any) -> None:
    await original(queryset, rows, name, *args, **options)
    _place_prefetched(queryset, rows, options.get("to_attr") or f"_prefetch_{name}")


def _place_prefetched(queryset: Any, rows: Any, attribute: str) -> None:
    if _is_elsewhere(queryset._db):
        for row in rows:
            for related in vars(row).get(attribute) or ():
                _place(related, queryset._db)


@_repaired("dorm.queryset:RawQuerySet", "_hydrate")
def _raw(original: Any, queryset: Any, *args: Any) -> Any:
    row = original(queryset, *args)
    return _place(row, queryset._db) if _is_elsewhere(queryset._db) else row


# Rows that are written


@_repaired("dorm.queryset:QuerySet", "bulk_create")
def _made(original: Any, queryset: Any, rows: Any, *args: Any, **options: Any) -> Any:
    return _settled(original(queryset, rows, *args, **options), queryset)


@_repaired("dorm.queryset:QuerySet", "abulk_create")
async def _amade(original: Any, queryset: Any, rows: Any, *args: Any, **options: Any) -> Any:
    return _settled(await original(queryset, rows, *args, **options), queryset)


def _settled(rows: Any, queryset: Any) -> Any:
    for row in rows:
        _settle(row, str(queryset._db))
        # Otherwise save() inserts the row again; one without a key may not be stored.
        row._state.adding = row.pk is None
    return rows


@_repaired("dorm.models:Model", "save")
def _saved(original: Any, row: Any, *args: Any, **options: Any) -> None:
    alias = _asked(row, args, options)
    original(row, *args, **options)
    _settle(row, alias)


@_repaired("dorm.models:Model", "asave")
async def _asaved(original: Any, row: Any, *args: Any, **options: Any) -> None:
    alias = _asked(row, args, options)
    await original(row, *args, **options)
    _settle(row, alias)


@_repaired("dorm.models:Model", "delete")
def _deleted(original: Any, row: Any, *args: Any, **options: Any) -> Any:
    # First, because the cascade reads its relations, which need the database.
    _settle(row, _asked(row, args, options))
    return original(row, *args, **options)


@_repaired("dorm.models:Model", "adelete")
async def _adeleted(original: Any, row: Any, *args: Any, **options: Any) -> Any:
    _settle(row, _asked(row, args, options))
    return await original(row, *args, **options)


def _asked(row: Any, args: Any, options: dict[str, Any]) -> str:
    """Return the database to write a row to, and add it to the options if the caller chose none."""
    if not args and "using" not in options:
        # Calling the router counts as a write.
        options["using"] = _written_to(row)
    return str(args[0] if args else options["using"])


@_repaired("dorm.models:Model", "refresh_from_db")
def _refreshed(original: Any, row: Any, *args: Any, **options: Any) -> None:
    if not args:
        options.setdefault("using", _home(row))
    original(row, *args, **options)


@_repaired("dorm.models:Model", "arefresh_from_db")
async def _arefreshed(original: Any, row: Any, *args: Any, **options: Any) -> None:
    if not args:
        options.setdefault("using", _home(row))
    await original(row, *args, **options)


# Relations


@_repaired("dorm.fields:RelatedField", "__get__")
def _related(original: Any, field: Any, row: Any, owner: Any) -> Any:
    if row is None or _home(row) == _DEFAULT:
        return original(field, row, owner)
    cache, key = f"_cache_{field.name}", vars(row).get(field.attname)
    if cache not in vars(row) and key is not None:
        vars(row)[cache] = field._resolve_related_model().objects.using(_home(row)).get(pk=key)
    return original(field, row, owner)


@_repaired("dorm.related_managers:ManyToManyDescriptor", "__get__")
@_repaired("dorm.related_managers:ReverseFKDescriptor", "__get__")
def _manager(original: Any, descriptor: Any, row: Any, owner: Any = None) -> Any:
    manager = original(descriptor, row, owner)
    if row is not None:
        manager._db = _home(row)
    return manager


def _on_the_writer(original: Any, manager: Any, *args: Any, **options: Any) -> Any:
    """Change the rows of a relation on the database that the routers choose, if they chose where it was read."""
    if isinstance(manager._db, Routed):
        manager = copy.copy(manager)
        manager._db = _written_to(manager.instance)
    return original(manager, *args, **options)


for _method in ("add", "remove", "set", "clear", "aadd", "aremove", "aset", "aclear"):
    _repaired("dorm.related_managers:ManyRelatedManager", _method)(_on_the_writer)


@_repaired("dorm.related_managers:ManyRelatedManager", "create")
def _created(original: Any, manager: Any, **values: Any) -> Any:
    row = manager._rel_model.objects.using(manager._db).create(**values)
    manager.add(row)
    return row


@_repaired("dorm.related_managers:ManyRelatedManager", "acreate")
async def _acreated(original: Any, manager: Any, **values: Any) -> Any:
    row = await manager._rel_model.objects.using(manager._db).acreate(**values)
    await manager.aadd(row)
    return row


class _On:
    """A model whose ``objects`` are those of one database."""

    def __init__(self, source: Any, alias: str) -> None:
        self._source, self.objects = source, source.objects.using(alias)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __call__(self, **values: Any) -> Any:
        return self._source(**values)


def _on_its_database(original: Any, manager: Any, *args: Any, **options: Any) -> Any:
    if manager._db == _DEFAULT or isinstance(manager.source_model, _On):
        return original(manager, *args, **options)
    elsewhere = copy.copy(manager)
    elsewhere.source_model = _On(manager.source_model, manager._db)
    return original(elsewhere, *args, **options)


_WRITES = ("create", "get_or_create", "update_or_create", "add", "remove", "set")
_ASYNC_WRITES = ("aget_or_create", "aupdate_or_create", "aadd", "aremove", "aset")
for _method in (*_WRITES, *_ASYNC_WRITES):
    _repaired("dorm.related_managers:ReverseFKManager", _method)(_on_its_database)
