"""contrib.nplusone and contrib.matview with models that have vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.contrib.matview import create_matview, drop_matview
from dorm.contrib.nplusone import NPlusOneError, assert_no_nplusone

from dorm_vector import (
    HalfVectorField,
    VectorField,
    afind_duplicates,
    aoutliers,
    find_duplicates,
    measure_recall,
    outliers,
)
from tests.databases import Database, create_tables, drop_table


class Listed(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(2)
    half = HalfVectorField(2, null=True)

    class Meta:
        app_label = "tests"


class ListedView(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(2)
    half = HalfVectorField(2, null=True)

    class Meta:
        app_label = "tests"
        db_table = "listed_view"
        managed = False


ROWS: Any = Listed.objects


@pytest.fixture
def rows(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Listed,))
    for number in range(12):
        ROWS.create(title=str(number), embedding=[number // 2, 0], half=[0, number])
    yield db
    drop_table(db, Listed)


async def test_calls_that_search_for_each_row_are_no_n_plus_one(rows: Database) -> None:
    with assert_no_nplusone():
        assert len(find_duplicates(ROWS.all(), "embedding", 0.5)) == 6
        assert len(await afind_duplicates(ROWS.all(), "embedding", 0.5)) == 6
        assert len(outliers(ROWS.all(), "embedding", 3)) == len(await aoutliers(ROWS.all(), "embedding", 3)) == 3
        assert measure_recall(ROWS.all(), "embedding", k=2, sample=8, distance="l2").recall == 1.0


def test_a_search_in_a_loop_still_is_one(rows: Database) -> None:
    with pytest.raises(NPlusOneError), assert_no_nplusone():  # noqa: PT012  # the loop is what is looked for
        find_duplicates(ROWS.all(), "embedding", 0.5)
        for row in ROWS.all():
            ROWS.nearest("embedding", row)[:1].first()


def test_a_view_of_a_queryset_holds_vectors(rows: Database) -> None:
    if rows.name != "postgresql":
        with pytest.raises(NotImplementedError):
            create_matview("listed_view", "SELECT 1")
        return
    sql, params = ROWS.all()._query.as_select(rows.connection)
    assert (params, "_send(" in sql) == ([], True)
    create_matview("listed_view", sql)
    try:
        view: Any = ListedView.objects
        assert [row.title for row in view.nearest("embedding", [5, 0])[:2]] in (["10", "11"], ["11", "10"])
        assert [list(row.half) for row in view.order_by("id")] == [[0, number] for number in range(12)]
    finally:
        drop_matview("listed_view")
