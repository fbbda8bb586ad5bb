"""The map of a vector field: a point for each row, its colors, and what stands out."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...bulk.matrix import to_matrix
from ...engines.limits.exempt import no_statement_timeout
from ...retrieval.ranking import find_duplicates, outliers
from ...values.block_distances import MEASURES, Block
from ...values.metrics import Metric
from ..exit_codes import UsageError
from .catalog import colored_by, metric_of
from .coloring import groups_of
from .json_values import as_json, key_text
from .projection import Array, clusters, directions, pca, umap
from .searches import Table

_KEPT = 2
"""Samples in memory."""

_MOST_BYTES = 512 << 20
"""The size of the vectors of a sample."""

_NEAR = 0.05
"""Duplicates are nearer than this share of the distance that two rows usually have."""

_PAIRS = 2_000

_MOST_PAIRS = 500
"""Pairs of duplicates that are sent to the page."""

_DIGITS = 5


@dataclass(frozen=True)
class Sample:
    """The rows of a map: all of the table's, or a random part, always the same one."""

    keys: Sequence[Any]
    matrix: Array
    total: int
    metric: Metric

    @property
    def is_part(self) -> bool:
        return len(self.keys) < self.total


class Maps:
    """Reads the samples of a database, and keeps the last ones for what is asked about them next."""

    def __init__(self, alias: str, most: int) -> None:
        self._alias, self._most = alias, most
        self._samples: OrderedDict[Table, Sample] = OrderedDict()
        self._lock = threading.Lock()

    def points(self, table: Table, method: str, count: int) -> dict[str, Any]:
        """Read the rows again, and return their places on the plane and their clusters."""
        sample = self._keep(table, self._read(table))
        by_direction = sample.metric in (Metric.COSINE, Metric.INNER_PRODUCT)
        matrix = directions(sample.matrix) if by_direction else sample.matrix
        share: float | None = None
        if not len(matrix):
            plane = np.empty((0, 2))
        elif method == "umap" and len(matrix) > 3:
            plane = umap(matrix)
        else:
            plane, share = pca(matrix)
        rounded = np.round(plane.astype(np.float64), _DIGITS)
        return {
            "keys": list(map(key_text, sample.keys)),
            "x": rounded[:, 0].tolist(),
            "y": rounded[:, 1].tolist(),
            "clusters": clusters(matrix, count),
            "total": sample.total,
            "variance": share,
        }

    def colors(self, table: Table, column: str) -> dict[str, Any]:
        """Return the group of each point by the values of a field, and what the groups are called."""
        sample = self._sample(table)
        rows, _field = table.opened(self._alias)
        if column not in (known := colored_by(rows.model)):
            raise UsageError(f"{rows.model.__name__} has no field {column!r} to color by. It has {', '.join(known)}.")
        with no_statement_timeout():
            read = list(_of_sample(rows, sample).only(column))
        name = rows.model._meta.get_field(column).attname
        values = {row.pk: getattr(row, name) for row in read}
        labels, groups = groups_of([values.get(key) for key in sample.keys])
        return {"labels": labels, "groups": groups}

    def marks(self, table: Table, max_distance: float | None) -> dict[str, Any]:
        """Return the outliers and the duplicates among the points."""
        sample = self._sample(table)
        rows, field = table.opened(self._alias)
        rows = _of_sample(rows, sample)
        # An inner product is no measure of difference.
        metric = Metric.COSINE if sample.metric is Metric.INNER_PRODUCT else sample.metric
        bound = _usual(sample, metric) * _NEAR if max_distance is None else max_distance
        with no_statement_timeout():
            far = outliers(rows, field.name, max(1, min(25, len(sample.keys) // 20)), distance=metric)
            pairs = find_duplicates(rows, field.name, bound, distance=metric)
        return {
            "distance": metric.value,
            "max_distance": bound,
            "outliers": [{"key": key_text(each.row.pk), "distance": as_json(each.distance)} for each in far],
            "pairs": len(pairs),
            "duplicates": [
                {
                    "first": key_text(each.first.pk),
                    "second": key_text(each.second.pk),
                    "distance": as_json(each.distance),
                }
                for each in pairs[:_MOST_PAIRS]
            ],
        }

    def _sample(self, table: Table) -> Sample:
        with self._lock:
            known = self._samples.get(table)
        return known if known is not None else self._keep(table, self._read(table))

    def _keep(self, table: Table, sample: Sample) -> Sample:
        with self._lock:
            self._samples[table] = sample
            self._samples.move_to_end(table)
            while len(self._samples) > _KEPT:
                self._samples.popitem(last=False)
        return sample

    def _read(self, table: Table) -> Sample:
        rows, field = table.opened(self._alias)
        rows = rows.filter(**{f"{field.name}__isnull": False}).order_by("pk")
        most = min(self._most, max(1, _MOST_BYTES // (4 * int(field.dimensions or 1))))
        with no_statement_timeout():
            total = rows.count()
            if total > most:
                keys = list(rows.values_list("pk", flat=True))
                chosen = random.Random(0).sample(keys, min(most, len(keys)))  # noqa: S311  # no secret
                rows = rows.filter(pk__in=chosen)
            keys, matrix = to_matrix(rows, field.name)
        return Sample(keys, matrix, total, metric_of(field, table.distance))


def _of_sample(rows: Any, sample: Sample) -> Any:
    return rows.filter(pk__in=list(sample.keys)) if sample.is_part else rows


def _usual(sample: Sample, metric: Metric) -> float:
    """Return the distance that two rows usually have."""
    count = len(sample.keys)
    if count < 2:
        return 0.0
    chance = np.random.default_rng(0)
    first = chance.integers(0, count, _PAIRS)
    second = (first + chance.integers(1, count, _PAIRS)) % count
    apart = MEASURES[metric].distances(Block.of(sample.matrix[first]), Block.of(sample.matrix[second]))
    known = apart[np.isfinite(apart)]
    return float(np.median(known)) if len(known) else 0.0
