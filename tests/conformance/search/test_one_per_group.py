"""One result per parent: the rows are those that plain Python chooses, on every database, with and without an index."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm import OuterRef, Subquery
from dorm.exceptions import FieldDoesNotExist

from dorm_vector import HnswIndex, UnsupportedByDatabase, Vec0Index, VectorField, as_vector, search_options
from tests.conformance.inside import group_candidates
from tests.databases import Database, create_tables, drop_table
from tests.helpers import oracle

QUERY = [0.4, -0.3, 0.2]
PAPERS, PARTS = 24, 300


class GroupAuthor(dorm.Model):
    name = dorm.CharField(max_length=20)


class GroupTag(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=3)


class GroupPaper(dorm.Model):
    """A parent without vectors of its own."""

    title = dorm.CharField(max_length=20)
    year = dorm.IntegerField()
    author = dorm.ForeignKey(GroupAuthor, on_delete=dorm.CASCADE)
    tags = dorm.ManyToManyField(GroupTag, related_name="papers")


class GroupPart(dorm.Model):
    paper = dorm.ForeignKey(GroupPaper, on_delete=dorm.CASCADE, null=True, related_name="parts")
    number = dorm.IntegerField()
    embedding = VectorField(dimensions=3)
    maybe = VectorField(dimensions=3, null=True)

    class Meta:
        indexes = [
            HnswIndex(fields=["embedding"], name="grouppart_embedding", distance="l2"),
            Vec0Index(fields=["embedding"], name="grouppart_vec0", distance="l2"),
        ]


MODELS = (GroupAuthor, GroupTag, GroupPaper, GroupPart)
PARTS_ROWS: Any = GroupPart.objects
PAPER_ROWS: Any = GroupPaper.objects
Row = tuple[int, int | None, list[float]]


def stored() -> list[Row]:
    """Return number, paper and vector: one paper has most of the nearest, and some rows have no paper."""
    vectors = oracle.vectors(PARTS, 3, seed=21)
    near = sorted(range(PARTS), key=lambda n: math.dist(vectors[n], QUERY))[:120]
    rows: list[Row] = []
    for n, vector in enumerate(vectors):
        paper = 0 if n in near and n != near[0] else n % (PAPERS - 1)
        rows.append((n, None if n % 50 == 3 else paper, vector))
    # The same vector twice in a paper and in two papers: the first key decides.
    rows += [(PARTS + n, paper, [0.4, -0.3, 0.25]) for n, paper in enumerate((9, 4, 9, 4))]
    return rows


ROWS = stored()


@pytest.fixture(scope="module")
def loaded(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, MODELS)
    authors = [GroupAuthor.objects.create(name=f"a{n}") for n in range(5)]
    tags = [GroupTag.objects.create(name=f"t{n}", embedding=[n, 0, 1]) for n in range(3)]
    papers = [GroupPaper.objects.create(title=f"p{n}", year=2000 + n % 4, author=authors[n % 5]) for n in range(PAPERS)]
    for n, paper in enumerate(papers[:6]):
        paper.tags.add(*tags[: 1 + n % 3])
    PARTS_ROWS.bulk_create(
        [
            GroupPart(
                number=number,
                paper=None if paper is None else papers[paper],
                embedding=vector,
                maybe=vector if number % 3 else None,
            )
            for number, paper, vector in ROWS
        ]
    )
    yield database
    database.use()
    for model in reversed(MODELS):
        drop_table(database, model)


@pytest.fixture
def db(loaded: Database) -> Database:
    loaded.use()
    return loaded


def best(
    group: Any = lambda paper: paper, among: Any = lambda number, paper: True, *, ties: str = "rows"
) -> list[tuple[Any, int, float]]:
    """Return the groups, nearest first and equal ones by their rows or by their keys: key, nearest row, distance."""
    found: dict[Any, tuple[float, int]] = {}
    for number, paper, vector in ROWS:
        if paper is not None and among(number, paper):
            measured = (math.dist(oracle.float32(vector), oracle.float32(QUERY)), number)
            found[group(paper)] = min(found.get(group(paper), measured), measured)
    ordered = sorted(found, key=lambda key: found[key] if ties == "rows" else (found[key][0], key))
    return [(key, found[key][1], found[key][0]) for key in ordered]


def seen(rows: list[Any]) -> list[tuple[int, int, float]]:
    return [(int(row.paper.title[1:]), row.number, row.distance) for row in rows]


def check(db: Database, way: Any, rows: list[tuple[int, int, float]], expected: list[tuple[Any, int, float]]) -> None:
    """Hold the rows to the expected ones, or to what an approximate index promises: as many groups, each once."""
    paper_of = {number: paper for number, paper, _ in ROWS}
    assert len({paper for paper, _, _ in rows}) == len(rows) == len(expected)
    for paper, number, distance in rows:
        assert paper_of[number] == paper
        assert distance == pytest.approx(math.dist(ROWS[number][2], QUERY), abs=1e-5)
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)
    is_approximate = db.dialect.is_approximate or way.get("exact") is False
    found = {row[:2] for row in rows} & {row[:2] for row in expected}
    if is_approximate and not way.get("exact"):
        assert len(found) >= 0.6 * len(expected)
    else:
        assert [row[:2] for row in rows] == [row[:2] for row in expected]


WAYS: list[dict[str, Any]] = [{}, {"exact": True}, {"exact": False}]


@pytest.mark.parametrize("way", WAYS, ids=["default", "exact", "approximate"])
async def test_each_parent_has_its_nearest_row(db: Database, way: dict[str, Any]) -> None:
    everything = best()
    rows = PARTS_ROWS.select_related("paper").nearest("embedding", QUERY, group_by="paper", **way)
    for first, last in ((0, 3), (2, 12), (0, 100), (22, 30), (0, 1)):
        for found in (list(rows[first:last]), await rows[first:last]):
            check(db, way, seen(found), everything[first:last])
        assert (rows[first:last].count(), await rows[first:last].acount()) == (len(everything[first:last]),) * 2
    recent = PARTS_ROWS.filter(paper__year__gte=2002, number__lt=200)
    expected = best(among=lambda number, paper: paper % 4 >= 2 and number < 200)
    rows = recent.nearest("embedding", QUERY, group_by="paper", **way)
    for found in (list(rows[:7]), await rows[:7]):
        check(db, way, seen(found), expected[:7])
    # A filter that follows decides what is grouped, too.
    later = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper", **way).filter(number__gte=150)
    check(db, way, seen(list(later[:5])), best(among=lambda number, paper: number >= 150)[:5])
    bound = everything[4][2] + 1e-4
    near = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper", max_distance=bound, **way)
    check(db, {"exact": True}, seen(list(near)), everything[:5])
    assert (near.count(), near.exists()) == (5, True)


async def test_the_same_from_the_parent(db: Database) -> None:
    everything = best(ties="groups")
    numbers = {row.pk: row.number for row in PARTS_ROWS.all()}
    for way in WAYS:
        rows = PAPER_ROWS.nearest("parts__embedding", QUERY, group_by="pk", **way)
        for found in (list(rows[:10]), await rows[:10]):
            shown = [(int(row.title[1:]), numbers[row.nearest_pk], row.distance) for row in found]
            check(db, way, shown, everything[:10])
        assert (rows.count(), await rows.acount(), rows[:4].count()) == (len(everything), len(everything), 4)
        values = rows.filter(year=2001).values("title", "parts__number", "distance")
        shown = [(int(row["title"][1:]), row["parts__number"], row["distance"]) for row in values[:3]]
        check(db, way, shown, best(among=lambda number, paper: paper % 4 == 1, ties="groups")[:3])


def test_groups_of_any_kind(db: Database) -> None:
    by_author = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper__author")
    assert [row.number for row in by_author] == [number for _, number, _ in best(lambda paper: paper % 5)]
    by_year = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper__year").values_list("paper__year", "number")
    assert list(by_year[:3]) == [(2000 + year, number) for year, number, _ in best(lambda paper: paper % 4)[:3]]
    # Papers and tags: each pair once, however many parts or tags a filter joins.
    papers = as_vector(PAPER_ROWS.filter(parts__number__lt=100))
    tagged = papers.nearest("tags__embedding", [2, 0, 1], group_by="pk")
    expected = sorted((2 - n % 3, n) for n in range(6))
    assert [(row.distance, int(row.title[1:])) for row in tagged[:10]] == expected
    # Rows without a vector are no results.
    maybe = PARTS_ROWS.select_related("paper").nearest("maybe", QUERY, group_by="paper")
    check(db, {"exact": True}, seen(list(maybe)), best(among=lambda number, paper: number % 3))
    # What is grouped afterwards are the chosen rows.
    counted = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper").order_by("paper__year")
    years = counted.values("paper__year").annotate(n=dorm.Count("number"), first=dorm.Min("number"))
    chosen = [(2000 + paper % 4, number) for paper, number, _ in best()]
    assert {row["paper__year"]: (row["n"], row["first"]) for row in years} == {
        year: (len(numbers), min(numbers))
        for year, numbers in ((each, [n for y, n in chosen if y == each]) for each in range(2000, 2004))
    }
    # As a subquery, for other rows.
    first = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper")[:3]
    authors = GroupAuthor.objects.filter(
        pk__in=GroupPaper.objects.filter(parts__in=first.values("pk")).values("author")
    )
    assert sorted(row.name for row in authors) == sorted({f"a{paper % 5}" for paper, _, _ in best()[:3]})


def test_a_subquery_that_refers_to_the_outer_query(db: Database) -> None:
    """Of each author, the second of the nearest parts per year."""
    own = PARTS_ROWS.filter(paper__author=OuterRef("pk")).nearest("embedding", QUERY, group_by="paper__year")
    authors = GroupAuthor.objects.annotate(second=Subquery(own.values("number")[1:2])).order_by("pk")
    if db.dialect.ordering.correlated_groups is not None:
        with pytest.raises(UnsupportedByDatabase, match="one row of each group, in a subquery that refers"):
            list(authors)
        return
    expected = []
    for author in range(5):
        ranked = best(lambda paper: paper % 4, lambda _number, paper, author=author: paper % 5 == author)
        expected.append(ranked[1][1])
    assert [row.second for row in authors] == expected


def test_an_index_serves_it_where_one_can(db: Database) -> None:
    expected = {"postgresql": "grouppart_embedding", "mariadb": "grouppart_embedding", "sqlite": "grouppart_vec0"}
    plan = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper")[:2].explain_search()
    if db.name in expected and plan.index is not None:
        assert plan.index == expected[db.name]
    elif db.name not in expected:
        assert plan.index is None
    with search_options():
        assert PARTS_ROWS.nearest("embedding", QUERY, group_by="paper", exact=True)[:2].explain_search().index is None


async def test_every_row_is_measured_where_groups_are_too_large(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_candidates, "_LEAST", 8)
    monkeypatch.setattr(group_candidates, "_MOST", 100)
    rows = PARTS_ROWS.select_related("paper").nearest("embedding", QUERY, group_by="paper")[:3]
    check(db, {"exact": True}, seen(list(rows)), best()[:3])
    check(db, {"exact": True}, seen(await rows), best()[:3])


def test_what_is_refused(db: Database) -> None:
    for path, error in (
        ("nothing", FieldDoesNotExist),
        ("paper__nothing", FieldDoesNotExist),
        ("paper__tags", ValueError),
    ):
        with pytest.raises(error, match="group_by"):
            PARTS_ROWS.nearest("embedding", QUERY, group_by=path)
    with pytest.raises(ValueError, match="leads to many rows"):
        PAPER_ROWS.nearest("parts__embedding", QUERY, group_by="parts__number")
    with pytest.raises(TypeError, match="name of a field"):
        PARTS_ROWS.nearest("embedding", QUERY, group_by=3)
    grouped = PARTS_ROWS.nearest("embedding", QUERY, group_by="paper")
    with pytest.raises(ValueError, match="pk__in=found"):
        grouped.nearest("embedding", QUERY, as_="again")
    counted = as_vector(PAPER_ROWS.all()).values("year").annotate(n=dorm.Count("pk"))
    with pytest.raises(TypeError, match="groups already"):
        list(counted.nearest("parts__embedding", QUERY, group_by="pk"))
