"""The SQL of a query is written once for its shape; each query has its own vectors, its own filter and its own rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dorm import F, Q

from dorm_vector import (
    CosineDistance,
    CosineSimilarity,
    HnswIndex,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
    VectorNorm,
)
from tests.conformance.inside import MOST_CACHED, cached, forgotten
from tests.databases import Database
from tests.helpers import oracle
from tests.models import Chunk, Document, Package, Sample

STORED = oracle.vectors(40, 3)
ONE, OTHER = [1.0, 0.5, -0.25], [-0.5, 0.25, 2.0]
Ranked = Callable[[list[float]], Any]


def by(distance: Any, name: str = "distance") -> Ranked:
    return lambda vector: Document.objects.annotate(**{name: distance("embedding", vector)}).order_by(name)


near = by(L2Distance)

SHAPES: dict[str, Ranked] = {
    "L2": lambda vector: near(vector)[:3],
    "cosine": lambda vector: by(CosineDistance)(vector)[:3],
    "L1": lambda vector: by(L1Distance)(vector)[:3],
    "inner product": lambda vector: by(MaxInnerProduct)(vector)[:3],
    "a similarity": lambda vector: by(CosineSimilarity)(vector).order_by("-distance")[:3],
    "arithmetic": lambda vector: near(vector).annotate(half=L2Distance("embedding", vector) / 2)[:3],
    "of another column": lambda vector: Document.objects.annotate(d=L2Distance("other", vector)).order_by("d")[:3],
    "of two columns": lambda vector: Document.objects.annotate(d=L2Distance("embedding", F("other"))).order_by("d")[:3],
    "by another name": lambda vector: by(L2Distance, "far")(vector)[:3],
    "more rows": lambda vector: near(vector)[:4],
    "an offset": lambda vector: near(vector)[1:4],
    "no slice": near,
    "descending": lambda vector: near(vector).order_by("-distance")[:3],
    "a second key": lambda vector: near(vector).order_by("distance", "id")[:3],
    "by the key alone": lambda vector: near(vector).order_by("id")[:3],
    "hidden": lambda vector: Document.objects.alias(d=L2Distance("embedding", vector)).order_by("d")[:3],
    "some columns": lambda vector: near(vector).only("title")[:3],
    "values": lambda vector: near(vector).values("title", "distance")[:3],
    "values_list": lambda vector: near(vector).values_list("title", flat=True)[:3],
    "distinct": lambda vector: near(vector).distinct()[:3],
    "with its author": lambda vector: near(vector).select_related("author")[:3],
    "filtered": lambda vector: near(vector).filter(pages=1)[:3],
    "filtered otherwise": lambda vector: near(vector).filter(pages__gt=1)[:3],
    "filtered by two": lambda vector: near(vector).filter(Q(pages=1) | Q(title="d4"))[:3],
    "among some": lambda vector: near(vector).filter(pages__in=[0, 2])[:3],
    "among others": lambda vector: near(vector).filter(pages__in=[0, 1, 2])[:3],
    "excluded": lambda vector: near(vector).exclude(pages=1)[:3],
    "across a relation": lambda vector: near(vector).filter(author__name="Ada")[:3],
    "by the distance": lambda vector: near(vector).filter(distance__lt=1.5)[:3],
    "by a distance of its own": lambda vector: near(vector).filter(
        pk__in=by(CosineDistance)(vector[::-1]).values("pk")[:9]
    )[:3],
    "nearest": lambda vector: Document.objects.nearest("embedding", vector)[:3],
    "nearest, exactly": lambda vector: Document.objects.nearest("embedding", vector, exact=True)[:3],
    "nearest, bounded": lambda vector: Document.objects.nearest("embedding", vector, max_distance=1.5)[:3],
    "nearest, of another column": lambda vector: Document.objects.nearest("other", vector)[:3],
    "nearest, by another distance": lambda vector: Document.objects.nearest("embedding", vector, distance="cosine")[:3],
    "nearest, by another name": lambda vector: Document.objects.nearest("embedding", vector, as_="far")[:3],
    "nearest, more": lambda vector: Document.objects.nearest("embedding", vector)[:4],
    "nearest, from the second": lambda vector: Document.objects.nearest("embedding", vector)[1:4],
    "nearest, whole": lambda vector: Document.objects.nearest("embedding", vector),
    "nearest, some columns": lambda vector: Document.objects.nearest("embedding", vector).only("title")[:3],
    "nearest, without some": lambda vector: Document.objects.nearest("embedding", vector).defer("title")[:3],
    "nearest, as dicts": lambda vector: Document.objects.nearest("embedding", vector).values("title", "distance")[:3],
    "nearest, filtered": lambda vector: Document.objects.filter(pages=1).nearest("embedding", vector)[:3],
    "nearest, of rows without another": lambda vector: Document.objects.filter(author=None).nearest(
        "embedding", vector
    )[:3],
    "nearest, farthest first": lambda vector: Document.objects.nearest("embedding", vector).order_by("-distance")[:3],
    "nearest twice": lambda vector: Document.objects.nearest("embedding", vector[::-1], as_="turned").nearest(
        "embedding", vector
    )[:3],
    "two distances": lambda vector: near(vector).annotate(turned=CosineDistance("embedding", vector[::-1]))[:3],
    "a function": lambda vector: near(vector).annotate(norm=VectorNorm("embedding"))[:3],
}
WRITTEN_EACH_TIME = {"a function"}
"""What a shape does not know: only the answer is looked at."""


@pytest.fixture
def documents(db: Database) -> None:
    Document.objects.bulk_create(
        [Document(title=f"d{n}", pages=n % 3, embedding=vector, other=vector[::-1]) for n, vector in enumerate(STORED)]
    )


def rows(ranked: Any) -> list[Any]:
    return [row if isinstance(row, (str, dict)) else vars(row) | {"_state": None} for row in ranked]


@pytest.mark.usefixtures("documents")
def test_the_second_query_of_a_shape_has_its_own_vectors_and_rows(db: Database) -> None:
    made: list[dict[str, Any]] = []
    for vector in (ONE, OTHER):
        forgotten(Document)
        made.append({name: rows(shape(vector)) for name, shape in SHAPES.items()})
    forgotten(Document)
    for vector, compiled in zip((ONE, OTHER, ONE), (made[0], made[1], made[0]), strict=True):
        for name, shape in SHAPES.items():
            assert rows(shape(vector)) == compiled[name], name


def compiled_without_cache(db: Database, shape: Ranked) -> str:
    forgotten(Document)
    return str(shape(ONE)._query.as_select(db.connection)[0])


@pytest.mark.usefixtures("documents")
def test_each_shape_has_its_own_sql(db: Database) -> None:
    compiled = {name: compiled_without_cache(db, shape) for name, shape in SHAPES.items()}
    first = {name: shape(ONE)._query.as_select(db.connection)[0] for name, shape in SHAPES.items()}
    second = {name: shape(OTHER)._query.as_select(db.connection)[0] for name, shape in SHAPES.items()}
    assert first == second == compiled
    assert {name for name in first if first[name] is not second[name]} == WRITTEN_EACH_TIME


@pytest.mark.usefixtures("documents")
def test_a_filter_has_its_own_values(db: Database) -> None:
    for pages in (0, 1, 2, 1):
        found = near(ONE).filter(pages=pages)[:40]
        assert {row.pages for row in found} == {pages}
    texts = [near(ONE).filter(pages=pages)[:40]._query.as_select(db.connection)[0] for pages in (0, 1)]
    assert texts[0] is texts[1]


def test_two_equal_vectors_are_two(db: Database) -> None:
    Chunk.objects.create(document=Document.objects.create(title="a"), embedding=[3, 4, 0])

    def measured(left: list[float], right: list[float]) -> tuple[float, float]:
        distances = {"a": L2Distance("embedding", left), "b": L2Distance("embedding", right)}
        chunk = Chunk.objects.annotate(**distances).order_by("a")[0]
        return chunk.a, chunk.b

    assert measured([0, 0, 0], [0, 0, 0]) == (5, 5)
    assert measured([3, 4, 0], [3, 0, 0]) == (0, 4)


def test_halves_are_made_of_each_vector(db: Database) -> None:
    Sample.objects.create(title="a", half=[1, 0, 0])
    Sample.objects.create(title="b", half=[0, 1, 0])
    for vector, nearest in (([1, 0, 0], "a"), ([0, 1, 0], "b"), ([1, 0, 0], "a")):
        assert Sample.objects.annotate(d=L2Distance("half", vector)).order_by("d")[0].title == nearest


def test_a_vector_of_zeros_is_no_other(db: Database) -> None:
    Package.objects.create(section="a", embedding=[1.0] * 16)
    for value, distance in ((1.0, 0), (0.0, None), (-0.0, None), (1.0, 0)):
        # Repeated without the index where that finds nothing but rows which are gone, as it may on PostgreSQL.
        package = Package.objects.nearest("embedding", [value] * 16, as_="d")[0]
        assert package.d == pytest.approx(distance, abs=1e-6) if distance is not None else package.d is None


@pytest.mark.usefixtures("documents")
def test_what_a_model_declares_later_counts(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of halves serves a query that repeats it, where the vector and the filter are such that it can."""

    def sorted_by(vector: list[float], pages: int = 1) -> str:
        return str(near(vector).filter(pages=pages)[:3]._query.as_select(db.connection)[0])

    before = sorted_by(ONE)
    half = HnswIndex(fields=["embedding"], name="half", distance="l2", precision="half", condition=Q(pages=1))
    monkeypatch.setattr(Document._meta, "indexes", [half])
    declared = {name: sorted_by(*case) for name, case in {"served": (ONE,), "too long": ([7e4, 0, 0],)}.items()}
    declared["unfiltered"] = sorted_by(ONE, 2)
    is_served = bool(db.dialect.index_rules.casts)
    assert (declared["served"] != before) is is_served
    assert declared["too long"] == declared["unfiltered"] == before


