"""Duplicates and outliers of every metric and element type, in one block and in many, as plain Python finds them."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from dorm.transaction import aatomic, atomic

from dorm_vector import Metric, UnsupportedByDatabase, afind_duplicates, aoutliers, find_duplicates, mmr, outliers
from tests.conformance.inside import Unsupported, near_rows
from tests.databases import Database
from tests.helpers import oracle
from tests.models import Sample

NUMBERS = (Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.L1)
NEIGHBORS = 3


def values() -> list[list[float]]:
    """Return whole numbers, so that many distances are equal, with equal vectors and one without a direction."""
    generator = random.Random(15)
    made = [[float(generator.randint(-2, 2)) for _ in range(3)] for _ in range(22)]
    return [*made, made[0], [0.0, 0.0, 0.0], [-0.0, 0.0, 0.0], *[made[3]] * 5]


@pytest.fixture
def samples(db: Database) -> list[Sample]:
    rows = [
        Sample(title=f"s{n:02}", full=each, half=each, sparse=each, bits=[value > 0 for value in each])
        for n, each in enumerate(values())
    ]
    return Sample.objects.bulk_create([*rows, Sample(title="none")])


def measured(metric: Metric, left: list[float], right: list[float]) -> float | None:
    ones, others = [value > 0 for value in left], [value > 0 for value in right]
    if metric is Metric.HAMMING:
        return float(sum(a != b for a, b in zip(ones, others, strict=True)))
    if metric is Metric.JACCARD:
        either = sum(a or b for a, b in zip(ones, others, strict=True))
        return 1 - sum(a and b for a, b in zip(ones, others, strict=True)) / either if either else 1.0
    return oracle.distance(metric, left, right)


def neighbors(metric: Metric, bound: float) -> list[list[tuple[float, int]]]:
    """Return, for each row, the distances and positions of its nearest; of equal distances, the first rows."""
    every = values()
    found = []
    for n, left in enumerate(every):
        apart = [(measured(metric, left, right), m) for m, right in enumerate(every) if m != n]
        # A rounding error of one metric decides nothing between equal distances.
        known = [(round(distance, 9), m) for distance, m in apart if distance is not None and distance <= bound]
        found.append(sorted(known)[:NEIGHBORS])
    return found


def expected_pairs(metric: Metric, bound: float) -> dict[tuple[str, str], float]:
    return {
        (f"s{min(n, m):02}", f"s{max(n, m):02}"): distance
        for n, near in enumerate(neighbors(metric, bound))
        for distance, m in near
    }


def pairs(found: Any) -> dict[tuple[str, str], float]:
    assert [pair.distance for pair in found] == sorted(pair.distance for pair in found)
    assert len(found) == len({(pair.first.title, pair.second.title) for pair in found})
    return {(pair.first.title, pair.second.title): pair.distance for pair in found}


def measures(db: Database, metric: Metric) -> bool:
    return not isinstance(db.dialect.distances[metric], Unsupported)


def searches(db: Database) -> list[tuple[str, Metric, float]]:
    exact = [("full", metric, 1.5) for metric in NUMBERS] + [("half", Metric.L2, 1.5), ("sparse", Metric.L2, 1.5)]
    bits = [("bits", Metric.HAMMING, 1.0), ("bits", Metric.JACCARD, 0.5)]
    return [search for search in exact + bits if measures(db, search[1])]


# Equal vectors are equal to the last bit; scaled ones are equally far by cosine only up to rounding.
ROUNDED = {Metric.COSINE}


@pytest.mark.parametrize("size", [7, 1_000])
async def test_blocks_of_any_size(
    db: Database, samples: list[Sample], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_rows, "BLOCK_BYTES", size * 12)
    for field, metric, bound in searches(db)[:: 1 if size > 7 else 4]:
        options: dict[str, Any] = {"distance": metric, "neighbors": NEIGHBORS}
        expected = expected_pairs(metric, bound)
        found = pairs(find_duplicates(Sample.objects.all(), field, bound, **options))
        later = pairs(await afind_duplicates(Sample.objects.all(), field, bound, **options))
        assert later == found
        assert sorted(found.values()) == pytest.approx(sorted(expected.values()), abs=1e-6) or metric in ROUNDED
        assert metric in ROUNDED or set(found) == set(expected), (field, metric)
        lonely = [sum(d for d, _ in near) / len(near) for near in neighbors(metric, float("inf")) if near]
        strangers = outliers(Sample.objects.all(), field, 4, **options)
        assert [each.distance for each in strangers] == pytest.approx(sorted(lonely, reverse=True)[:4], abs=1e-6)
        assert [each.row.title for each in await aoutliers(Sample.objects.all(), field, 4, **options)] == [
            each.row.title for each in strangers
        ]


async def test_inside_a_transaction(db: Database, samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_rows, "BLOCK_BYTES", 7 * 12)
    twin = values()[1]
    with atomic():
        Sample.objects.filter(title="none").update(full=twin)
        assert ("s01", "none") in pairs(find_duplicates(Sample, "full", 0.0, neighbors=NEIGHBORS))
        Sample.objects.filter(title="none").update(full=None)
    async with aatomic():
        await Sample.objects.filter(title="none").aupdate(full=twin)
        assert ("s01", "none") in pairs(await afind_duplicates(Sample, "full", 0.0, neighbors=NEIGHBORS))


def test_progress_counts_up_to_the_total(db: Database, samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_rows, "BLOCK_BYTES", 7 * 12)
    seen: list[tuple[int, int]] = []
    find_duplicates(Sample, "full", 0.5, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {len(values())}
    assert seen[-1] == (len(values()), len(values()))


def test_a_slice_has_neighbors_outside_of_it(db: Database, samples: list[Sample]) -> None:
    found = pairs(find_duplicates(Sample.objects.order_by("pk")[3:4], "full", 0.0, neighbors=9))
    assert found == {("s03", f"s{n}"): 0.0 for n in (25, 26, 27, 28, 29)}


def test_what_no_search_measures(db: Database, samples: list[Sample]) -> None:
    for metric in NUMBERS:
        if not measures(db, metric):
            with pytest.raises(UnsupportedByDatabase):
                find_duplicates(Sample, "full", 1, distance=metric)
    with pytest.raises(ValueError, match=r"max_distance='near'\): want a finite number"):
        find_duplicates(Sample, "full", "near")
    assert find_duplicates(Sample.objects.none(), "full", 1) == []
    assert outliers(Sample.objects.none(), "full") == []


def test_mmr_of_equal_rows(db: Database, samples: list[Sample]) -> None:
    """Equal rows are chosen in the order in which they were given; reading a vector before changes nothing."""
    rows = list(Sample.objects.filter(full__isnull=False).order_by("pk"))
    found = [row.title for row in mmr(rows, "full", values()[3], 4, balance=1)]
    assert found == ["s03", "s25", "s26", "s27"]
    assert all(row.full for row in rows)
    assert [row.title for row in mmr(rows, "full", values()[3], 4, balance=1)] == found
    assert mmr([], "full", values()[3], 4) == []
    apart = [row.full for row in mmr(rows, "full", values()[3], 3, balance=0)]
    assert all(a != b for a, b in itertools.combinations(apart, 2))
