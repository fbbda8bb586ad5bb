"""nearest(): the exact neighbours, on every database, by a queryset like any other."""

from __future__ import annotations

from typing import Any

import dorm
import pytest
from dorm import F, Q, Subquery

from dorm_vector import (
    CosineDistance,
    CosineSimilarity,
    HnswIndex,
    InnerProduct,
    InvalidVector,
    Metric,
    VectorField,
    as_vector,
)
from tests.databases import Database
from tests.helpers import oracle
from tests.models import Author, Chunk, Document, Package

STORED, QUERY = oracle.vectors(300, 3), [1.0, 0.5, -0.25]


@pytest.fixture
def documents(db: Database) -> list[Document]:
    """300 documents with vectors, one without, and one whose vector has no direction."""
    titled = [Document(title=f"d{n}", pages=n % 7, embedding=vector) for n, vector in enumerate(STORED)]
    Document.objects.bulk_create([*titled, Document(title="none"), Document(title="zero", embedding=[0, 0, 0])])
    return list(Document.objects.filter(title__startswith="d").order_by("id"))


def expected(metric: Metric, count: int, keep: Any = lambda n: True) -> list[str]:
    distances = {f"d{n}": oracle.distance(metric, vector, QUERY) for n, vector in enumerate(STORED) if keep(n)}
    return sorted(distances, key=lambda title: distances[title] or 0)[:count]


def titles(queryset: Any) -> list[str]:
    return [row.title for row in queryset]


@pytest.mark.parametrize("metric", [Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.L1])
@pytest.mark.parametrize("exact", [False, True])
def test_the_nearest_are_those_of_plain_python(documents: list[Document], metric: Metric, exact: bool) -> None:
    queryset = Document.objects.exclude(title="zero").nearest("embedding", QUERY, distance=metric, exact=exact)
    assert titles(queryset[:10]) == expected(metric, 10)
    assert titles(queryset[5:15]) == expected(metric, 15)[5:]
    distances = [row.distance for row in queryset[:10]]
    assert distances == sorted(distances)


def test_it_is_a_queryset_like_any_other(documents: list[Document]) -> None:
    nearest = Document.objects.filter(pages__lt=3).nearest("embedding", QUERY, as_="away")
    found = expected(Metric.L2, 300, lambda n: n % 7 < 3)
    assert titles(nearest.filter(~Q(title="zero"))) == found
    assert nearest[:4].count() == 4
    assert nearest.count() == len(found) + 1
    assert nearest.exists()
    assert nearest.first().title == found[0]
    assert nearest[0].away == pytest.approx(oracle.distance(Metric.L2, STORED[int(found[0][1:])], QUERY), rel=1e-5)
    assert [row["title"] for row in nearest.values("title")[:3]] == found[:3]
    assert list(nearest.values_list("title", flat=True)[:3]) == found[:3]
    assert titles(nearest.only("title")[:3]) == found[:3]
    assert titles(nearest.order_by("title")[:2]) == sorted([*found, "zero"])[:2]
    assert titles(nearest.reverse()[:1]) == [found[-1]]
    assert set(titles(Document.objects.filter(pk__in=nearest[:3]))) == set(found[:3])
    assert titles(nearest[:1].union(nearest[1:3]).order_by("away")) == found[:3]
    assert titles(as_vector(nearest.all())[:2]) == found[:2]
    assert [row.title for row in nearest.iterator(chunk_size=2)][:3] == found[:3]
    assert [row.title for row in nearest[:5].iterator(chunk_size=2)] == found[:5]


def test_rows_without_a_vector_are_left_out_and_the_zero_vector_comes_last(documents: list[Document]) -> None:
    everything = list(Document.objects.nearest("embedding", QUERY, distance="cosine"))
    assert len(everything) == len(STORED) + 1
    assert (everything[-1].title, everything[-1].distance) == ("zero", None)
    assert "none" not in titles(everything)


