"""The djanorm operations that a document store needs: model fields, querysets, deletes and upserts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dorm.exceptions import IntegrityError
from dorm.expressions import Q
from dorm.transaction import aatomic, atomic

from ..introspection import rows_of
from ..models.managers import as_vector
from ..models.querysets import VectorQuerySet
from ..steps import Fetch, Step, Steps, Update, arun, run
from .confined import is_confined

_KEYS_AT_ONCE = 10_000

_ATTEMPTS = 3


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
class InTransaction(Step):
    """Run the steps that ``steps()`` returns in one transaction, and return their result."""

    alias: str
    steps: Callable[[], Steps[Any]]

    def run(self, wrapper: Any) -> Any:
        with atomic(self.alias):
            return run(self.steps())

    async def arun(self, wrapper: Any) -> Any:
        async with aatomic(self.alias):
            return await arun(self.steps())


@dataclass(frozen=True)
class Written:
    """Instances with different keys that are written through a queryset, and found again by their keys.

    If the queryset is filtered, every instance must pass its filter afterwards; otherwise, ValueError names one that
    does not.
    """

    queryset: Any
    key: Any
    instances: Sequence[Any]

    @property
    def every(self) -> Any:
        """All of the rows, including those outside of the queryset."""
        return VectorQuerySet(self.queryset.model, alias_of(self.queryset))

    def value(self, row: Any) -> Any:
        return getattr(row, self.key.attname)

    def keys_in(self, queryset: Any) -> Steps[set[Any]]:
        """Return the keys of the instances that the queryset has a row of."""
        seen: set[Any] = set()
        for some in self.batches([self.value(each) for each in self.instances]):
            rows = yield Fetch(queryset.filter(some).only(self.key.name))
            seen |= {self.value(row) for row in rows}
        return seen

    def check(self) -> Steps[None]:
        """Raise ValueError for instances that the queryset does not have."""
        if not is_confined(self.queryset):
            return
        seen = yield from self.keys_in(self.queryset)
        hidden = [self.value(each) for each in self.instances if self.value(each) not in seen]
        if hidden:
            raise ValueError(
                f"The store is confined to a queryset, and {len(hidden)} of {len(self.instances)} documents would not"
                f" be in it, such as {hidden[0]!r}: another value than its filter has, or the id of a row outside."
                " Nothing was written."
            )

    def batches(self, keys: list[Any]) -> Iterator[Q]:
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            yield Q(**{f"{self.key.attname}__in": keys[start : start + _KEYS_AT_ONCE]})


@dataclass(frozen=True)
class Insert:
    """Insert the instances that have no row, all or none, and return the keys of the others.

    Unless it ``skips`` those, nothing is written if there are any.
    """

    written: Written
    skips: bool

    def steps(self) -> Steps[set[Any]]:
        transaction = InTransaction(alias_of(self.written.queryset), self._inserting)
        for _attempt in range(_ATTEMPTS - 1):
            try:
                found: set[Any] = yield transaction
            except IntegrityError:
                continue  # another writer inserted one of the keys meanwhile: it is found now
            return found
        found = yield transaction
        return found

    def _inserting(self) -> Steps[set[Any]]:
        written = self.written
        there = yield from written.keys_in(written.every)
        missing = [each for each in written.instances if written.value(each) not in there]
        if missing and (self.skips or not there):
            yield BulkCreate(written.every, missing, {})
            yield from Written(written.queryset, written.key, missing).check()
        return there


@dataclass(frozen=True)
class Upsert(Step):
    """Upsert all of the instances or none; in an existing row with the same key, fields outside the group are kept.

    If the key is not ``is_unique``, existing rows are read before anything is written. Instances must be in the
    queryset afterwards, as ``Written`` says.
    """

    queryset: Any
    key: Any
    groups: Sequence[UpsertGroup]
    batch_size: int | None = None
    is_unique: bool = True

    def run(self, wrapper: Any) -> None:
        InTransaction(alias_of(self.queryset), self._writing).run(wrapper)

    async def arun(self, wrapper: Any) -> None:
        await InTransaction(alias_of(self.queryset), self._writing).arun(wrapper)

    def _writing(self) -> Steps[None]:
        written = Written(self.queryset, self.key, [each for group in self.groups for each in group.instances])
        for group in self.groups:
            missing = group.instances
            if group.fields and not self.is_unique:
                missing = yield from self._updated(written, group)
            if missing:
                yield BulkCreate(written.every, missing, self._options(group))
        yield from written.check()

    def _options(self, group: UpsertGroup) -> dict[str, Any]:
        options = {} if self.batch_size is None else {"batch_size": self.batch_size}
        if not group.fields or not self.is_unique:
            return options
        return options | {
            "update_conflicts": True,
            "unique_fields": [self.key.name],
            "update_fields": list(group.fields),
        }

    def _updated(self, written: Written, group: UpsertGroup) -> Steps[list[Any]]:
        """Overwrite the rows that exist, and return the instances that have none."""
        by_key, found = {written.value(each): each for each in group.instances}, set()
        for some in written.batches(list(by_key)):
            rows = yield Fetch(self.queryset.filter(some))
            for row in rows:
                for field in map(row._meta.get_field, group.fields):
                    setattr(row, field.attname, getattr(by_key[written.value(row)], field.attname))
            if rows:
                yield Update(written.every, rows, list(group.fields))
            found |= {written.value(row) for row in rows}
        return [each for key, each in by_key.items() if key not in found]
