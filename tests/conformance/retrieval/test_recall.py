"""Recall is measured against exact searches, and recommended options have been measured."""

from __future__ import annotations

from typing import Any

import dorm
import pytest

from dorm_vector import (
    Recall,
    ameasure_recall,
    arecommend_search_options,
    measure_recall,
    recommend_search_options,
    search_options,
)
from tests.databases import Database
from tests.helpers.real_data import Real, asked, nearest_names
from tests.models import Document


def questions(real: Database, most: int = 10) -> list[Any]:
    # Two tell as much as ten where every search is exact, and may read every row in SQL.
    return list(asked().embeddings[: most if real.dialect.is_approximate or real.dialect.index_use.probe else 2])


def by_hand(k: int, vectors: list[Any], **options: int | str) -> float:
    shares = []
    for vector in vectors:
        with search_options(**options):
            found = {row.name for row in Real.objects.nearest("embedding", vector)[:k]}
        shares.append(len(found & set(nearest_names(vector, k))) / k)
    return sum(shares) / len(shares)


def test_it_is_what_is_counted_by_hand(real: Database) -> None:
    asking = questions(real)
    measured = measure_recall(Real, "embedding", k=10, queries=asking)
    assert (measured.k, measured.queries, measured.options) == (10, len(asking), {})
    assert measured.recall == pytest.approx(by_hand(10, asking), abs=0.02)
    assert measured.worst <= measured.recall <= 1
    assert min(measured.milliseconds, measured.exact_milliseconds) > 0
    assert str(measured).startswith(
        f"recall@10 {measured.recall:.3f} (worst {measured.worst:.2f}) over {len(asking)} queries"
    )
    if not real.dialect.is_approximate:
        assert measured.recall == 1


def test_by_stored_rows_of_a_filtered_queryset(real: Database) -> None:
    sample = 2 * len(questions(real))
    measured = measure_recall(Real.objects.filter(share__lt=0.5), "embedding", k=5, sample=sample)
    assert (measured.k, measured.queries) == (5, sample)
    assert measured.recall > 0.8


def test_options_change_it(real: Database) -> None:
    option = real.dialect.tuning.width
    if not option:
        return
    queries = list(asked().embeddings)
    narrow = measure_recall(Real, "embedding", k=1, queries=queries, **{option: 1})
    wide = measure_recall(Real, "embedding", k=1, queries=queries, **{option: 400})
    assert wide.options == {option: 400}
    assert narrow.options == {option: 1}
    assert narrow.recall <= wide.recall
    assert wide.recall >= 0.95


def test_the_recommended_options_reach_the_target(real: Database) -> None:
    queries = questions(real)
    found = recommend_search_options(Real, "embedding", target_recall=0.95, k=10, queries=queries)
    assert found.reached
    assert found.recall >= 0.95
    assert found.recall == found.measured[-1].recall
    assert all(isinstance(each, Recall) for each in found.measured)
    assert all(each.recall < 0.95 for each in found.measured[:-1])
    assert set(found.options) <= set(real.dialect.tuning.options)
    again = measure_recall(Real, "embedding", k=10, queries=queries, **found.options)
    assert again.recall == pytest.approx(found.recall, abs=0.02)


async def test_async(real: Database) -> None:
    queries = questions(real, 5)
    told: list[list[tuple[int, int | None]]] = [[], [], []]
    steps: list[Any] = [lambda *each, kept=kept: kept.append(each) for kept in told]
    measured = await ameasure_recall(Real, "embedding", k=5, queries=queries, progress=steps[0])
    assert measured.recall == measure_recall(Real, "embedding", k=5, queries=queries, progress=steps[1]).recall
    assert told[0] == told[1] == [(done, 2 * len(queries)) for done in range(2 * len(queries) + 1)]
    found = await arecommend_search_options(
        Real, "embedding", target_recall=0.5, k=5, queries=queries, progress=steps[2]
    )
    assert found.reached
    assert told[2][0][0] == 0
    assert told[2][-1] == (len(queries) * (1 + len(found.measured)),) * 2


def test_nothing_to_measure(db: Database) -> None:
    with pytest.raises(ValueError, match="Document has no rows to search, or there are no queries"):
        measure_recall(Document, "embedding")
    with pytest.raises(ValueError, match=r"target_recall=2\): want more than 0, and at most 1"):
        recommend_search_options(Document, "embedding", target_recall=2)
    for wrong in ({"k": 0}, {"sample": 0}, {"k": True}, {"sample": "many"}):
        with pytest.raises(ValueError, match="want a whole number, at least 1"):
            measure_recall(Document, "embedding", **wrong)
    with pytest.raises(dorm.FieldDoesNotExist, match="Document has no vector field 'title'"):
        measure_recall(Document, "title", queries=[[1, 0, 0]])
