"""Compare the results of sample searches in a copy and in its source."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from dorm.expressions import Q

from ...engines import dialect_for
from ...exceptions import CopyDiffers, UnsuitableDistance, UnsupportedByDatabase
from ...introspection import have_key, key_names, vector_fields
from ...models.querysets import VectorQuerySet
from ...steps import Fetch, Steps
from ...values.elements import Element
from ...values.metrics import Metric
from .tables import Row, Table
from .values import token

_SAMPLES, _NEAREST = 3, 10

_AMONG, _AMONG_COMPOSITE = 200, 50
"""Rows that a search ranks, except for the first one, which ranks all if both databases measure distances fast."""

_TOLERANCE = 1e-4


def same_searches(
    table: Table, aliases: tuple[str, str], connections: tuple[Any, Any], told: Callable[[int], object]
) -> Steps[int]:
    """Search both databases for some of the stored vectors, and return the number of searches that agree.

    ``told`` is called with 0 after each field.

    Raises:
        CopyDiffers: A search finds other rows, or other distances.
    """
    done = 0
    for field in vector_fields(table.model) if isinstance(table.model, type) else ():
        # Vectors of several lengths have no distances.
        if field.dimensions is not None:
            is_fast = not any(dialect_for(each).client_ranking.bytes_per_ms for each in connections)
            done += yield from _same_neighbors(table, field, aliases, ranks_all=is_fast)
            told(0)
    return done


def _same_neighbors(table: Table, field: Any, aliases: tuple[str, str], *, ranks_all: bool) -> Steps[int]:
    names = key_names(table.model)
    stored = VectorQuerySet(table.model, aliases[0]).filter(**{f"{field.name}__isnull": False}).order_by(*names)
    samples = yield Fetch(stored.values_list(field.name, flat=True)[:_SAMPLES])
    is_composite = len(names) > 1
    keys = yield Fetch(
        stored.values_list(*names, flat=not is_composite)[: _AMONG_COMPOSITE if is_composite else _AMONG]
    )
    metric = Metric.HAMMING if field.element is Element.BIT else Metric.L2
    for number, vector in enumerate(samples):
        among = Q() if ranks_all and number == 0 else have_key(table.model, keys)
        try:
            found = []
            for alias in aliases:
                rows = VectorQuerySet(table.model, alias).filter(among)
                nearest = rows.nearest(field.name, vector, distance=metric, exact=True)
                found.append((yield Fetch(nearest.values_list(*names, "distance")[:_NEAREST])))
        except (UnsuitableDistance, UnsupportedByDatabase):
            return 0  # one of the databases does not measure such columns
        if not _agree(*found):
            raise CopyDiffers(
                f"{field.label}: a search finds {found[1]} in the target, and {found[0]} in the source. Rebuild the"
                f" table's indexes, and look at the search: nearest({field.name!r}, …, exact=True).explain_search()."
            )
    return len(samples)


def _agree(mine: Sequence[Row], theirs: Sequence[Row]) -> bool:
    """Return whether the distances are equal, and the rows, except those that are as far as the last one."""
    if len(mine) != len(theirs):
        return False
    if not all(
        math.isclose(row[-1], other[-1], rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
        for row, other in zip(mine, theirs, strict=True)
    ):
        return False
    return _nearer(mine) <= _keys(theirs) and _nearer(theirs) <= _keys(mine)


def _nearer(rows: Sequence[Row]) -> set[tuple[bytes, ...]]:
    last = rows[-1][-1] * (1 - _TOLERANCE) - _TOLERANCE if rows else 0
    return _keys([row for row in rows if row[-1] < last])


def _keys(rows: Sequence[Row]) -> set[tuple[bytes, ...]]:
    return {tuple(map(token, row[:-1])) for row in rows}
