"""explain_search() names the index that served a search, or each reason why none did."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from dorm import F

from dorm_vector import CosineDistance, CosineSimilarity, IndexMissed, Reason, SearchPlan, rebuild_index
from tests.databases import Database
from tests.helpers.oracle import vectors
from tests.models import Document, Package

INDEX = "package_embedding_hnsw"
STORED, QUERY = vectors(3000, 16), vectors(1, 16, seed=8)[0]


@pytest.fixture(scope="module")
def loaded(database: Database) -> Database:
    # Once, over a new index: rows that other tests deleted stay in one, and make it look slow to the planner.
    database.use()
    database.clear()
    rebuild_index(Package, INDEX)
    # With half of the rows, the planner of a shard may prefer to scan.
    rows = [*STORED, *STORED] if database.dialect.planning.shard_count else STORED
    Package.objects.bulk_create([Package(section=f"s{n % 500}", embedding=vector) for n, vector in enumerate(rows)])
    if database.dialect.planning.analyze:
        database.connection.execute_script(database.dialect.planning.analyze.format(table="tests_package"))
    return database


@pytest.fixture
def packages(loaded: Database) -> Database:
    loaded.use()
    return loaded


def nearest(**options: Any) -> Any:
    return Package.objects.nearest("embedding", QUERY, **options)


def by(expression: Any) -> Any:
    return Package.objects.annotate(rank=expression)


COSINE = CosineDistance("embedding", QUERY)

MISSES: dict[str, Callable[[], Any]] = {
    "exact": lambda: nearest(exact=True)[:10],
    "no-limit": nearest,
    "not-first": lambda: nearest().order_by("section", "distance")[:10],
    "descending": lambda: nearest().reverse()[:10],
    "arithmetic": lambda: by(COSINE * 2).order_by("rank")[:10],
    "distinct": lambda: nearest().distinct()[:10],
    "another-column": lambda: Package.objects.annotate(rank=CosineDistance("embedding", F("embedding"))).order_by(
        "rank"
    )[:10],
    "other-distance": lambda: nearest(distance="l2")[:10],
    "no-distance": lambda: Package.objects.order_by("section")[:10],
    "selective-filter": lambda: Package.objects.filter(section="s3").nearest("embedding", QUERY)[:10],
}


def codes(plan: SearchPlan) -> set[str]:
    return {reason.code for reason in plan.reasons}


@pytest.mark.parametrize(
    "make",
    [
        lambda: nearest()[:10],
        lambda: nearest()[5:10].values("pk"),
        lambda: by(COSINE).order_by("rank")[:10],
        lambda: by(CosineSimilarity("embedding", QUERY)).order_by("-rank")[:10],
    ],
)
def test_the_index_that_serves_a_search_is_named(packages: Database, make: Callable[[], Any]) -> None:
    plan = make().explain_search()
    if packages.dialect.is_approximate:
        assert (plan.index, plan.reasons) == (INDEX, ())
        where = f" on {plan.shards_by_index} of {plan.shards} shards" if plan.shards else ""
        assert str(plan) == f"The index {INDEX} serves this search{where}."
        assert bool(plan.shards) is bool(packages.dialect.planning.shard_count)
        assert packages.dialect.uses_index(plan.plan, INDEX)
    else:
        assert plan.index is None
        assert codes(plan) == {"no-such-index"}
        assert "Every search there is exact" in str(plan)


def test_a_search_that_misses_the_index_of_its_field_warns_where_it_is_written(packages: Database) -> None:
    if not packages.dialect.is_approximate:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(nearest(distance="l2")[:3]) == 3
        return
    with pytest.warns(
        IndexMissed, match=r"Package\.embedding has an index for cosine, and this search measures l2"
    ) as seen:
        assert len(nearest(distance="l2")[:3]) == 3
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(nearest(distance="l2", exact=True)[:3]) == 3
        assert nearest(distance="l2").count() == Package.objects.count() >= len(STORED)


@pytest.mark.filterwarnings("ignore::dorm_vector.IndexMissed")
@pytest.mark.parametrize("code", MISSES)
def test_each_reason_why_none_does(packages: Database, code: str) -> None:
    if not packages.dialect.is_approximate:
        return
    plan = MISSES[code]().explain_search()
    assert plan.index is None, plan.plan
    assert codes(plan) == {code}
    assert all(isinstance(reason, Reason) and reason.problem and reason.remedy for reason in plan.reasons)
    assert str(plan).startswith("No index serves this search.\n- ")


def test_several_reasons_are_all_named(packages: Database) -> None:
    if packages.dialect.is_approximate:
        assert codes(nearest(distance="l2").reverse().explain_search()) == {"no-limit", "descending", "other-distance"}


def test_a_second_sort_key(packages: Database) -> None:
    if not packages.dialect.is_approximate:
        return
    plan = nearest().order_by("distance", "id")[:10].explain_search()
    if packages.dialect.ordering.second_key:
        assert plan.index == INDEX
    else:
        assert codes(plan) == {"second-key"}


def test_a_column_without_an_index(packages: Database) -> None:
    if not packages.dialect.is_approximate:
        return
    Document.objects.create(title="a", embedding=[1, 0, 0])
    plan = Document.objects.nearest("embedding", [1, 0, 0])[:10].explain_search()
    assert codes(plan) == {"no-index"}
    assert "Document.embedding has no vector index." in str(plan)


async def test_async(packages: Database) -> None:
    assert await nearest()[:10].aexplain_search() == nearest()[:10].explain_search()
    assert codes(await nearest().aexplain_search()) == codes(nearest().explain_search())


def test_it_leaves_the_planner_as_it_was(packages: Database) -> None:
    from dorm.transaction import atomic

    with atomic():
        before = nearest()[:10].explain()
        nearest()[:10].explain_search()
        Package.objects.filter(section="s3").nearest("embedding", QUERY)[:10].explain_search()
        assert nearest()[:10].explain() == before
        assert Package.objects.order_by("id")[:2].explain() == Package.objects.order_by("id")[:2].explain()
