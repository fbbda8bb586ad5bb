"""A filter that at least k rows pass gives k rows: on real packages, by their section, with the index built.

The 40,000 packages are outside the repository, in the folder that DORM_VECTOR_PACKAGES names or in
``../shared/data/debian_packages``; without them, the tests use the 2,000 of the quickstart. libSQL and MySQL take the
first 4,000 of them and MariaDB 8,000, where all would take minutes; with DORM_VECTOR_PACKAGES_ALL=1 they take all.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.databases import Database
from tests.helpers.real_data import SHARES, Sectioned, sectioned_packages, sectioned_questions, sectioned_table

QUESTIONS = (0, 7, 13)


@pytest.fixture(scope="module")
def loaded(database: Database) -> Iterator[Database]:
    database.use()
    with sectioned_table(database):
        yield database


@pytest.fixture
def sectioned(loaded: Database) -> Database:
    loaded.use()
    return loaded


def sections(rows: list[list[str]], share: float) -> set[str]:
    """Return sections that together hold about that share of the rows, and no more."""
    names, counts = np.unique([row[1] for row in rows], return_counts=True)
    chosen, room = set(), max(1, round(share * len(rows)))
    for position in np.argsort(-counts, kind="stable"):
        if counts[position] <= room:
            chosen.add(str(names[position]))
            room -= int(counts[position])
    return chosen


def expected(database: Database, vector: Any, among: set[str], k: int) -> list[str]:
    """Return the exact nearest in float64."""
    rows, embeddings = sectioned_packages(database)
    inside = [n for n, row in enumerate(rows) if row[1] in among]
    similarity = embeddings[inside].astype(np.float64) @ np.asarray(vector, dtype=np.float64)
    return [rows[inside[n]][0] for n in np.argsort(-similarity, kind="stable")[:k]]


def checked(database: Database, found: list[Any], vector: Any, among: set[str], k: int) -> float:
    """Hold the rows to what they promise, and return the share of the exact nearest among them."""
    wanted = expected(database, vector, among, k)
    assert len(found) == len(wanted)
    assert len({row.name for row in found}) == len(found)
    assert {row.section for row in found} <= among
    assert [row.distance for row in found] == sorted(row.distance for row in found)
    return len({row.name for row in found} & set(wanted)) / len(wanted)


@pytest.mark.parametrize("share", SHARES)
async def test_a_filter_by_section_gives_k_rows(sectioned: Database, share: float) -> None:
    among = sections(sectioned_packages(sectioned)[0], share)
    passing = sum(row[1] in among for row in sectioned_packages(sectioned)[0])
    assert 0.5 * share <= passing / len(sectioned_packages(sectioned)[0]) <= max(share, 1 / 1999)
    recall = []
    for question in QUESTIONS:
        vector = sectioned_questions()[question]
        queryset = Sectioned.objects.filter(section__in=sorted(among)).nearest("embedding", vector)
        recall += [checked(sectioned, list(queryset[:k]), vector, among, k) for k in (1, 10, 50)]
        recall.append(checked(sectioned, await queryset[:10], vector, among, 10))
        by_an_index = Sectioned.objects.filter(section__in=sorted(among)).nearest("embedding", vector, exact=False)
        checked(sectioned, list(by_an_index[:10]), vector, among, 10)
    # An index gives most of the nearest; where there is none, the rows are the nearest.
    assert statistics.mean(recall) >= (0.6 if sectioned.dialect.is_approximate else 1)


def test_the_index_is_there_and_serves_the_search(sectioned: Database) -> None:
    plan = Sectioned.objects.nearest("embedding", sectioned_questions()[0])[:10].explain_search()
    if sectioned.dialect.is_approximate:
        # A server may scan its part of a small table; "small-table" says that the index could have served it.
        is_scanned = bool(plan.shards) and [reason.code for reason in plan.reasons] == ["small-table"]
        assert plan.index == Sectioned._meta.indexes[0].name or is_scanned
    else:
        assert [reason.code for reason in plan.reasons] == ["no-such-index"]
