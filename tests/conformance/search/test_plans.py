"""A filtered search chooses between its index and an exact search by how many rows pass the filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pytest

from dorm_vector import HnswIndex, VectorField, bulk_load, search_options
from tests.databases import Database, create_tables, drop_table

DIMENSIONS = 64
ROWS = {"postgresql": 12_000, "mariadb": 8_000, "libsql": 12_000}
"""So many that the costs of both plans differ by factors; elsewhere there is no choice."""
HALF, RARE, SOME = "half", "rare", "some"


class PlanGroup(dorm.Model):
    """What half of the rows, or a few of them, refer to."""

    name = dorm.CharField(max_length=20)

    class Meta:
        app_label = "tests"


class Planned(dorm.Model):
    """Rows with three filters of the same selectivity: a column, a document, a joined table."""

    kind = dorm.CharField(max_length=20)
    meta = dorm.JSONField(default=dict)
    group = dorm.ForeignKey(PlanGroup, on_delete=dorm.CASCADE)
    embedding = VectorField(dimensions=DIMENSIONS)

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(fields=["embedding"], name="planned_embedding", distance="cosine", m=4, ef_construction=16)
        ]


EXACT = {"mysql": "client ranking"}
"""What an exact search is called, where it is not the database that ranks."""

INDEXED = {
    "postgresql": "index with iterative scan",
    # Its index restarts for each 40 rows that a filter rejects, so it finds more of them at once.
    "mariadb": "index before the filter",
    "libsql": "index",
}
"""How an index answers a search whose filter half of the rows pass."""

FILTERS = ("kind", "meta__kind", "group__name")


def rows_of(database: Database) -> int:
    # The shards of a table are read at the same time, and its index waits for options to reach the workers.
    return ROWS.get(database.dialect.name, 400) * (4 if database.dialect.planning.shard_count else 1)


def kinds(rows: int) -> list[str]:
    """Return the kind of each row: half of them one, one in 20 another, and one in 2,000 a third."""
    return [RARE if n % 2_000 == 7 else HALF if n % 2 else SOME if n % 20 == 4 else "other" for n in range(rows)]


def stored(rows: int) -> Any:
    vectors = np.random.default_rng(5).standard_normal((rows, DIMENSIONS), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def loaded(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (PlanGroup, Planned))
    rows = rows_of(database)
    keys = {kind: PlanGroup.objects.create(name=kind).pk for kind in (HALF, RARE, SOME, "other")}
    named = kinds(rows)
    columns = {
        "id": list(range(1, rows + 1)),
        "kind": named,
        "meta": [{"kind": kind} for kind in named],
        "group_id": [keys[kind] for kind in named],
        "embedding": stored(rows),
    }
    bulk_load(Planned, columns, defer_indexes=True)
    for model in (PlanGroup, Planned):
        if database.dialect.planning.analyze:
            database.connection.execute_script(database.dialect.planning.analyze.format(table=model._meta.db_table))
    yield database
    database.use()
    drop_table(database, Planned)
    drop_table(database, PlanGroup)


@pytest.fixture
def planned(loaded: Database) -> Database:
    loaded.use()
    return loaded


def query() -> Any:
    vector = np.random.default_rng(6).standard_normal(DIMENSIONS, np.float32)
    return vector / np.linalg.norm(vector)


def search(name: str, kind: str, **options: Any) -> Any:
    """Return a search of the same shape for each kind."""
    return Planned.objects.filter(**{name: kind}).nearest("embedding", query(), **options)[:2]


def asked(database: Database) -> dict[str, Any]:
    """Return what lets the index answer: libSQL has to be asked for it."""
    return {"exact": False} if database.dialect.index_use.probe else {}


def exactly(database: Database) -> str:
    return EXACT.get(database.dialect.name, "exact")


def nearest(kind: str, rows: int, count: int = 2) -> list[int]:
    chosen = [n for n, each in enumerate(kinds(rows)) if each == kind]
    similar = stored(rows)[chosen].astype(np.float64) @ query().astype(np.float64)
    return [chosen[n] + 1 for n in np.argsort(-similar, kind="stable")[:count]]


@pytest.mark.parametrize("name", FILTERS)
async def test_the_plan_follows_the_values_of_the_filter(planned: Database, name: str) -> None:
    """One shape, with a value that half of the rows have, and one that one in 2,000 has."""
    rows, options = rows_of(planned), asked(planned)
    for kind in (HALF, RARE):
        plan = search(name, kind, **options).explain_search()
        names = [cost.name for cost in plan.costs]
        if kind == RARE:
            assert (await search(name, kind, **options).aexplain_search()).name == plan.name
        found = [row.pk for row in search(name, kind, **options)]
        awaited = [row.pk for row in await search(name, kind, **options)]
        if planned.dialect.name not in ROWS:
            assert (plan.name, plan.costs, plan.estimate) == (exactly(planned), (), None)
            assert found == awaited == nearest(kind, rows)[: len(found)]
        elif kind == RARE:
            assert (plan.name, names[0], plan.index) == ("exact", "exact", None)
            assert [reason.code for reason in plan.reasons] == ["selective-filter"]
            assert found == awaited == nearest(RARE, rows)
        else:
            assert names[0] == INDEXED[planned.dialect.name], str(plan)
            assert plan.estimate is not None
            assert 0.3 * rows < plan.estimate.passing < 0.7 * rows
            assert len(found) == len(awaited) == 2
            assert {kinds(rows)[key - 1] for key in (*found, *awaited)} == {HALF}
        if plan.costs:
            assert [cost.milliseconds for cost in plan.costs] == sorted(cost.milliseconds for cost in plan.costs)
            assert f"of {plan.estimate.rows:,.0f} rows pass the filter" in str(plan)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_few_rows_pass_is_measured_exactly(planned: Database, name: str) -> None:
    """With 5 % of the rows, an index would have to visit hundreds, and still lose some."""
    rows = rows_of(planned)
    found = Planned.objects.filter(**{name: SOME}).nearest("embedding", query(), **asked(planned))[:10]
    assert found.explain_search().name == exactly(planned)
    assert [row.pk for row in found] == nearest(SOME, rows, 10)


async def test_a_filter_that_rejects_the_nearest_rows_loses_none(planned: Database) -> None:
    """Half of the rows pass, but none of those that an index finds: the estimate cannot know that."""
    rows = rows_of(planned)
    farthest = np.argsort(stored(rows).astype(np.float64) @ query().astype(np.float64), kind="stable")[: rows // 2]
    keys = [int(row) + 1 for row in farthest]
    search = Planned.objects.filter(pk__in=keys).nearest("embedding", query(), **asked(planned))[:2]
    found, awaited = [row.pk for row in search], [row.pk for row in await search]
    assert len(found) == len(awaited) == 2
    assert {*found, *awaited} <= {*keys}
    if planned.dialect.name != "postgresql":
        # PostgreSQL's index continues past the nearest rows; the others find too few, and search exactly.
        assert found == awaited == keys[:-3:-1]


def test_what_a_search_asks_for_decides(planned: Database) -> None:
    """exact=True, exact=False where an index answers unasked, and options leave nothing to compare."""
    exact = search("kind", HALF, exact=True)
    assert (exact.explain_search().name, exact.explain_search().costs) == (exactly(planned), ())
    assert [row.pk for row in exact] == nearest(HALF, rows_of(planned))
    if not planned.dialect.is_approximate:
        unasked = search("kind", HALF).explain_search()
        assert (unasked.costs, unasked.estimate) == ((), None)
        return
    assert search("kind", RARE, exact=False).explain_search().costs == ()
    with search_options(ef_search=80):
        assert search("kind", RARE).explain_search().costs == ()
    assert search("kind", RARE).search_options(ef_search=80).explain_search().costs == ()
    assert search("kind", RARE).explain_search().costs


def test_without_a_filter_an_index_needs_no_estimate(planned: Database) -> None:
    plan = Planned.objects.nearest("embedding", query(), **asked(planned))[:2].explain_search()
    assert (plan.costs, plan.estimate) == ((), None)
    assert plan.name == ("index" if planned.dialect.name in ROWS else exactly(planned))
