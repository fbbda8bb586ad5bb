"""Rows, dicts, tuples, relations, proxies and combinations are sorted, searched, sliced and counted alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm import Count, F, Sum
from dorm.queryset import Prefetch

from dorm_vector import (
    CosineDistance,
    HnswIndex,
    L2Distance,
    TextIndex,
    VectorField,
    as_vector,
    create_tables,
    text_search,
)
from tests.databases import Database, drop_table

QUERY = [1.0, 0.0]
# Of a search by cosine and one by L2 the order differs.
VECTORS: list[list[float]] = [[1, 0], [9, 1], [0, 1], [1, 1], [2, 0.5], [-1, 0.2], [0.5, 3]]
TITLES = [f"title{number}" for number in range(len(VECTORS))]
NUMBERS = {title: number for number, title in enumerate(TITLES)}


class Bookshelf(dorm.Model):
    """A model without a vector of its own."""

    name = dorm.CharField(max_length=20)


class Leaf(dorm.Model):
    shelf = dorm.ForeignKey(Bookshelf, on_delete=dorm.CASCADE, related_name="leaves")
    title = dorm.CharField(max_length=20)
    number = dorm.IntegerField()
    embedding = VectorField(dimensions=2)

    class Meta:
        indexes = [
            HnswIndex(fields=["embedding"], name="tests_leaf_hnsw", distance="cosine"),
            TextIndex(fields=["title"], name="tests_leaf_words"),
        ]


class Scrap(dorm.Model):
    leaf = dorm.ForeignKey(Leaf, on_delete=dorm.CASCADE, related_name="scraps")
    embedding = VectorField(dimensions=2)


class NamedLeaf(Leaf):
    class Meta:
        proxy = True


class NamedAgain(NamedLeaf):
    class Meta:
        proxy = True


class Grown(Leaf):
    """A table of its own: djanorm joins no parent's."""

    height = dorm.IntegerField(default=1)


@pytest.fixture(scope="module")
def shelf(database: Database) -> Iterator[Bookshelf]:
    database.use()
    create_tables(Bookshelf, Leaf, Scrap)
    made = Bookshelf.objects.create(name="all")
    Bookshelf.objects.create(name="empty")
    rows = [
        Leaf(shelf=made, title=title, number=number, embedding=VECTORS[number]) for title, number in NUMBERS.items()
    ]
    Leaf.objects.bulk_create(rows)
    for leaf in Leaf.objects.all():
        Scrap.objects.bulk_create([Scrap(leaf=leaf, embedding=VECTORS[leaf.number]) for _ in range(2)])
    yield made
    database.use()
    for model in (Scrap, Leaf, Bookshelf):
        drop_table(database, model)


KINDS: dict[str, Callable[[Bookshelf], Any]] = {
    "rows": lambda shelf: Leaf.objects.all(),
    "dicts": lambda shelf: Leaf.objects.values("title", "number"),
    "tuples": lambda shelf: Leaf.objects.values_list("title", "number"),
    "named tuples": lambda shelf: Leaf.objects.values_list("title", "number", named=True),
    "tuples as dicts": lambda shelf: Leaf.objects.values_list("number").values("title"),
    "only": lambda shelf: Leaf.objects.only("title"),
    "defer": lambda shelf: Leaf.objects.defer("embedding"),
    "a relation": lambda shelf: shelf.leaves.all(),
    "a prefetched relation": lambda shelf: Bookshelf.objects.prefetch_related("leaves").get(pk=shelf.pk).leaves.all(),
    "dicts of a relation": lambda shelf: shelf.leaves.all().values("title"),
    "joined": lambda shelf: Leaf.objects.select_related("shelf"),
    "a proxy": lambda shelf: NamedLeaf.objects.all(),
    "tuples of a proxy": lambda shelf: NamedAgain.objects.values_list("title"),
    "upgraded": lambda shelf: as_vector(Leaf.objects.values_list("title")),
}


def l2(number: int) -> float:
    return math.dist(VECTORS[number], QUERY)


def cosine(number: int) -> float:
    return 1 - VECTORS[number][0] / math.hypot(*VECTORS[number])


def by(measure: Callable[[int], float], *numbers: int) -> list[int]:
    return sorted(numbers or range(len(VECTORS)), key=measure)