SLICES = [slice(0), slice(3), slice(2, 5), slice(5, 2), slice(4, 4), slice(295, 310), slice(900, 910), slice(298, None)]


@pytest.mark.parametrize("part", [*SLICES, slice(None)], ids=str)
async def test_every_slice_is_that_of_a_list(documents: list[Document], part: slice) -> None:
    queryset = Document.objects.exclude(title="zero").nearest("embedding", QUERY)
    found = expected(Metric.L2, 300)[part]
    assert titles(queryset[part]) == found
    assert titles(await queryset[part]) == found
    assert list(queryset.values_list("title", flat=True)[part]) == found
    assert [row["title"] for row in queryset[part].values("title", "distance")] == found
    assert (queryset[part].count(), queryset[part].exists()) == (len(found), bool(found))
    assert (await queryset[part].acount(), await queryset[part].aexists()) == (len(found), bool(found))
    assert titles(queryset[part][1:3]) == found[1:3]


def test_a_slice_that_is_none_is_refused(documents: list[Document]) -> None:
    queryset = Document.objects.nearest("embedding", QUERY)
    for part in (slice(-3, None), slice(None, -1), slice(None, None, 2)):
        with pytest.raises(ValueError, match="does not support"):
            queryset[part]
    with pytest.raises(ValueError, match="Negative indexing"):
        queryset[-1]
    with pytest.raises(IndexError):
        queryset[5000]


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.filter(pages=1),
        lambda found: found.exclude(pages=1),
        lambda found: found.order_by("title"),
        lambda found: found.reverse(),
        lambda found: found.distinct(),
        lambda found: found.last(),
        lambda found: found.get(),
        lambda found: found.values_list("title").filter(pages=1),
        lambda found: found.nearest("other", QUERY, as_="again"),
    ],
)
def test_the_rows_of_a_slice_are_not_chosen_again(documents: list[Document], change: Any) -> None:
    found = Document.objects.nearest("embedding", QUERY)[:3]
    with pytest.raises(TypeError, match=r"\(\) on a slice of the nearest would choose among other rows"):
        change(found)
    assert Document.objects.filter(pk__in=found, title=found[0].title).get() == found[0]
    assert found.first().title == titles(found)[0]
    assert found.update(pages=99) == 3
    assert set(titles(Document.objects.filter(pages=99))) == set(titles(found))


def test_only_and_defer_leave_the_distance(documents: list[Document]) -> None:
    nearest = Document.objects.exclude(title="zero").nearest("embedding", QUERY)
    found = expected(Metric.L2, 3)
    before: Any = Document.objects.only("title")
    before = before.exclude(title="zero").nearest("embedding", QUERY)
    for queryset in (nearest.only("title"), nearest.defer("embedding"), before):
        rows = list(queryset[:3])
        assert [row.title for row in rows] == found
        assert [row.distance for row in rows] == sorted(row.distance for row in rows)
        assert "embedding" not in vars(rows[0])
    flat: Any = Document.objects.values_list("title", flat=True)
    assert list(flat.exclude(title="zero").nearest("embedding", QUERY)[:3]) == found
    named = nearest.values_list("title", "distance", named=True)[:1][0]
    assert (named.title, named.distance) == (found[0], nearest[0].distance)


def test_a_greatest_distance(documents: list[Document]) -> None:
    for bound in (0.0, 0.4, 0.8):
        inside = [
            title
            for title in expected(Metric.L2, 300)
            if (oracle.distance(Metric.L2, STORED[int(title[1:])], QUERY) or 0) <= bound
        ]
        queryset = Document.objects.exclude(title="zero").nearest("embedding", QUERY, max_distance=bound)
        assert titles(queryset) == inside
        assert titles(queryset[:5]) == inside[:5]
        assert titles(queryset[2:5]) == inside[2:5]
        assert queryset.count() == len(inside)
        assert queryset[:5].count() == min(5, len(inside))
        assert list(queryset.values_list("title", flat=True)[:5]) == inside[:5]
        assert queryset.exists() == bool(inside)


