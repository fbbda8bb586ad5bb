"""The warning of a search that no index of its field is for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from dorm.expressions import Q

from ..exceptions import IndexMissed, frames_inside
from ..introspection import indexes_of
from .options import Options


def warn_of_a_miss(query: Any) -> None:
    """Warn where no index of the field is for the distance of the search: that is told without a plan."""
    field = query._resolve_field(query.search.field_path.split("__"))
    metrics = sorted({index.metric.value for index in indexes_of(field)})
    wanted = query.annotations[query.search.name].metric.value
    if metrics and wanted not in metrics:
        message = (
            f"{field.label} has an index for {' and '.join(metrics)}, and this search measures {wanted}: every row is"
            f" read. Search by {metrics[0]}, add an index for {wanted}, or say exact=True."
        )
        warnings.warn(message, IndexMissed, stacklevel=frames_inside())


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