OPERATIONS: dict[str, tuple[Callable[[Any], Any], list[int]]] = {
    "order_by expression": (lambda rows: rows.order_by(L2Distance("embedding", QUERY)), by(l2)),
    "order_by two": (lambda rows: rows.order_by(L2Distance("embedding", QUERY), "-title"), by(l2)),
    "order_by F": (lambda rows: rows.order_by(F("title")), sorted(NUMBERS.values())),
    "order_by name": (lambda rows: rows.order_by("-number"), sorted(NUMBERS.values(), reverse=True)),
    "slice of an order": (lambda rows: rows.order_by(L2Distance("embedding", QUERY))[1:4], by(l2)[1:4]),
    "nearest": (lambda rows: rows.nearest("embedding", QUERY), by(cosine)),
    "nearest by l2": (lambda rows: rows.nearest("embedding", QUERY, distance="l2"), by(l2)),
    "nearest sliced": (lambda rows: rows.nearest("embedding", QUERY)[:3], by(cosine)[:3]),
    "nearest sliced twice": (lambda rows: rows.nearest("embedding", QUERY)[1:6][1:3], by(cosine)[2:4]),
    "filtered": (lambda rows: rows.filter(number__gt=2).nearest("embedding", QUERY)[:2], by(cosine, 3, 4, 5, 6)[:2]),
    "excluded": (lambda rows: rows.exclude(number=4).nearest("embedding", QUERY)[:2], by(cosine, 0, 1, 2, 3, 5, 6)[:2]),
    "filtered by distance": (
        lambda rows: rows.annotate(d=L2Distance("embedding", QUERY)).filter(d__lt=1.5).order_by("d"),
        [number for number in by(l2) if l2(number) < 1.5],
    ),
    "alias": (lambda rows: rows.alias(d=L2Distance("embedding", QUERY)).order_by("-d"), by(l2)[::-1]),
    "reversed": (lambda rows: rows.order_by(L2Distance("embedding", QUERY)).reverse(), by(l2)[::-1]),
    "distinct": (lambda rows: rows.distinct().order_by(L2Distance("embedding", QUERY)), by(l2)),
    "distinct slice": (
        lambda rows: rows.filter(scraps__embedding__isnull=False).distinct().nearest("embedding", QUERY)[:4],
        by(cosine)[:4],
    ),
    "threshold": (
        lambda rows: rows.nearest("embedding", QUERY, max_distance=0.2),
        [number for number in by(cosine) if cosine(number) <= 0.2],
    ),
}


def numbers(rows: Any) -> list[int]:
    return [NUMBERS[title_of(row)] for row in rows]


def title_of(row: Any) -> str:
    if isinstance(row, dict):
        return str(row["title"])
    return str(row[0] if isinstance(row, tuple) else row.title)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_operation_on_every_kind(shelf: Bookshelf, kind: str) -> None:
    for name, (operation, expected) in OPERATIONS.items():
        found = operation(KINDS[kind](shelf))
        assert numbers(found) == expected, name
        assert found.count() == len(expected), name
        again = operation(KINDS[kind](shelf))
        assert numbers([row async for row in again]) == expected, name
        assert await again.acount() == len(expected), name
        assert again.exists(), name


def test_flat_tuples_are_sorted_by_an_expression(shelf: Bookshelf) -> None:
    rows = Leaf.objects.values_list("number", flat=True)
    assert list(rows.order_by(L2Distance("embedding", QUERY))) == by(l2)
    assert list(rows.nearest("embedding", QUERY)[:2]) == by(cosine)[:2]
    shown = Leaf.objects.values_list("number", "distance").nearest("embedding", QUERY)[:2]
    assert list(shown) == [(number, pytest.approx(cosine(number), abs=1e-6)) for number in by(cosine)[:2]]
    of_shelves = Bookshelf.objects.values_list("name", flat=True).order_by(F("name"))
    assert list(of_shelves) == ["all", "empty"]
    assert [row[1] for row in Bookshelf.objects.values_list().order_by(F("name"))] == ["all", "empty"]


def test_combinations_are_sorted_sliced_and_read_alike(shelf: Bookshelf) -> None:
    measured = Leaf.objects.annotate(d=L2Distance("embedding", QUERY))
    parts = measured.filter(number__lt=3), measured.filter(number__gte=3)
    for whole in (parts[0].union(parts[1]), parts[0].union(parts[1], all=True)):
        assert numbers(whole.order_by("d")) == by(l2)
        assert numbers(whole.order_by("d")[1:3]) == by(l2)[1:3]
        assert list(whole.order_by("d").values_list("number", flat=True)[:2]) == by(l2)[:2]
        assert numbers(whole.order_by("-d").values("title")) == by(l2)[::-1]
        assert (whole.count(), whole[:2].count()) == (len(VECTORS), 2)
        with pytest.raises(TypeError, match="annotate before"):
            list(whole.order_by(L2Distance("embedding", QUERY)))
    tuples = [part.values_list("number", "d") for part in parts]
    assert [number for number, _d in tuples[0].union(tuples[1]).order_by("d")] == by(l2)