def test_a_least_similarity(documents: list[Document]) -> None:
    for metric, similarity, bound in ((Metric.COSINE, 0.9, 0.1), (Metric.INNER_PRODUCT, 0.8, -0.8)):
        inside = [
            title
            for title in expected(metric, 300)
            if (oracle.distance(metric, STORED[int(title[1:])], QUERY) or 0) <= bound
        ]
        queryset = Document.objects.nearest("embedding", QUERY, distance=metric, min_similarity=similarity)
        assert titles(queryset) == inside
        assert titles(queryset[:3]) == inside[:3]


def test_by_an_instance_which_is_left_out(documents: list[Document]) -> None:
    middle = documents[0]
    found = Document.objects.exclude(title="zero").nearest("embedding", middle)
    distances = {n: oracle.distance(Metric.L2, vector, STORED[0]) or 0 for n, vector in enumerate(STORED) if n}
    assert titles(found[:5]) == [f"d{n}" for n in sorted(distances, key=lambda n: distances[n])[:5]]
    assert found.count() == len(STORED) - 1
    unsaved = Document(title="new", embedding=STORED[0])
    assert titles(Document.objects.nearest("embedding", unsaved)[:1]) == ["d0"]


def test_by_another_column_and_across_a_relation(documents: list[Document]) -> None:
    Document.objects.filter(title="d7").update(other=STORED[7])
    Document.objects.filter(title="d8").update(other=STORED[0])
    assert titles(Document.objects.nearest("embedding", F("other"))[:1]) == ["d7"]
    for document in documents[:20]:
        Chunk.objects.create(document=document, embedding=[0, 0, 1])
    queryset = Chunk.objects.select_related("document").nearest("document__embedding", QUERY)
    assert [row.document.title for row in queryset[:3]] == expected(Metric.L2, 3, lambda n: n < 20)


def test_by_a_subquery_of_one_vector(documents: list[Document]) -> None:
    of_d7 = Document.objects.filter(title="d7").values("embedding")
    distances = {n: oracle.distance(Metric.L2, vector, STORED[7]) or 0 for n, vector in enumerate(STORED)}
    near = [f"d{n}" for n in sorted(distances, key=lambda n: distances[n])[:4]]
    queryset = Document.objects.exclude(title="zero")
    assert titles(queryset.nearest("embedding", Subquery(of_d7))[:4]) == near
    nothing = queryset.nearest("embedding", Subquery(Document.objects.filter(title="gone").values("embedding")))
    assert [row.distance for row in nothing[:2]] == [None, None]


def test_by_an_instance_across_a_relation(documents: list[Document]) -> None:
    chunks = [Chunk.objects.create(document=document, embedding=[0, 0, 1]) for document in documents[:20]]
    distances = {
        n: oracle.distance(Metric.L2, vector, STORED[3]) or 0 for n, vector in enumerate(STORED[:20]) if n != 3
    }
    near = [f"d{n}" for n in sorted(distances, key=lambda n: distances[n])[:3]]
    this = Chunk.objects.select_related("document").get(pk=chunks[3].pk)
    found = Chunk.objects.select_related("document").nearest("document__embedding", this)[:3]
    assert [row.document.title for row in found] == near
    message = r"'document' of .* is not loaded\. Read it with select_related\('document'\)"
    with pytest.raises(InvalidVector, match=message):
        Chunk.objects.nearest("document__embedding", Chunk.objects.get(pk=chunks[3].pk))
    by_document = Chunk.objects.select_related("document").nearest("document__embedding", documents[3])[:4]
    assert [row.document.title for row in by_document] == ["d3", *near]


def test_back_along_a_relation(documents: list[Document]) -> None:
    """A row comes once for each related vector, as it does in a filter."""
    for document in documents[:5]:
        Chunk.objects.create(document=document, embedding=document.embedding)
    Chunk.objects.create(document=documents[0], embedding=QUERY)
    found = list(Document.objects.nearest("chunks__embedding", QUERY))
    assert (found[0].title, found[0].distance) == ("d0", 0)
    assert sorted(titles(found)) == ["d0", "d0", "d1", "d2", "d3", "d4"]


