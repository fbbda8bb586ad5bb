"""Plan an exact search whose rows the client ranks: read their vectors, and then the nearest rows by key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dorm.exceptions import ImproperlyConfigured

from ...dialects.base import Dialect
from ...dialects.shared.costs import PlanCosts
from ...engines.limits.setting import CLIENT_RANKING
from ...expressions.compiled import CompiledSQL
from ...expressions.scope import scope
from ...steps import Execute, Steps
from ...values.elements import Element
from ...values.metrics import Metric
from ...values.vector import Vector
from ..spec import Within
from .plan import Estimate, Plan, Purpose

DEFAULT_BYTES = 64 << 20
"""How many bytes of vectors a search may read, to rank them in the client."""
_PLACE = "dorm_vector_place"
_MOST_KEYS = 20_000
"""The most rows to fetch by key, because sorting by a list of keys takes the database quadratic time."""
_STATEMENTS = 4
"""The two statements, and those that begin and end their transaction."""
_LEAST_BYTES = 256
"""The least memory that a row takes, however short its vector is."""
_MEASURED = frozenset({Element.FLOAT32, Element.HALF})
# A distance that the database computes may differ by a rounding error.
_ROUNDING = 1e-9


@dataclass(eq=False, repr=False)
class ClientRankingPlan(Plan):
    """Read the keys and vectors of the rows that pass the filter, rank them in numpy, and fetch the nearest by key.

    Its SQL is the exact search, which runs instead if there are more vectors than the client may read.
    """

    kind = "client"
    is_client = True
    dialect: Dialect
    metric: Metric
    path: str
    vector: bytes
    most_bytes: int

    def cost(self, estimate: Estimate, costs: PlanCosts) -> float:
        read = max(4.0 * estimate.dimensions, _LEAST_BYTES) * estimate.passing
        if read > self.most_bytes:
            return math.inf
        finding = costs.row * estimate.rows if estimate.reading is None else estimate.reading
        return _STATEMENTS * costs.statement + finding + read / self.dialect.client_ranking.bytes_per_ms

    def rows(self, query: Any, connection: Any) -> Steps[list[Any] | None]:
        """Return the rows of the search, or None if the database has to rank them."""
        every = self._to_rank(query, query.model._meta.pk.name, self.most_rows() + 1)
        found = yield Execute(*every.as_select(connection, Purpose.PART))
        return None if len(found) > self.most_rows() else (yield from self._ranked(query, connection, found))

    def has_shortlist(self) -> Steps[bool]:
        """Return whether an index chooses the rows whose vectors are read."""
        yield from ()
        return False

    def index_name(self) -> str:
        """Return the name of that index; empty without one."""
        return ""

    def reading(self, query: Any, connection: Any) -> Any:
        """Compile the statement that reads the keys and vectors that the index chooses."""
        raise NotImplementedError(f"{type(self).__name__} reads every vector")

    def most_rows(self) -> int:
        """Return how many vectors the client may read."""
        return max(1, self.most_bytes // max(len(self.vector), _LEAST_BYTES))

    def _ranked(self, query: Any, connection: Any, found: list[Any]) -> Steps[list[Any] | None]:
        """Rank the rows that were read, and fetch the nearest; None if they cannot be ranked here."""
        from ..client_ranks import nearest_keys  # imported late, with numpy

        key = query.model._meta.pk.name
        bound = query.greatest_distance()
        count = query.limit_val + (query.offset_val or 0)
        keys = nearest_keys(
            [(row[key], row[self.path]) for row in found],
            self.metric,
            self.vector,
            count,
            math.inf if bound is None else bound + _ROUNDING * max(1.0, abs(bound)),
        )
        if not keys:
            return keys  # type: ignore[no-any-return]  # a list, or None
        return (yield from self._fetched(query, connection, keys[query.offset_val or 0 :]))

    def _fetched(self, query: Any, connection: Any, keys: list[Any]) -> Steps[list[Any] | None]:
        if not keys:
            return []
        sql, params = self._by_key(query, keys).as_select(connection, Purpose.PART)
        rows = yield Execute(sql, params)
        # The numbers differ if rows were deleted meanwhile, or if a join repeats some.
        return _by_distance(query, rows, keys) if len(rows) == len(keys) else None

    def _to_rank(self, query: Any, key: str, limit: int | None) -> Any:
        """Return the query for the keys and vectors."""
        query = query.clone()
        query.where_nodes = [node for node in query.where_nodes if not isinstance(node, Within)]
        query.selected_fields, query.deferred_loading = [key, self.path], False
        query.alias_only_names = query.alias_only_names | set(query.annotations)
        query.select_related_fields, query.selected_related_fields = [], {}
        query.order_by_fields, query.limit_val, query.offset_val, query.search = [], limit, None, None
        return query

    def _by_key(self, query: Any, keys: list[Any]) -> Any:
        """Return the query for the rows with these keys, in their order."""
        query = query.clone()
        column = f'"{query._alias()}"."{query.model._meta.pk.column}"'
        places = ", ".join(["%s"] * len(keys))
        in_order = self.dialect.client_ranking.in_order.format(key=column, places=places)
        query.where_nodes = [*query.where_nodes, CompiledSQL(f"{column} IN ({places})", keys)]
        query.annotations = {**query.annotations, _PLACE: CompiledSQL(in_order, keys)}
        query.alias_only_names = query.alias_only_names | {_PLACE}
        query.order_by_fields, query.limit_val, query.offset_val, query.search = [_PLACE], None, None, None
        return query


def _by_distance(query: Any, rows: list[Any], keys: list[Any]) -> list[Any]:
    """Sort the rows by the distances that the database computed, which differ from the client's by rounding errors."""
    entry = query.order_by_fields[0]
    name, sign = entry.removeprefix("-"), -1 if entry.startswith("-") else 1
    if name not in rows[0]:
        return rows
    measured = [(math.inf if row[name] is None else sign * row[name], key) for row, key in zip(rows, keys, strict=True)]
    return [rows[place] for place in sorted(range(len(rows)), key=measured.__getitem__)]


