"""Vector indexes: what is asked for, in each database's own parameter names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dorm.expressions import Q
from dorm.indexes import Index

from .dialects import Dialect
from .metrics import Metric

OPCLASSES: Mapping[str, Metric] = {
    "vector_l2_ops": Metric.L2,
    "vector_cosine_ops": Metric.COSINE,
    "vector_ip_ops": Metric.INNER_PRODUCT,
    "vector_l1_ops": Metric.L1,
}


class VectorIndex(Index):
    """An index on one vector field. Use HnswIndex or IvfflatIndex."""

    kind: ClassVar[str]
    metrics: ClassVar[frozenset[Metric]]
    ranges: ClassVar[Mapping[str, range]]

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        opclass: str | None = None,
        *,
        distance: str | None = None,
        condition: Q | None = None,
        **parameters: int,
    ) -> None:
        if len(fields) != 1:
            raise ValueError(
                f"{type(self).__name__} indexes one vector field; got {list(fields)}. Declare one index each."
            )
        self.opclass = self._chosen_opclass(opclass, distance)
        self._check(parameters)
        super().__init__(list(fields), name, method=self.kind, opclasses=[self.opclass], condition=condition)
        self.with_options = dict(parameters)

    @property
    def metric(self) -> Metric:
        return OPCLASSES[self.opclass]

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the path, arguments and keywords that make this index again."""
        options: dict[str, Any] = {
            "fields": list(self.fields),
            "name": self.name or None,
            "opclass": self.opclass,
            **self.with_options,
        }
        if self.condition is not None:
            options["condition"] = self.condition
        return f"dorm_vector.{type(self).__name__}", (), options

    def statements(self, dialect: Dialect, name: str, table: str, column: str, condition: str = "") -> list[str]:
        """Return the SQL that builds the index; none where the database searches exactly without one."""
        options = ", ".join(f"{key} = {value}" for key, value in self.with_options.items())
        return dialect.create_index(
            self.kind,
            name=name,
            table=table,
            column=column,
            opclass=self.opclass,
            options=f" WITH ({options})",
            condition=f" WHERE {condition}" if condition else "",
        )

    def create_sql(self, table: str, *, vendor: str = "") -> tuple[str, str]:
        # djanorm asks this way only when it rebuilds a table on SQLite, which has nothing to build.
        return "SELECT 1", "SELECT 1"

    def _chosen_opclass(self, opclass: str | None, distance: str | None) -> str:
        if opclass is not None and distance is not None:
            raise ValueError(f"{type(self).__name__} takes opclass or distance, not both.")
        by_distance = {metric.value: name for name, metric in OPCLASSES.items() if metric in self.metrics}
        if distance is not None and distance not in by_distance:
            raise ValueError(f"{type(self).__name__}(distance={distance!r}): want one of {', '.join(by_distance)}.")
        chosen = by_distance[distance] if distance else opclass or "vector_l2_ops"
        if chosen not in by_distance.values():
            wanted = ", ".join(by_distance.values())
            raise ValueError(f"{type(self).__name__}(opclass={chosen!r}): want one of {wanted}.")
        return chosen

    def _check(self, parameters: Mapping[str, Any]) -> None:
        for name, value in parameters.items():
            allowed = self.ranges[name]
            if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
                raise ValueError(
                    f"{type(self).__name__}({name}={value!r}): want a whole number from {allowed[0]} to {allowed[-1]}."
                )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.deconstruct()[2].items())
        return f"{type(self).__name__}({options})"


class HnswIndex(VectorIndex):
    """A graph index: the best recall for its speed, slower to build.

    ``distance`` ("l2", "cosine", "inner_product", "l1") or ``opclass`` must be that of the queries it serves.
    ``m`` (2 to 100) links each vector to that many others; ``ef_construction`` (4 to 1000, at least 2·m) is the search
    width of the build. On a database without such an index it builds nothing, and searches stay exact.
    """

    kind = "hnsw"
    metrics = frozenset({Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.L1})
    ranges: ClassVar[Mapping[str, range]] = {"m": range(2, 101), "ef_construction": range(4, 1001)}

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        opclass: str | None = None,
        *,
        distance: str | None = None,
        m: int = 16,
        ef_construction: int = 64,
        condition: Q | None = None,
    ) -> None:
        super().__init__(
            fields, name, opclass, distance=distance, condition=condition, m=m, ef_construction=ef_construction
        )
        if ef_construction < 2 * m:
            raise ValueError(
                f"HnswIndex(m={m}, ef_construction={ef_construction}): ef_construction must be at least {2 * m}."
            )


class IvfflatIndex(VectorIndex):
    """An index of ``lists`` (1 to 32768) clusters: quick to build on a filled table, lower recall than HNSW.

    Build it after loading: its clusters come from the rows that are there.
    """

    kind = "ivfflat"
    metrics = frozenset({Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT})
    ranges: ClassVar[Mapping[str, range]] = {"lists": range(1, 32769)}

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        opclass: str | None = None,
        *,
        distance: str | None = None,
        lists: int = 100,
        condition: Q | None = None,
    ) -> None:
        super().__init__(fields, name, opclass, distance=distance, condition=condition, lists=lists)
