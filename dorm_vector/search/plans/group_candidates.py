"""Plan one result per group over the nearest rows that an index finds, until they hold enough groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...expressions.operands import VALUES
from ...introspection import key_names
from ...steps import Execute, Steps
from ..grouping import OnePerGroup
from ..spec import Search, SearchCondition
from .plan import Plan

_PER_ROW = 8
"""How many rows to read first for each row of the answer, and the factor for each further attempt."""
_LEAST = 64
_MOST = 5_000
"""The most rows to read before every row is measured instead."""


@dataclass(eq=False, repr=False)
class GroupCandidatesPlan(Plan):
    """Find the nearest rows of any group, and choose among them; repeat with more rows if they hold too few groups.

    Its SQL is the exact search, which runs instead if the groups are too large.
    """

    kind = "one per group"
    is_client = True
    searches = True
    nearest: Any
    """The query of the nearest rows of any group, without a limit."""
    key: str
    """The path from the grouped rows to the key of the nearest."""

    def rows(self, query: Any, connection: Any) -> Steps[list[Any] | None]:
        """Return the rows of the search, or None if the exact statement has to find them."""
        for count in counts(query):
            sql, params = limited(self.nearest, count).as_select(connection)
            near = yield Execute(sql, params)
            rows: list[Any] = []
            if near:
                sql, params = self._among(query, near).as_select(connection)
                rows = yield Execute(sql, params)
            if len(near) < count or self._is_enough(query, rows, near[-1][query.search.name]):
                return rows
        return None

    def first(self, query: Any) -> Any:
        """Return the search that the plan begins with."""
        return limited(self.nearest, next(counts(query)))

    def _is_enough(self, query: Any, rows: list[Any], reached: float | None) -> bool:
        """Return whether no row beyond those that were read can belong to the answer."""
        bound = query.greatest_distance()
        if reached is not None and bound is not None and reached > bound:
            return True
        last = rows[-1][query.search.name] if len(rows) == query.limit_val else None
        return last is not None and (reached is None or last < reached)

    def _among(self, query: Any, near: list[Any]) -> Any:
        """Return the exact search among the rows that were found."""
        keys = [row[self.nearest.selected_fields[0]] for row in near]
        return exactly_among(query, ([*self.key.split("__")], "in", keys))


def exactly_among(query: Any, condition: Any) -> Any:
    """Return the exact search among the rows that pass the condition, with the distance of each."""
    query, name = query.exactly(), query.search.name
    query.where_nodes = [*query.where_nodes, condition]
    query.alias_only_names = query.alias_only_names - {name}
    if query.is_values() and name not in query.selected_fields:
        query.selected_fields = [*query.selected_fields, name]
    return query


def counts(query: Any, lists: int = 1) -> Iterator[int]:
    """Yield how many rows to read for each list, more each time, until measuring every row is better."""
    count = max(_LEAST, _PER_ROW * (int(query.limit_val) + int(query.offset_val or 0)))
    while count * lists <= _MOST:
        yield count
        count *= _PER_ROW


def is_plain_slice(query: Any) -> bool:
    """Return whether the query is a slice in the order of its search, without a clause that needs every row."""
    is_sorted = query.order_by_fields == [query.search.name, *key_names(query.model)]
    is_plain = not (query.ctes or query.for_update_flag or query.having_nodes or query.group_by_fields)
    return bool(query.limit_val) and is_sorted and is_plain


def limited(query: Any, count: int) -> Any:
    query = query.clone()
    query.limit_val = count
    return query


def group_candidates_plan(query: Any) -> GroupCandidatesPlan | None:
    """Return the plan, if rows of any group can be searched on their own and by one vector; else None."""
    group: OnePerGroup = query.group
    search = query.search
    if search is None or search.exact or not is_plain_slice(query) or not any(counts(query)):
        return None
    keys, distance = key_names(group.holder_model), query.annotations[search.name]
    if len(keys) != 1 or not isinstance(distance.vector, VALUES):
        return None
    if group.holder:
        found = of_holders(query, group.holder_model, distance, keys[0])
        return GroupCandidatesPlan(found, f"{group.holder}__{keys[0]}")
    return GroupCandidatesPlan(of_any_group(query, keys[0]), keys[0])


def of_any_group(query: Any, key: str) -> Any:
    """Return the search of the rows as they are, of which it reads the key and the distance."""
    found, name = query.clone(), query.search.name
    found.where_nodes = [node for node in query.where_nodes if not isinstance(node, OnePerGroup)]
    found.selected_fields, found.deferred_loading, found.select_related_fields = [key, name], False, []
    found.alias_only_names = {*found.annotations} - {name}
    found.order_by_fields, found.offset_val, found.distinct_flag = [name], None, False
    return found


def of_holders(query: Any, model: Any, distance: Any, key: str) -> Any:
    """Return the search of the related rows alone; the filters of the query apply to those that it finds."""
    search, last = query.search, query.search.field_path.rpartition("__")[2]
    found = type(query)(model, query.using)
    found.annotations = {search.name: type(distance)(last, distance.vector)}
    found.selected_fields, found.order_by_fields = [key, search.name], [search.name]
    found.where_nodes = [SearchCondition(**{f"{last}__isnull": False})]
    found.search = Search(search.name, last, 0, search.exact, search.approximate, search.shortlist)
    found.options = query.options
    return found
