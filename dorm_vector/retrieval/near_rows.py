"""The nearest neighbors of every row of a queryset: read in blocks of vectors, and compared in numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dorm.aggregates import Aggregate

from ..bulk.matrix import ato_matrix, to_matrix
from ..expressions.scope import vector_field
from ..introspection import have_key, rows_of
from ..search.nearest import chosen_metric, greatest_distance
from ..steps import Count, Fetch, Step, Steps
from ..values.metrics import Metric

_DISTANCE = "pair_distance"

Progress = Callable[[int, int], object]

Near = list[tuple[Any, float]]
"""Keys and distances."""

Take = Callable[[Any, Near], object]

BLOCK_BYTES = 32 << 20
"""The size of the vectors of one block. Two are in memory at a time."""

_MOST_DIMENSIONS = 16_384

_FETCHED = 500
"""Rows that are fetched by key in one statement."""


class NearRows:
    """A search for the nearest neighbors of every row."""

    def __init__(
        self,
        queryset: Any,
        field: str,
        distance: str | Metric | None,
        neighbors: int,
        progress: Progress | None,
        max_distance: float | None = None,
    ) -> None:
        if isinstance(neighbors, bool) or not isinstance(neighbors, int) or neighbors < 1:
            raise ValueError(f"neighbors={neighbors!r}: want a whole number of rows, at least 1.")
        self.rows = rows_of(queryset)
        # The neighbors of a slice's rows may be outside of the slice.
        self._whole = self.rows.all()
        self._whole._query.limit_val = self._whole._query.offset_val = None
        self.field, self._neighbors, self._progress = field, neighbors, progress
        self._target = vector_field(self.rows.model, field)
        self.metric = chosen_metric(self._target, distance)
        greatest_distance(self.metric, max_distance, None)
        self._max_distance = max_distance
        self._with_vector = self.rows.filter(**{f"{field}__isnull": False})

    def each(self, take: Take) -> Steps[None]:
        """Call ``take(key, near)`` for each row, with its neighbors, nearest first."""
        first = yield Fetch(self._with_vector[:1])
        if first:
            # Compiled only to raise the error of a search that the database does not support.
            yield _Compiled(self._nearest(first[0])[:1])
            yield from self._in_blocks(take) if self._is_matrix() else self._row_by_row(take)

    def fetched(self, keys: list[Any]) -> Steps[dict[Any, Any]]:
        """Return the rows with these keys, by key."""
        found: dict[Any, Any] = {}
        for start in range(0, len(keys), _FETCHED):
            wanted = have_key(self.rows.model, keys[start : start + _FETCHED])
            rows = yield Fetch(self._whole.filter(wanted))
            found |= {row.pk: row for row in rows}
        return found

    def _nearest(self, row: Any) -> Any:
        """Return the search for the neighbors of one row."""
        metric, bound = self.metric, self._max_distance
        return self._whole.nearest(self.field, row, distance=metric, as_=_DISTANCE, max_distance=bound)

    def _is_matrix(self) -> bool:
        """Return whether matrices can hold the vectors, and the rows can be read in order of their keys."""
        query, dimensions = self.rows._query, self._target.dimensions
        is_part = query.limit_val is not None or query.offset_val or query.distinct_flag
        is_grouped = query.group_by_fields or any(isinstance(each, Aggregate) for each in query.annotations.values())
        has_one_key = not getattr(self.rows.model._meta.pk, "field_names", None)
        return bool(has_one_key and dimensions and dimensions <= _MOST_DIMENSIONS and not is_part and not is_grouped)

    def _row_by_row(self, take: Take) -> Steps[None]:
        rows = yield Fetch(self._with_vector)
        for done, row in enumerate(rows, 1):
            near = yield Fetch(self._nearest(row)[: self._neighbors])
            measured = [(other.pk, getattr(other, _DISTANCE)) for other in near]
            take(row.pk, [pair for pair in measured if pair[1] is not None])
            self._report(done, len(rows))

    def _in_blocks(self, take: Take) -> Steps[None]:
        from ..values.block_distances import MEASURES  # imported late, with numpy

        measure, start = MEASURES[self.metric], 0
        rows = yield from self._block(start, None, measure)
        is_only = len(rows.keys) < self._size
        total = len(rows.keys) if is_only else (yield Count(self._with_vector))
        while len(rows.keys):
            near = yield from self._compared(rows, measure, total)
            for key, neighbors in near:
                start += 1
                take(key, neighbors)
                if is_only:
                    self._report(start, total)
            if len(rows.keys) < self._size:
                break
            rows = yield from self._block(start, rows.keys[-1], measure)
        if not is_only:
            self._report(start, max(start, total))

    def _compared(self, rows: Any, measure: Any, total: int) -> Steps[list[tuple[Any, Near]]]:
        """Compare the rows of a block with every row."""
        from .vector_groups import NearestInGroups  # imported late, with numpy

        bound = float("inf") if self._max_distance is None else self._max_distance
        nearest = NearestInGroups(rows, measure, self._neighbors, bound)
        is_only = not rows.start and len(rows.keys) < self._size
        columns = rows if is_only else (yield from self._block(0, None, measure))
        while True:
            nearest.compare(columns)
            after = columns.start + len(columns.keys)
            if len(columns.keys) < self._size:
                return nearest.near()
            done = rows.start + len(rows.keys) * after // max(after, total)
            self._report(min(done, total - 1), total)
            columns = yield from self._block(after, columns.keys[-1], measure)

    def _block(self, start: int, after: Any, measure: Any) -> Steps[Any]:
        """Read the rows whose keys follow ``after``."""
        from .vector_groups import Groups  # imported late, with numpy

        rows = self._with_vector if after is None else self._with_vector.filter(pk__gt=after)
        keys, matrix = yield _Matrix(rows.order_by("pk")[: self._size], self.field)
        return Groups.of(keys, start, matrix, measure)

    @property
    def _size(self) -> int:
        return max(1, BLOCK_BYTES // (4 * int(self._target.dimensions)))

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)


@dataclass(eq=False, repr=False)
class _Matrix(Step):
    """Read the keys and vectors of a queryset."""

    queryset: Any
    field: str

    def run(self, wrapper: Any) -> Any:
        return to_matrix(self.queryset, self.field)

    async def arun(self, wrapper: Any) -> Any:
        return await ato_matrix(self.queryset, self.field)


@dataclass(eq=False, repr=False)
class _Compiled(Step):
    """Compile a queryset's statement."""

    queryset: Any

    def run(self, wrapper: Any) -> Any:
        return self.queryset._query.as_select(self.queryset._get_connection())

    async def arun(self, wrapper: Any) -> Any:
        return self.queryset._query.as_select(self.queryset._get_async_connection())
