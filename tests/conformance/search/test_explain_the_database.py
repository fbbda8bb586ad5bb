"""explain_search() tells what is in the database from what is declared, and what the planner thought of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm import Q
from dorm.migrations.operations import RemoveIndex
from dorm.migrations.state import ProjectState

from dorm_vector import HnswIndex, SearchPlan, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.helpers.oracle import vectors

INDEX = "few_embedding_hnsw"
STORED, QUERY = vectors(30, 8), vectors(1, 8, seed=8)[0]


class Few(dorm.Model):
    """A table that is read as fast as its index."""

    part = dorm.IntegerField(default=1)
    embedding = VectorField(dimensions=8)

    class Meta:
        app_label = "tests"
        indexes = [HnswIndex(fields=["embedding"], name=INDEX, distance="cosine")]


class Partly(dorm.Model):
    """Its index holds some of the rows."""

    part = dorm.IntegerField(default=1)
    embedding = VectorField(dimensions=8)

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(fields=["embedding"], name="partly_embedding", distance="cosine", condition=Q(part=2)),
        ]


class SignsOnly(dorm.Model):
    """Its index holds the signs of its vectors."""

    embedding = VectorField(dimensions=8)

    class Meta:
        app_label = "tests"
        indexes = [HnswIndex(fields=["embedding"], name="signed_embedding", distance="cosine", precision="bit")]


@pytest.fixture
def few(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (Few,))
    Few.objects.bulk_create([Few(part=n % 3, embedding=vector) for n, vector in enumerate(STORED)])
    if database.dialect.planning.analyze:
        database.connection.execute_script(database.dialect.planning.analyze.format(table="tests_few"))
    yield database
    database.use()
    database.connection.execute_script('DROP TABLE "tests_few"')


def codes(plan: SearchPlan) -> set[str]:
    return {reason.code for reason in plan.reasons}


def nearest(model: Any = Few, **options: Any) -> Any:
    return model.objects.nearest("embedding", QUERY, **options)


def has_indexes(database: Database) -> bool:
    """Tell whether an index serves a search here, asked for or not."""
    return database.dialect.is_approximate or bool(database.dialect.index_use.probe)


async def test_a_small_table(few: Database) -> None:
    plan = nearest(exact=False)[:3].explain_search()
    if not has_indexes(few):
        assert codes(plan) == {"no-such-index"}
    elif few.dialect.is_approximate:
        assert (plan.index, codes(plan)) == (None, {"small-table"})
        assert "the answer is exact" in str(plan)
    else:
        assert plan.index == INDEX
    assert await nearest(exact=False)[:3].aexplain_search() == plan


def test_an_index_that_is_not_there(few: Database) -> None:
    if not has_indexes(few):
        return
    state = ProjectState.from_apps()
    RemoveIndex("Few", Few._meta.indexes[0]).database_forwards("tests", few.connection, state, state)
    plan = nearest()[:3].explain_search()
    if few.dialect.planning.built_indexes:
        assert codes(plan) == {"not-built"}
        assert "Run: dorm migrate." in str(plan)
    else:
        assert plan.index is None


def test_an_index_that_is_not_what_was_declared(few: Database) -> None:
    """Built by hand for another distance, or left behind by a build that failed; PostgreSQL alone tells."""
    if not few.dialect.planning.switch:
        return
    few.connection.execute_script(f'DROP INDEX "{INDEX}"')
    few.connection.execute_script(f'CREATE INDEX "{INDEX}" ON "tests_few" USING hnsw ("embedding" vector_l2_ops)')
    plan = nearest()[:3].explain_search()
    assert codes(plan) == {"other-opclass"}
    assert f"The index {INDEX} is built with vector_l2_ops, and declared for cosine." in str(plan)
    few.connection.execute_script(f'DROP INDEX "{INDEX}"')
    few.connection.execute_script(f'CREATE INDEX "{INDEX}" ON "tests_few" USING hnsw ("embedding" vector_cosine_ops)')
    few.connection.execute_write(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [f'"{INDEX}"']
    )
    plan = nearest()[:3].explain_search()
    assert "invalid" in codes(plan)
    assert f'REINDEX INDEX "{INDEX}"' in str(plan)


def test_an_index_of_some_rows(few: Database) -> None:
    if not has_indexes(few) or few.dialect.index_rules.whole_table:
        return
    create_tables(few.connection, (Partly,))
    Partly.objects.bulk_create([Partly(part=n % 3, embedding=vector) for n, vector in enumerate(vectors(600, 8))])
    plan = nearest(Partly, exact=False)[:3].explain_search()
    assert (plan.index, codes(plan)) == (None, {"condition"})
    assert "holds only the rows of its condition" in str(plan)
    inside = Partly.objects.filter(part=2).nearest("embedding", QUERY, exact=False)[:3].explain_search()
    assert inside.index == "partly_embedding" or codes(inside) == {"selective-filter"}
    few.connection.execute_script('DROP TABLE "tests_partly"')


async def test_an_index_that_finds_a_shortlist(few: Database) -> None:
    create_tables(few.connection, (SignsOnly,))
    try:
        SignsOnly.objects.bulk_create([SignsOnly(embedding=vector) for vector in vectors(600, 8)])
        is_built = SignsOnly._meta.indexes[0].is_built_by(few.dialect) and few.dialect.is_approximate
        for plan in (nearest(SignsOnly)[:3].explain_search(), await nearest(SignsOnly)[:3].aexplain_search()):
            assert plan.index is None
            assert ("shortlist" in codes(plan)) == bool(is_built)
            assert ("nearest(...).rerank(200)[:10]" in str(plan)) == bool(is_built)
        assert "shortlist" not in codes(nearest(SignsOnly).rerank(50)[:3].explain_search())
    finally:
        drop_table(few, SignsOnly)


@pytest.mark.filterwarnings("ignore::dorm_vector.IndexMissed")
def test_where_an_index_has_to_be_asked(few: Database) -> None:
    if not few.dialect.index_use.probe:
        return
    assert nearest(exact=False)[:3].explain_search().index == INDEX
    unasked = nearest()[:3].explain_search()
    assert (unasked.index, codes(unasked)) == (None, {"no-such-index"})
    assert "unless it sets nearest(..., exact=False)" in str(unasked)
    wide = few.dialect.index_use.probe_width + 1
    misses = {
        "no-limit": nearest(exact=False),
        "descending": nearest(exact=False).reverse()[:3],
        "other-distance": nearest(exact=False, distance="l2")[:3],
        "not-first": nearest(exact=False).order_by("part", "distance")[:3],
        "too-many-rows": nearest(exact=False)[:wide],
    }
    for code, queryset in misses.items():
        plan = queryset.explain_search()
        assert (plan.index, codes(plan)) == (None, {code})
        assert all(reason.problem and reason.remedy for reason in plan.reasons)