# proxies and parents


def test_a_proxy_measures_as_its_table_does(shelf: Bookshelf) -> None:
    first = Leaf.objects.get(number=0)
    others = by(cosine, *range(1, len(VECTORS)))
    for model in (NamedLeaf, NamedAgain):
        found = model.objects.nearest("embedding", QUERY)
        assert numbers(found) == by(cosine)
        assert [type(row) for row in found[:1]] == [model]
        proxy = model.objects.get(number=0)
        for to in (first, proxy):
            assert numbers(model.objects.nearest("embedding", to)) == others
            assert numbers(Leaf.objects.nearest("embedding", to)) == others
        assert found.explain_search().index == Leaf.objects.nearest("embedding", QUERY).explain_search().index
        assert numbers(text_search(model.objects, text="title3")) == [3]
        assert list(model.objects.filter(pk=first.pk).values_list("scraps__embedding", flat=True)) == [[1, 0], [1, 0]]


def test_a_proxy_declares_no_index_of_its_own() -> None:
    with pytest.raises(ValueError, match="a proxy has no table"):

        class Indexed(Leaf):
            class Meta:
                proxy = True
                indexes = [HnswIndex(["embedding"])]


def test_a_child_with_a_table_of_its_own_has_no_vector_of_its_parent() -> None:
    with pytest.raises(dorm.FieldDoesNotExist, match="Grown has no vector field 'embedding'"):
        Grown.objects.nearest("embedding", QUERY)


# distinct rows


async def test_distinct_rows_are_counted_and_aggregated_once(shelf: Bookshelf) -> None:
    measured = Leaf.objects.annotate(d=CosineDistance("embedding", QUERY))
    rows = measured.filter(scraps__embedding__isnull=False).distinct()
    expected = sum(map(cosine, range(len(VECTORS))))
    assert (len(list(rows)), rows.count(), await rows.acount()) == (len(VECTORS),) * 3
    totals = {"total": Sum("d"), "rows": Count("pk")}
    for found in (rows.aggregate(**totals), await rows.aaggregate(**totals)):
        assert found == {"total": pytest.approx(expected, abs=1e-5), "rows": len(VECTORS)}
    for part in (rows.order_by("d")[:3], rows.nearest("embedding", QUERY)[:3], rows.order_by(F("title"))[:3]):
        assert (part.count(), await part.acount(), len(list(part))) == (3, 3, 3)
        assert part.exists()
    within = Leaf.objects.filter(pk__in=rows.nearest("embedding", QUERY)[:3])
    assert sorted(numbers(within)) == sorted(by(cosine)[:3])
    assert Leaf.objects.order_by("shelf").values("shelf").distinct().count() == 1
    assert Leaf.objects.values_list("shelf", flat=True).order_by("shelf").distinct()[:5].count() == 1


# vectors of other models


async def test_a_related_vector_is_read_as_one(shelf: Bookshelf) -> None:
    vectors = [[float(part) for part in VECTORS[number]] for number in range(len(VECTORS))]
    close = [pytest.approx(vector, rel=1e-6) for vector in vectors]
    shelves = Bookshelf.objects.filter(name="all").order_by("leaves__number")
    assert list(shelves.values_list("leaves__embedding", flat=True)) == close
    assert [row["leaves__embedding"] for row in shelves.values("name", "leaves__embedding")] == close
    assert [row async for row in shelves.values_list("leaves__embedding", flat=True)] == close
    assert list(Bookshelf.objects.filter(name="empty").values_list("name", "leaves__embedding")) == [("empty", None)]
    of_leaves = Leaf.objects.filter(number=1).values_list("scraps__embedding", "shelf__leaves__embedding")[:1]
    assert [len(vector) for row in of_leaves for vector in row] == [2, 2]


async def test_a_search_along_a_reverse_relation(shelf: Bookshelf) -> None:
    found = Leaf.objects.nearest("scraps__embedding", QUERY, distance="l2")[:4]
    assert numbers(found) == [number for number in by(l2)[:2] for _ in range(2)]
    assert numbers([row async for row in found]) == numbers(found)
    shelves = as_vector(Bookshelf.objects.all()).nearest("leaves__embedding", QUERY)[:2]
    assert [(row.name, row.distance) for row in shelves] == [
        ("all", pytest.approx(cosine(number), abs=1e-6)) for number in by(cosine)[:2]
    ]
    assert len(await shelves) == 2
    near = Prefetch("leaves", queryset=Leaf.objects.nearest("embedding", QUERY))
    assert numbers(Bookshelf.objects.prefetch_related(near).get(pk=shelf.pk).leaves.all()) == by(cosine)