def client_ranking_plan(query: Any, connection: Any, dialect: Dialect) -> ClientRankingPlan | None:
    """Return the plan of a slice that is sorted by the distance from one vector, if the database ranks slowly."""
    if not dialect.client_ranking.bytes_per_ms or not 0 < (query.limit_val or 0) <= _MOST_KEYS or not _is_plain(query):
        return None
    distance = query.sole_distance()
    if distance is None or not isinstance(distance.field_path, str):
        return None
    field = query._resolve_field(distance.field_path.split("__"))
    most_bytes = max_bytes(connection.settings)
    if getattr(field, "element", None) not in _MEASURED or not most_bytes:
        return None
    here = scope(query._alias(), model=query.model, connection=connection, query=query)
    _left, right, _dimensions = distance._operands(here)
    if not (right.constant and len(right.params) == 1 and isinstance(right.params[0], Vector)):
        return None
    return ClientRankingPlan(dialect, distance.metric, distance.field_path, right.params[0], most_bytes)


def _is_plain(query: Any) -> bool:
    """Return whether each row of the query is a row of the table, read without a lock."""
    is_grouped = query.group_by_fields or query.having_nodes or query._annotations_have_aggregate()
    is_odd = query.distinct_flag or query.for_update_flag or query.ctes
    has_one_key = not getattr(query.model._meta.pk, "field_names", None)
    return bool(has_one_key and not is_grouped and not is_odd)


def max_bytes(settings: Mapping[str, Any]) -> int:
    """Return the limit of ``OPTIONS["client_ranking_max_bytes"]``; 0 if the database ranks every search."""
    asked = (settings.get("OPTIONS") or {}).get(CLIENT_RANKING, DEFAULT_BYTES)
    try:
        # It is a string if DATABASES is a URL.
        number = -1 if isinstance(asked, (bool, float)) else int(asked)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise ImproperlyConfigured(
            f"DATABASES OPTIONS['{CLIENT_RANKING}'] is {asked!r}: give a number of bytes, such as {DEFAULT_BYTES:_}, or"
            " 0 to rank every search in the database."
        )
    return number
