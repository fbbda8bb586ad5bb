"""The paths that a query names, outside of its subqueries: what is joined for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from tests.differential.queries import (
    Aggregate,
    Annotate,
    Combined,
    Distance,
    Filter,
    Leaf,
    Nearest,
    Not,
    OrderBy,
    Project,
    Query,
    Reference,
)


@singledispatch
def paths_of(part: Any) -> Iterator[str]:
    """Yield the paths that a part of a query names; a value names none."""
    yield from ()


@paths_of.register
def _(part: str) -> Iterator[str]:
    yield part.lstrip("-")


@paths_of.register
def _(part: Query) -> Iterator[str]:
    yield from _each(part.steps)
    yield from _each([aggregate for _name, aggregate in part.aggregates])


@paths_of.register
def _(part: Reference) -> Iterator[str]:
    if not part.outer:
        yield part.path


@paths_of.register
def _(part: Leaf) -> Iterator[str]:
    yield part.path
    if isinstance(part.value, Reference):
        yield from paths_of(part.value)


@paths_of.register
def _(part: Combined) -> Iterator[str]:
    yield from _each(part.parts)


@paths_of.register(Filter)
@paths_of.register(Not)
def _(part: Filter | Not) -> Iterator[str]:
    yield from paths_of(part.condition)


@paths_of.register
def _(part: Annotate) -> Iterator[str]:
    yield from paths_of(part.expression)


@paths_of.register
def _(part: Aggregate) -> Iterator[str]:
    yield from paths_of(part.of)


@paths_of.register(Distance)
@paths_of.register(Nearest)
def _(part: Distance | Nearest) -> Iterator[str]:
    yield part.path
    yield from paths_of(part.to)


@paths_of.register
def _(part: OrderBy) -> Iterator[str]:
    yield from _each(part.names)


@paths_of.register
def _(part: Project) -> Iterator[str]:
    yield from _each([*part.names, *(aggregate for _name, aggregate in part.groups)])


def _each(parts: Any) -> Iterator[str]:
    for part in parts:
        yield from paths_of(part)
