"""HnswIndex and IvfflatIndex."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from dorm.expressions import Q

from ..dialects.base import Dialect
from ..values.elements import Element
from ..values.metrics import Metric
from .build_options import BuildOptions
from .vector import VectorIndex

SIGNS = "signs"


class HnswIndex(VectorIndex):
    """A graph index: the best recall for its speed, but slower to build.

    ``distance`` ("l2", "cosine", "inner_product", "l1"; "hamming", "jaccard" on a BitField) or ``opclass`` must match
    the queries. ``precision="half"`` stores 16-bit numbers, and ``"int8"`` 8-bit numbers, on libSQL. For use with
    ``rerank()``, ``precision="bit"`` stores one bit per number, and ``dimensions`` only the first dimensions. ``m`` (2
    to 100) is the number of links per vector. ``ef_construction`` (4 to 1000, at least 2·m) is the search width of the
    build. On a database without such an index, it builds nothing, and searches stay exact.
    """

    kind = "hnsw"
    metrics = tuple(Metric)
    elements = frozenset(Element)
    ranges: ClassVar[Mapping[str, range]] = {"m": range(2, 101), "ef_construction": range(4, 1001)}

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        opclass: str | None = None,
        *,
        distance: str | None = None,
        precision: str | None = None,
        dimensions: int | None = None,
        m: int = 16,
        ef_construction: int = 64,
        condition: Q | None = None,
        build_options: BuildOptions | None = None,
    ) -> None:
        super().__init__(
            fields,
            name,
            opclass,
            distance=distance,
            precision=precision,
            dimensions=dimensions,
            condition=condition,
            build_options=build_options,
            m=m,
            ef_construction=ef_construction,
        )
        if ef_construction < 2 * m:
            raise self._error(f"(m={m}, ef_construction={ef_construction}): ef_construction must be at least {2 * m}.")

    def on(self, dialect: Dialect) -> VectorIndex:
        return self._sign_table if self.precision == "bit" and SIGNS in dialect.companions else self

    @cached_property
    def _sign_table(self) -> VectorIndex:
        from .vec0 import SignTable  # imported late: few databases have such a table

        return SignTable(self)


class IvfflatIndex(VectorIndex):
    """An index of ``lists`` (1 to 32768) clusters: quick to build on a filled table, with lower recall than HNSW.

    Build it after loading, because it computes its clusters from the existing rows. ``lists="auto"`` derives the number
    from the row count: a thousandth up to a million rows, the square root beyond. The other arguments are those of
    HnswIndex.
    """

    kind = "ivfflat"
    metrics = (Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.HAMMING)
    elements = frozenset({Element.FLOAT32, Element.HALF, Element.BIT})
    precisions = ("half", "bit")
    ranges: ClassVar[Mapping[str, range]] = {"lists": range(1, 32769)}

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        opclass: str | None = None,
        *,
        distance: str | None = None,
        precision: str | None = None,
        dimensions: int | None = None,
        lists: int | Literal["auto"] = 100,
        condition: Q | None = None,
        build_options: BuildOptions | None = None,
    ) -> None:
        super().__init__(
            fields,
            name,
            opclass,
            distance=distance,
            precision=precision,
            dimensions=dimensions,
            condition=condition,
            build_options=build_options,
            lists=lists,
        )

    @property
    def counts_rows(self) -> bool:
        return bool(self.with_options["lists"] == "auto")

    def parameters(self, rows: int) -> dict[str, int]:
        """Return the number of lists for that many rows, as pgvector's manual recommends."""
        if not self.counts_rows:
            return super().parameters(rows)
        lists = rows // 1000 if rows <= 1_000_000 else math.isqrt(rows)
        return {"lists": min(max(lists, 1), self.ranges["lists"][-1])}

    def _check(self, name: str, value: Any, allowed: range) -> None:
        if (name, value) == ("lists", "auto"):
            return
        if name == "lists" and isinstance(value, str):
            raise self._error(f'(lists={value!r}): want a whole number from 1 to {allowed[-1]}, or "auto".')
        super()._check(name, value, allowed)