async def test_an_empty_in_joins_what_it_names(db: Database) -> None:
    """Its SQL shows no path, and its joins multiply the rows."""
    document = Document.objects.create(title="a", embedding=ONE)
    for _number in range(3):
        Chunk.objects.create(document=document, embedding=ONE)
    for path, expected in (("title", 1), ("chunks__embedding", 3), ("author__name", 1), ("chunks__pk", 3)):
        found = Document.objects.filter(Q(**{f"{path}__in": []}) | ~Q(title="b"))
        assert (len(found), len([row async for row in found.all()])) == (expected, expected), path


@pytest.mark.usefixtures("documents")
def test_only_so_many_shapes_are_kept(db: Database) -> None:
    for count in range(1, MOST_CACHED + 9):
        near(ONE)[:count]._query.as_select(db.connection)
    assert 0 < len(cached(Document)) <= MOST_CACHED
    assert len(near(ONE)[:3]) == 3


@pytest.mark.usefixtures("documents")
async def test_the_async_twin_has_its_own_rows(db: Database) -> None:
    for vector in (ONE, OTHER, ONE):
        titles = [row.title async for row in near(vector)[:5]]
        distances = [oracle.distance(L2Distance.metric, stored, vector) for stored in STORED]
        assert titles == [f"d{n}" for n in sorted(range(len(STORED)), key=lambda n: distances[n] or 0)[:5]]
