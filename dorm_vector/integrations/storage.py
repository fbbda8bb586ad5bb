"""The djanorm operations that a document store needs: model fields, querysets, deletes and upserts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dorm.transaction import aatomic, atomic

from ..introspection import rows_of
from ..models.managers import as_vector
from ..models.querysets import VectorQuerySet
from ..steps import Step


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
class Upsert(Step):
    """Upsert all of the instances or none; in an existing row with the same key, fields outside the group are kept."""

    queryset: Any
    key: str
    groups: Sequence[UpsertGroup]

    def run(self, wrapper: Any) -> None:
        alias = alias_of(self.queryset)
        with atomic(alias):
            for group in self.groups:
                VectorQuerySet(self.queryset.model, alias).bulk_create(group.instances, **self._options(group))

    async def arun(self, wrapper: Any) -> None:
        alias = alias_of(self.queryset)
        async with aatomic(alias):
            for group in self.groups:
                await VectorQuerySet(self.queryset.model, alias).abulk_create(group.instances, **self._options(group))

    def _options(self, group: UpsertGroup) -> dict[str, Any]:
        if not group.fields:
            return {}
        return {"update_conflicts": True, "unique_fields": [self.key], "update_fields": list(group.fields)}
