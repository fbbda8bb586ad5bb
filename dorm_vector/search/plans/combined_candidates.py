"""Plan a search by several vectors over the rows that an index finds for each, until no other row can be nearer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...expressions.combined_distances import CombinedDistance, Items
from ...introspection import key_names
from ...steps import Execute, Steps
from ..spec import Within
from .group_candidates import counts, exactly_among, is_plain_slice, limited, of_any_group, of_holders
from .keys import among
from .plan import Plan


@dataclass(eq=False, repr=False)
class CombinedCandidatesPlan(Plan):
    """Find the nearest rows of each vector, and combine their distances; repeat with more if other rows could win.

    A row in no list is at least as far from each vector as the last row of its list. Its SQL is the exact search, which
    runs instead if the lists become too long.
    """

    kind = "candidates of each vector"
    is_client = True
    searches = True
    nearest: Sequence[Any]
    """The query of the rows that are nearest to each vector, without a limit."""
    key: str
    """The path from the rows to the key of those that are searched."""
    measured: CombinedDistance

    def first(self, query: Any) -> Any:
        """Return the search that the plan begins with."""
        return limited(self.nearest[0], next(counts(query, len(self.nearest))))

    def rows(self, query: Any, connection: Any) -> Steps[list[Any] | None]:
        """Return the rows of the search, or None if the exact statement has to find them."""
        for count in counts(query, len(self.nearest)):
            found: list[list[Any]] = []
            for each in self.nearest:
                sql, params = limited(each, count).as_select(connection)
                found.append((yield Execute(sql, params)))
            keys = list(dict.fromkeys(row[self.nearest[0].selected_fields[0]] for near in found for row in near))
            rows: list[Any] = []
            if keys:
                sql, params = self._among(query, keys).as_select(connection)
                rows = yield Execute(sql, params)
            if any(len(near) < count for near in found) or self._is_enough(query, rows, found):
                return rows
        return None

    def _is_enough(self, query: Any, rows: list[Any], found: list[list[Any]]) -> bool:
        """Return whether a row that was not found is too far for the slice."""
        name = query.search.name
        reached = [near[-1][name] for near in found]
        bound = self.measured.value([math.inf if each is None else each for each in reached])
        most = query.greatest_distance()
        if most is not None and bound > most:
            return True
        last = rows[-1][name] if len(rows) == query.limit_val else None
        return last is not None and last < bound

    def _among(self, query: Any, keys: list[Any]) -> Any:
        """Return the exact search among the rows that were found."""
        path = self.key.split("__")
        if len(path) == 1:
            return exactly_among(query, (["pk"], "in", keys))
        chosen = type(query)(query.model, query.using)
        chosen.where_nodes, chosen.selected_fields = [(path, "in", keys)], ["pk"]
        return exactly_among(query, among(chosen))


def combined_candidates_plan(query: Any) -> CombinedCandidatesPlan | None:
    """Return the plan, if the rows can be searched by each vector on its own; else None."""
    search, measured = query.search, query.combined
    if search.exact or not is_plain_slice(query) or not any(counts(query, len(measured.distances))):
        return None
    if search.name in repr(query.filters()):
        return None
    holder = measured.holder_model
    keys = key_names(holder or query.model)
    if len(keys) != 1 or len(key_names(query.model)) != 1 or isinstance(measured.distances[0].field_path, Items):
        return None
    if holder is None and "__" not in search.field_path:
        searches = [_of_one(query, keys[0], distance) for distance in measured.distances]
        return CombinedCandidatesPlan(searches, keys[0], measured)
    if holder is None:
        return None
    searches = [of_holders(query, holder, distance, keys[0]) for distance in measured.distances]
    return CombinedCandidatesPlan(searches, f"{search.field_path.rpartition('__')[0]}__{keys[0]}", measured)


def _of_one(query: Any, key: str, distance: Any) -> Any:
    found = of_any_group(query, key)
    found.annotations = {**found.annotations, query.search.name: distance}
    # The bound is on the combined distance, not on the distance from one vector.
    found.where_nodes = [node for node in query.where_nodes if not isinstance(node, Within)]
    return found
