"""Find duplicates and outliers among all rows, and diversify the rows of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.bench import COUNT, Bench
from benchmarks.measuring import Contestant, Group
from dorm_vector import find_duplicates, mmr, outliers, to_matrix

TWINS = 0.05
AT_ONCE = 512


def groups(bench: Bench) -> Iterator[Group]:
    bench = bench.first(min(10_000, bench.sizes.loaded))
    model, rounds = bench.filled(), bench.rounds(3)
    size = f"{len(bench.data):,} x {bench.data.dimensions}"
    yield Group(
        "neighbors",
        f"pairs of duplicates among {size}",
        [
            Contestant("numpy, in blocks", lambda _: compared(model, twins)),
            Contestant("find_duplicates", lambda _: find_duplicates(model, "embedding", TWINS, distance="cosine")),
        ],
        rounds,
        {"find_duplicates": 2.0},
    )
    yield Group(
        "neighbors",
        f"outliers among {size}",
        [
            Contestant("numpy, in blocks", lambda _: compared(model, distant)),
            Contestant("outliers", lambda _: outliers(model, "embedding", COUNT, distance="cosine")),
        ],
        rounds,
        {"outliers": 2.0},
    )
    rows: list[Any] = []

    def read() -> None:
        rows[:] = model.objects.all()

    query = bench.query(0)
    yield Group(
        "neighbors",
        f"mmr: {COUNT} of {size}",
        [
            Contestant("numpy", lambda _: diverse(np.array([row.embedding for row in rows]), query), read),
            Contestant("mmr", lambda _: mmr(rows, "embedding", query, COUNT), read),
        ],
        rounds,
        {"mmr": 2.0},
    )


def compared(model: Any, look: Callable[[Any], Any]) -> list[Any]:
    """Read all vectors, and look at the products of a block of them with all."""
    _keys, matrix = to_matrix(model, "embedding")
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return [look(unit[start : start + AT_ONCE] @ unit.T) for start in range(0, len(unit), AT_ONCE)]


def twins(products: Any) -> Any:
    return np.nonzero(products >= 1 - TWINS)


def distant(products: Any) -> Any:
    return np.partition(products, -6, axis=1)[:, -6:].mean(axis=1)


def diverse(vectors: Any, query: Any) -> list[int]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearness, likeness = unit @ query, np.zeros(len(unit))
    chosen: list[int] = []
    for _ in range(COUNT):
        score = nearness / 2 - likeness / 2
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
        likeness = np.maximum(likeness, unit @ unit[chosen[-1]])
    return chosen
