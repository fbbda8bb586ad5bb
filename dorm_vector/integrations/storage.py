"""The djanorm operations that a document store needs: model fields, querysets, deletes and upserts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dorm.expressions import Q
from dorm.transaction import aatomic, atomic

from ..introspection import rows_of
from ..models.managers import as_vector
from ..models.querysets import VectorQuerySet
from ..steps import Fetch, Step, Steps, Update, arun, run
from .confined import is_confined

_KEYS_AT_ONCE = 10_000


def concrete_fields(model: Any) -> dict[str, Any]:
    """Return the fields of a model that have a column, keyed by attribute name, such as ``author_id``."""
    return {field.attname: field for field in model._meta.concrete_fields}


def rows_in(source: Any, using: str | None) -> VectorQuerySet:
    """Return the rows of a model or of a queryset, in the database ``using`` if given."""
    queryset = rows_of(source)
    return as_vector(queryset.using(using) if using else queryset)


def alias_of(queryset: Any) -> str:
    return str(queryset._db)


@dataclass(frozen=True)
class Delete(Step):
    """Delete the rows of a queryset, and return how many were deleted."""

    queryset: Any

    def run(self, wrapper: Any) -> int:
        return int(self.queryset.delete()[0])

    async def arun(self, wrapper: Any) -> int:
        return int((await self.queryset.adelete())[0])


@dataclass(frozen=True)
class UpsertGroup:
    """Instances that overwrite the same fields of existing rows with their key."""

    instances: list[Any]
    fields: Sequence[str]


@dataclass(frozen=True)
class BulkCreate(Step):
    """Insert instances; options are those of ``bulk_create``."""

    queryset: Any
    instances: list[Any]
    options: dict[str, Any]

    def run(self, wrapper: Any) -> Any:
        return self.queryset.bulk_create(self.instances, **self.options)

    async def arun(self, wrapper: Any) -> Any:
        return await self.queryset.abulk_create(self.instances, **self.options)


@dataclass(frozen=True)
class Upsert(Step):
    """Upsert all of the instances or none; in an existing row with the same key, fields outside the group are kept.

    If the key is not ``is_unique``, existing rows are read before anything is written. If the queryset is filtered,
    every instance must pass its filter afterwards; otherwise, ValueError names one that does not.
    """

    queryset: Any
    key: Any
    groups: Sequence[UpsertGroup]
    batch_size: int | None = None
    is_unique: bool = True

    def run(self, wrapper: Any) -> None:
        with atomic(alias_of(self.queryset)):
            run(self._writing())

    async def arun(self, wrapper: Any) -> None:
        async with aatomic(alias_of(self.queryset)):
            await arun(self._writing())

    def _writing(self) -> Steps[None]:
        every = VectorQuerySet(self.queryset.model, alias_of(self.queryset))
        for group in self.groups:
            missing = group.instances
            if group.fields and not self.is_unique:
                missing = yield from self._updated(group)
            if missing:
                yield BulkCreate(every, missing, self._options(group))
        if is_confined(self.queryset):
            yield from self._check()

    def _options(self, group: UpsertGroup) -> dict[str, Any]:
        options = {} if self.batch_size is None else {"batch_size": self.batch_size}
        if not group.fields or not self.is_unique:
            return options
        return options | {
            "update_conflicts": True,
            "unique_fields": [self.key.name],
            "update_fields": list(group.fields),
        }

    def _updated(self, group: UpsertGroup) -> Steps[list[Any]]:
        """Overwrite the rows that exist, and return the instances that have none."""
        by_key, found = {self._value(each): each for each in group.instances}, set()
        for some in self._batches(list(by_key)):
            rows = yield Fetch(self.queryset.filter(some))
            for row in rows:
                for field in map(row._meta.get_field, group.fields):
                    setattr(row, field.attname, getattr(by_key[self._value(row)], field.attname))
            if rows:
                yield Update(VectorQuerySet(self.queryset.model, alias_of(self.queryset)), rows, list(group.fields))
            found |= {self._value(row) for row in rows}
        return [each for key, each in by_key.items() if key not in found]

    def _check(self) -> Steps[None]:
        keys = [self._value(each) for group in self.groups for each in group.instances]
        seen: set[Any] = set()
        for some in self._batches(keys):
            rows = yield Fetch(self.queryset.filter(some).only(self.key.name))
            seen |= {self._value(row) for row in rows}
        hidden = [key for key in keys if key not in seen]
        if hidden:
            raise ValueError(
                f"The store is confined to a queryset, and {len(hidden)} of {len(keys)} documents would not be in it,"
                f" such as {hidden[0]!r}: another value than its filter has, or the id of a row outside."
                " Nothing was written."
            )

    def _value(self, row: Any) -> Any:
        return getattr(row, self.key.attname)

    def _batches(self, keys: list[Any]) -> Iterator[Q]:
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            yield Q(**{f"{self.key.attname}__in": keys[start : start + _KEYS_AT_ONCE]})
