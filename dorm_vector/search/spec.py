"""What a query is asked to search for: the state that ``nearest()`` leaves in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dorm.expressions import Q

from .options import Options


@dataclass(frozen=True)
class Search:
    """What ``nearest()`` asked for; ``name`` is the annotation that ranks, ``excluded`` the rows that it leaves out."""

    name: str
    field_path: str
    excluded: int = 0
    exact: bool = False
    approximate: bool = False
    """Whether an index was asked for, on a database that uses none by itself."""
    shortlist: Shortlist | None = None


EVERY_ROW = Search("", "", exact=True)
"""The search of a query that ``nearest()`` did not make, where no index may answer it."""


@dataclass(frozen=True)
class Shortlist:
    """How many rows are found by which index, before they are ranked exactly."""

    size: int
    index: Any


class SearchCondition(Q):
    """A condition that belongs to the search: it does not make it a filtered one."""


class Within(SearchCondition):
    """The greatest distance of a search; on a slice it is applied on arrival, so that it cannot starve an index."""


def as_search(queryset: Any, search: Search, conditions: list[SearchCondition]) -> Any:
    """Return the queryset as that search."""
    found = queryset._clone()
    found._query.search = search
    # What an earlier search left out is a filter of this one.
    found._query.where_nodes = [_as_filter(node) for node in found._query.where_nodes] + conditions
    return found


def _as_filter(node: Any) -> Any:
    if not isinstance(node, SearchCondition):
        return node
    condition = Q(*node.children)
    condition.negated, condition.connector = node.negated, node.connector
    return condition


def with_options(queryset: Any, options: Options) -> Any:
    found = queryset._clone()
    found._query.options = {**found._query.options, **options}
    return found