def test_a_search_of_what_a_search_left(documents: list[Document]) -> None:
    near = Document.objects.nearest("embedding", QUERY, max_distance=0.8)
    among = {
        int(title[1:])
        for title in expected(Metric.L2, 300)
        if (oracle.distance(Metric.L2, STORED[int(title[1:])], QUERY) or 0) <= 0.8
    }
    cosine = near.exclude(title="zero").nearest("embedding", QUERY, distance="cosine", as_="angle")
    assert titles(cosine[:5]) == expected(Metric.COSINE, 5, lambda n: n in among)
    assert titles(cosine) == expected(Metric.COSINE, 300, lambda n: n in among)


def test_a_similarity_is_a_value_and_sorts_as_its_distance(documents: list[Document]) -> None:
    queryset = Document.objects.exclude(title="zero").nearest("embedding", QUERY, distance="cosine")
    for row in queryset.annotate(similarity=CosineSimilarity("embedding", QUERY))[:5]:
        assert row.similarity == pytest.approx(1 - row.distance, abs=1e-6)
    by_product = Document.objects.annotate(product=InnerProduct("embedding", QUERY)).exclude(title__in=["none", "zero"])
    assert titles(by_product.order_by("-product")[:5]) == expected(Metric.INNER_PRODUCT, 5)
    assert titles(by_product.order_by("product"))[::-1][:5] == expected(Metric.INNER_PRODUCT, 5)
    assert by_product.order_by("-product")[0].product > 0


async def test_async(documents: list[Document]) -> None:
    queryset = Document.objects.exclude(title="zero").nearest("embedding", QUERY)
    assert [row.title async for row in queryset[:5]] == expected(Metric.L2, 5)
    assert titles(await queryset[:5]) == expected(Metric.L2, 5)
    assert (await queryset.afirst()).title == expected(Metric.L2, 1)[0]
    assert await queryset[:5].acount() == 5
    assert await queryset.values_list("title", flat=True)[:2] == expected(Metric.L2, 2)
    near = queryset.filter(pages=2)[:4]
    assert titles(await near) == expected(Metric.L2, 4, lambda n: n % 7 == 2)
    assert [row.title async for row in near.aiterator(chunk_size=2)] == titles(await near)
    bounded = Document.objects.nearest("embedding", QUERY, distance="cosine", min_similarity=0.9)
    assert titles(await bounded[:3]) == expected(Metric.COSINE, 3)


def test_the_metric_is_that_of_the_index(db: Database) -> None:
    Package.objects.bulk_create([Package(section="s", embedding=vector) for vector in oracle.vectors(20, 16)])
    query = oracle.vectors(1, 16, seed=8)[0]
    measured = Package.objects.annotate(cosine=CosineDistance("embedding", query)).nearest("embedding", query)
    assert all(row.cosine == pytest.approx(row.distance) for row in measured)


