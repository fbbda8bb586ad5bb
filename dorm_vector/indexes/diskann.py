"""DiskAnnIndex: a graph index that answers filters by labels itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

from dorm.expressions import Q
from dorm.fields import AutoField, BooleanField, CharField, ForeignKey, IntegerField, TextField, UUIDField

from ..dialects.base import Dialect
from ..values.elements import Element
from ..values.metrics import Metric
from .build_options import BuildOptions
from .contents import Column
from .vector import VectorIndex

_MOST_LABELS = 3

_LABELS = (AutoField, BooleanField, CharField, ForeignKey, IntegerField, TextField, UUIDField)


class DiskAnnIndex(VectorIndex):
    """A DiskANN graph of pgvectorscale, for PostgreSQL; elsewhere the database's own graph index, if it has one.

    ``distance`` ("l2", "cosine", "inner_product") must match the queries. ``labels`` names up to three fields: a
    ``nearest()`` that filters them with ``=`` or ``in`` visits only rows with these values, inside the index. They may
    be whole numbers, booleans, texts, UUIDs or foreign keys. On other databases such filters are ordinary ones, and
    ``migrate`` says so. ``num_neighbors`` (10 to 1000) is the number of links per vector, and ``search_list_size``
    (10 to 1000) the search width of the build.
    """

    kind = "diskann"
    # djanorm accepts only the methods that it knows, so report another.
    method_in_djanorm = "hnsw"
    metrics = (Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT)
    elements = frozenset({Element.FLOAT32})
    ranges: ClassVar[Mapping[str, range]] = {"num_neighbors": range(10, 1001), "search_list_size": range(10, 1001)}

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        opclass: str | None = None,
        *,
        distance: str | None = None,
        labels: Sequence[str] = (),
        num_neighbors: int = 50,
        search_list_size: int = 100,
        condition: Q | None = None,
        build_options: BuildOptions | None = None,
    ) -> None:
        self.labels = self._labels(labels)
        super().__init__(
            fields,
            name,
            opclass,
            distance=distance,
            condition=condition,
            build_options=build_options,
            num_neighbors=num_neighbors,
            search_list_size=search_list_size,
        )

    def check_model(self, model: str, fields: Mapping[str, Any]) -> None:
        """Raise ValueError if a label is not a field of the model, or its values cannot be labels."""
        for name in self.labels:
            field = fields.get(name)
            if not isinstance(field, _LABELS):
                found = "there is none" if field is None else f"it is a {type(field).__name__}"
                raise self._error(
                    f"(labels={list(self.labels)!r}): want fields of {model} that hold whole numbers, booleans, texts,"
                    f" UUIDs or foreign keys; {name!r}: {found}."
                )

    def label_groups(self) -> list[tuple[str, ...]]:
        """Return every combination of label fields: rows have a label for each, in this order."""
        sizes = range(1, len(self.labels) + 1)
        return [group for size in sizes for group in combinations(self.labels, size)]

    def row_labels(self, dialect: Dialect, columns: Mapping[str, str]) -> str:
        """Return the SQL of all labels of a row; ``columns`` are the quoted columns by field name."""
        rules = dialect.index_rules.labels
        if rules is None or not self.labels:
            return ""
        groups = enumerate(self.label_groups())
        return rules.row.format(
            labels=", ".join(rules.one([columns[name] for name in group], seed) for seed, group in groups)
        )

    def parts(self, dialect: Dialect, rows: int, columns: Mapping[str, Column] | None) -> dict[str, str]:
        """Return the parameters for pgvectorscale, and what is closest to them in other graph indexes."""
        links, width = self.with_options["num_neighbors"], self.with_options["search_list_size"]
        # MariaDB allows 2·M links on the layer that holds all rows.
        others = {"links": str(links), "m": str(min(links // 2, 200)), "ef_construction": str(width)}
        quoted = {name: f'"{column.name}"' for name, column in (columns or {}).items()}
        quoted = {name: f'"{name}"' for name in self.labels} | quoted
        labels = self.row_labels(dialect, quoted)
        parts = super().parts(dialect, rows, columns) | others | {"labels": f", ({labels})" if labels else ""}
        # With two bits, an index that was built on an empty table finds one neighbor in ten: it learns from the rows.
        return parts | {"options": parts["options"].replace(")", ", num_bits_per_dimension = 1)")}

    def meaning(self) -> tuple[Any, ...]:
        return (*super().meaning(), self.labels)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the path, arguments and keywords that reconstruct this index."""
        path, arguments, options = super().deconstruct()
        return path, arguments, options | ({"labels": list(self.labels)} if self.labels else {})

    def _labels(self, labels: Any) -> tuple[str, ...]:
        reason = "".join(self._unfit_labels(labels))
        if reason:
            raise self._error(f"(labels={labels!r}): {reason}")
        return tuple(labels)

    def _unfit_labels(self, labels: Any) -> Iterator[str]:
        if not isinstance(labels, (list, tuple)) or not all(isinstance(name, str) for name in labels):
            yield 'want the names of fields, such as ["category"].'
        elif len(labels) > _MOST_LABELS:
            yield f"it has {len(labels)} fields, and the index takes {_MOST_LABELS}."
        elif len({*labels}) != len(labels):
            yield "a field is listed twice."