def test_two_indexes_of_different_metrics_need_a_choice(db: Database) -> None:
    class Twice(dorm.Model):
        embedding = VectorField(dimensions=3)

        class Meta:
            managed = False
            indexes = [
                HnswIndex(fields=["embedding"], name="twice_l2", distance="l2"),
                HnswIndex(fields=["embedding"], name="twice_cosine", distance="cosine"),
            ]

    with pytest.raises(ValueError, match=r"Twice\.embedding has indexes for cosine and l2\. Choose one: nearest\("):
        Twice.objects.nearest("embedding", QUERY)
    assert Twice.objects.nearest("embedding", QUERY, distance="l2")._query.annotations


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (
            {"field": "title"},
            dorm.FieldDoesNotExist,
            r"Document has no vector field 'title'\. It has embedding, other\.",
        ),
        ({"field": "nowhere"}, dorm.FieldDoesNotExist, r"Document has no vector field 'nowhere'\."),
        ({"to": None}, InvalidVector, r"nearest\('embedding', \.\.\.\) needs a vector to search by; got None\."),
        ({"to": Document(title="x")}, InvalidVector, r"got .*, which has no embedding\."),
        ({"to": Author(name="x")}, InvalidVector, r"Author has no field 'embedding'\. Give a vector\."),
        ({"to": [1, 2]}, dorm.ValidationError, r"Document\.embedding holds 3 dimensions; this query vector has 2\."),
        ({"distance": "near"}, ValueError, r"nearest\(distance='near'\): want one of l2, cosine, inner_product, l1"),
        ({"field": 3}, TypeError, r"A vector field goes by its name; got 3\."),
        ({"to": {1, 2}}, InvalidVector, r"is not a vector\. Give a sequence of numbers\."),
        ({"to": [1, 2, float("nan")]}, InvalidVector, r"value 2 of 3 is nan, not finite"),
        ({"to": "cholera"}, InvalidVector, r"'cholera' is not the text .* declare embedding as EmbeddingField\("),
        ({"to": F("title")}, InvalidVector, r"Document\.title holds no vectors: it is a CharField"),
        (
            {"to": F("nothing")},
            dorm.FieldDoesNotExist,
            r"no vector field 'nothing' for F\(\)\. It has embedding, other",
        ),
        ({"max_distance": "near"}, ValueError, r"nearest\(max_distance='near'\): want a finite number"),
        ({"max_distance": float("nan")}, ValueError, r"nearest\(max_distance=nan\): want a finite number"),
        ({"max_distance": True}, ValueError, r"nearest\(max_distance=True\): want a finite number"),
        ({"distance": "cosine", "min_similarity": "x"}, ValueError, r"min_similarity='x'\): want a finite number"),
        ({"exact": "yes"}, ValueError, r"nearest\(exact='yes'\): want True, False, or None"),
        ({"as_": "a b"}, ValueError, r"nearest\(as_='a b'\): want the name of an attribute"),
        ({"as_": "pages__lt"}, ValueError, r"want the name of an attribute"),
        ({"as_": None}, ValueError, r"nearest\(as_=None\): want the name of an attribute"),
        ({"as_": "pk"}, ValueError, r"Document has an attribute 'pk', where nearest\(\) would put the distance"),
        ({"as_": "chunks"}, ValueError, r"Document has an attribute 'chunks', where"),
        ({"as_": "title"}, ValueError, r"Document has a field 'title', where nearest\(\) would put the distance\."),
        ({"min_similarity": 0.5}, ValueError, r"l2 has no similarity, so min_similarity=0\.5 is meaningless\."),
        ({"min_similarity": 0.5, "max_distance": 1}, ValueError, r"max_distance or min_similarity, not both"),
    ],
)
def test_a_wrong_argument_is_refused(db: Database, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list(Document.objects.nearest(**({"field": "embedding", "to": QUERY} | arguments))[:3])


def test_what_cannot_be_searched_by_or_named_is_refused(db: Database) -> None:
    Document.objects.create(title="a", embedding=QUERY)
    with pytest.raises(InvalidVector, match=r"Document\.embedding was left out by only\(\) or defer\(\)"):
        Document.objects.nearest("embedding", Document.objects.defer("embedding").get())
    with pytest.raises(ValueError, match=r"Document has an annotation 'distance', where nearest\(\) would put"):
        Document.objects.annotate(distance=F("pages")).nearest("embedding", QUERY)
    with pytest.raises(TypeError, match=r"takes a number of rows\. By a function: rerank\(rows, reranker\)"):
        Document.objects.nearest("embedding", QUERY).rerank(lambda rows: rows)


def test_related_managers_search_too(db: Database) -> None:
    ada = Author.objects.create(name="Ada")
    Document.objects.bulk_create([Document(title=str(n), author=ada, embedding=[n, 0, 0]) for n in range(5)])
    assert titles(ada.documents.all().nearest("embedding", [3, 0, 0])[:1]) == ["3"]
