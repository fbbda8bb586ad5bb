"""A distance annotates, filters, orders, counts and projects, alone and across relations, alike on every database."""

from __future__ import annotations

import math
from typing import Any

import dorm
import pytest
from dorm import Count, Exists, F, Max, Min, OuterRef, Q, Subquery
from dorm.functions import Coalesce
from dorm.queryset import Prefetch
from dorm.transaction import atomic

from dorm_vector import (
    CosineDistance,
    DimensionMismatch,
    InvalidVector,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
    as_vector,
)
from tests.databases import Database
from tests.models import Author, Chunk, Document, Package

QUERY = [1.0, 0.0, 0.0]
NEAR, MIDDLE, FAR = [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 0.0, 5.0]


@pytest.fixture
def documents(db: Database) -> list[Document]:
    author = Author.objects.create(name="Ada")
    rows = [
        Document(title="far", pages=3, author=author, embedding=FAR, other=NEAR),
        Document(title="near", pages=1, author=author, embedding=NEAR, other=NEAR),
        Document(title="none", pages=5, embedding=None),
        Document(title="middle", pages=2, embedding=MIDDLE, other=FAR),
    ]
    return Document.objects.bulk_create(rows)


def titles(queryset: Any) -> list[str]:
    return [row.title for row in queryset]


def ranked(**names: Any) -> Any:
    return Document.objects.annotate(distance=L2Distance("embedding", QUERY), **names)


def test_annotate(documents: list[Document]) -> None:
    distances = {row.title: row.distance for row in ranked()}
    assert distances == {"near": 0, "middle": 1, "far": pytest.approx(math.sqrt(29)), "none": None}


@pytest.mark.parametrize("order", ["distance", L2Distance("embedding", QUERY), L2Distance("embedding", QUERY).asc()])
def test_order_by_puts_null_last(documents: list[Document], order: Any) -> None:
    assert titles(ranked().order_by(order)) == ["near", "middle", "far", "none"]


@pytest.mark.parametrize("order", ["-distance", L2Distance("embedding", QUERY).desc()])
def test_order_by_descending_puts_null_last_too(documents: list[Document], order: Any) -> None:
    assert titles(ranked().order_by(order)) == ["far", "middle", "near", "none"]


def test_order_by_several(documents: list[Document]) -> None:
    Document.objects.create(title="a twin", pages=9, embedding=NEAR)
    assert titles(ranked().order_by("distance", "-pages"))[:2] == ["a twin", "near"]
    assert titles(ranked().order_by("-pages", "distance"))[:2] == ["a twin", "none"]


def test_reverse_first_and_last(documents: list[Document]) -> None:
    queryset = ranked().exclude(embedding=None).order_by("distance")
    assert titles(queryset.reverse()) == ["far", "middle", "near"]
    first, last = queryset.first(), queryset.last()
    assert first is not None
    assert last is not None
    assert (first.title, last.title) == ("near", "far")


def test_slices(documents: list[Document]) -> None:
    queryset = ranked().order_by("distance")
    assert titles(queryset[:2]) == ["near", "middle"]
    assert titles(queryset[1:3]) == ["middle", "far"]
    assert titles(queryset[2:]) == ["far", "none"]
    assert queryset[0].title == "near"
    assert titles(queryset[:0]) == []


def test_filter_exclude_and_q(documents: list[Document]) -> None:
    assert titles(ranked().filter(distance__lt=1.5).order_by("distance")) == ["near", "middle"]
    assert titles(ranked().filter(distance=0)) == ["near"]
    assert titles(ranked().filter(distance__range=(0.5, 1.5))) == ["middle"]
    assert titles(ranked().filter(distance__in=[0, 1]).order_by("distance")) == ["near", "middle"]
    assert titles(ranked().filter(distance=None)) == ["none"]
    assert titles(ranked().filter(distance__isnull=False).order_by("distance")) == ["near", "middle", "far"]
    assert titles(ranked().exclude(distance__lt=1.5).filter(embedding__isnull=False)) == ["far"]
    assert titles(ranked().filter(Q(distance__lt=0.5) | Q(title="far")).order_by("distance")) == ["near", "far"]
    assert titles(ranked().filter(~Q(distance__lt=1.5), pages__lt=5)) == ["far"]


def test_alias_is_not_projected(documents: list[Document]) -> None:
    queryset = Document.objects.alias(distance=L2Distance("embedding", QUERY))
    found = list(queryset.filter(distance__lt=1.5).order_by("-distance"))
    assert titles(found) == ["middle", "near"]
    assert not hasattr(found[0], "distance")
    assert queryset.filter(distance__lt=1.5).count() == 2


def test_filter_by_ordinary_columns_and_rank_by_distance(documents: list[Document]) -> None:
    queryset = ranked().filter(pages__gte=2, title__contains="a").order_by("distance")
    assert titles(queryset) == ["far"]
    assert titles(ranked().filter(pages__gte=2).order_by("distance")[:1]) == ["middle"]


def test_nearest_to_a_stored_row_leaving_it_out(documents: list[Document]) -> None:
    near = Document.objects.get(title="near")
    queryset = (
        Document.objects.annotate(distance=L2Distance("embedding", near)).exclude(pk=near.pk).order_by("distance")
    )
    assert titles(queryset[:2]) == ["middle", "far"]


def test_values(documents: list[Document]) -> None:
    queryset = ranked().order_by("distance")
    assert list(queryset.values("title", "distance")[:2]) == [
        {"title": "near", "distance": 0},
        {"title": "middle", "distance": 1},
    ]
    assert list(queryset.values("distance")[:1]) == [{"distance": 0}]
    assert list(queryset.values("title")[:1]) == [{"title": "near"}]
    assert list(queryset.values("embedding", "other")[:1]) == [{"embedding": NEAR, "other": NEAR}]
    everything = queryset.values()[0]
    assert {"id", "title", "pages", "embedding", "other", "distance"} <= everything.keys()


def test_values_list(documents: list[Document]) -> None:
    queryset = ranked().order_by("distance")
    assert list(queryset.values_list("title", "distance")[:2]) == [("near", 0), ("middle", 1)]
    assert list(queryset.values_list("distance", flat=True)[:2]) == [0, 1]
    assert list(queryset.values_list("embedding", flat=True)) == [NEAR, MIDDLE, FAR, None]
    assert queryset.values_list("pk", "title", named=True)[0].title == "near"
    assert queryset.values_list()[0][-1] == 0
    assert list(queryset.values_list("title", flat=True).filter(distance__gt=0)[:1]) == ["middle"]


def test_annotating_behind_values(documents: list[Document]) -> None:
    distance = L2Distance("embedding", QUERY)
    assert Document.objects.values("title").annotate(distance=distance).get(title="near") == {
        "title": "near",
        "distance": 0,
    }
    assert Document.objects.values_list("title").annotate(distance=distance).get(title="near") == ("near", 0)


def test_a_column_that_a_joined_table_has_too(documents: list[Document]) -> None:
    Chunk.objects.create(document=Document.objects.get(title="near"), embedding=FAR)
    assert Chunk.objects.filter(embedding=FAR, document__title="near").count() == 1
    assert Chunk.objects.filter(document__title="near", id__gt=0).count() == 1


def test_a_row_without_its_vector_cannot_be_measured_from(documents: list[Document]) -> None:
    deferred = Document.objects.defer("embedding").get(title="near")
    with pytest.raises(InvalidVector, match=r"Document\.embedding was left out by only\(\) or defer\(\)"):
        L2Distance("embedding", deferred)


def test_values_across_a_relation(documents: list[Document]) -> None:
    Chunk.objects.create(document=Document.objects.get(title="near"), embedding=FAR)
    assert list(Chunk.objects.values("document__embedding", "document__title")) == [
        {"document__embedding": NEAR, "document__title": "near"}
    ]


def test_count_and_exists(documents: list[Document]) -> None:
    assert ranked().filter(distance__lt=1.5).count() == 2
    assert ranked().order_by("distance")[:3].count() == 3
    assert ranked().filter(distance__lt=1.5)[1:].count() == 1
    assert ranked().filter(distance__lt=1.5).exists()
    assert not ranked().filter(distance__gt=100).exists()


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_iterator_keeps_annotations(documents: list[Document], chunk_size: int | None) -> None:
    rows = list(ranked().order_by("distance").iterator(chunk_size=chunk_size))
    assert [(row.title, row.distance) for row in rows[:2]] == [("near", 0), ("middle", 1)]
    assert rows[0].embedding == NEAR
    dicts = list(ranked().order_by("distance").values("title", "embedding").iterator(chunk_size=chunk_size))
    assert dicts[0] == {"title": "near", "embedding": NEAR}


def test_only_and_defer(documents: list[Document]) -> None:
    row = ranked().order_by("distance").only("title")[0]
    assert (row.title, row.distance, row.embedding) == ("near", 0, None)
    assert ranked().only("embedding", "other").order_by("distance")[0].other == NEAR
    assert ranked().defer("embedding").order_by("distance")[0].other == NEAR


@pytest.mark.parametrize(
    "queryset", [Document.objects.defer("embedding", "other"), Document.objects.only("title", "pages")]
)
def test_saving_after_defer_keeps_the_vector(documents: list[Document], queryset: Any) -> None:
    document = queryset.get(title="near")
    document.title = "renamed"
    document.save()
    stored = Document.objects.get(title="renamed")
    assert (stored.embedding, stored.other) == (NEAR, NEAR)


def test_a_deferred_vector_can_be_assigned(documents: list[Document]) -> None:
    document = Document.objects.defer("embedding").get(title="near")
    document.embedding = FAR
    document.save()
    assert Document.objects.get(title="near").embedding == FAR
    document = Document.objects.defer("embedding").get(title="near")
    document.embedding = None
    document.save()
    assert Document.objects.get(title="near").embedding is None


def test_saving_a_row_loaded_by_a_related_manager_keeps_its_vector(documents: list[Document]) -> None:
    document = Author.objects.get().documents.all().only("title", "pages").filter(title="near").get()
    document.save()
    assert Document.objects.get(title="near").embedding == NEAR


def test_related_managers_and_prefetch(documents: list[Document]) -> None:
    author = Author.objects.get()
    queryset = author.documents.all().annotate(distance=L2Distance("embedding", QUERY))
    assert titles(queryset.filter(distance__lt=100).order_by("-distance")) == ["far", "near"]
    assert queryset.filter(distance__lt=1).count() == 1
    best = Prefetch("documents", queryset=ranked().filter(distance__lt=1))
    assert [row.distance for row in Author.objects.prefetch_related(best).get().documents.all()] == [0]
    assert {row.title for row in Author.objects.prefetch_related("documents").get().documents.all()} == {"near", "far"}


def test_select_related(documents: list[Document]) -> None:
    for document in Document.objects.filter(embedding__isnull=False):
        Chunk.objects.create(document=document, embedding=document.embedding)
    queryset = Chunk.objects.annotate(distance=L2Distance("embedding", QUERY)).select_related("document")
    rows = list(queryset.order_by("distance").filter(distance__lt=1.5))
    assert [(row.document.title, row.distance, row.document.embedding) for row in rows] == [
        ("near", 0, NEAR),
        ("middle", 1, MIDDLE),
    ]


def test_a_distance_across_a_relation(documents: list[Document]) -> None:
    for document in Document.objects.all():
        Chunk.objects.create(document=document, embedding=[0, 0, 1])
    queryset = Chunk.objects.annotate(distance=L2Distance("document__embedding", QUERY))
    assert [row.document.title for row in queryset.order_by("distance")] == ["near", "middle", "far", "none"]
    assert queryset.filter(distance__lt=1.5).count() == 2
    assert list(queryset.order_by("distance").values_list("document__title", "distance")[:1]) == [("near", 0)]
    assert queryset.filter(document__pages=2).order_by("distance")[0].distance == 1
    with pytest.raises(DimensionMismatch, match=r"Document\.embedding holds 3 dimensions; this query vector has 2\."):
        list(Chunk.objects.annotate(distance=L2Distance("document__embedding", [1, 2])))


def test_a_reverse_relation(documents: list[Document]) -> None:
    queryset = Author.objects.annotate(distance=L2Distance("documents__embedding", QUERY)).order_by("distance")
    assert next((row.name, row.distance) for row in queryset) == ("Ada", 0)


def test_another_column_on_the_right(documents: list[Document]) -> None:
    queryset = Document.objects.annotate(distance=L2Distance("embedding", F("other"))).order_by("distance")
    assert next((row.title, row.distance) for row in queryset) == ("near", 0)
    assert [row.distance for row in queryset][-1] is None
    assert queryset.filter(distance=0).count() == 1


def test_a_subquery_on_the_right(documents: list[Document]) -> None:
    target = Subquery(Document.objects.filter(title="middle").values("embedding")[:1])
    queryset = Document.objects.annotate(distance=L2Distance("embedding", target)).order_by("distance")
    assert titles(queryset) == ["middle", "near", "far", "none"]
    assert titles(queryset.filter(distance__lt=0.5)) == ["middle"]


def test_a_subquery_that_ranks(documents: list[Document]) -> None:
    nearest = (
        Document.objects.filter(pages__lt=OuterRef("pages"))
        .order_by(L2Distance("embedding", QUERY))
        .values("title")[:1]
    )
    rows = Document.objects.annotate(nearest=Subquery(nearest)).order_by("pages")
    assert [row.nearest for row in rows] == [None, "near", "near", "near"]


def test_nearest_other_row_for_every_row(documents: list[Document]) -> None:
    others = Document.objects.exclude(pk=OuterRef("pk")).filter(embedding__isnull=False)
    nearest = others.order_by(L2Distance("embedding", OuterRef("embedding"))).values("title")[:1]
    rows = Document.objects.filter(embedding__isnull=False).annotate(nearest=Subquery(nearest)).order_by("title")
    assert [(row.title, row.nearest) for row in rows] == [("far", "near"), ("middle", "near"), ("near", "middle")]


def test_inside_exists(documents: list[Document]) -> None:
    close = Document.objects.alias(distance=L2Distance("embedding", QUERY)).filter(
        distance__lt=0.5, author=OuterRef("pk")
    )
    Author.objects.create(name="Bob")
    assert [author.name for author in Author.objects.filter(Exists(close))] == ["Ada"]
    assert [author.name for author in Author.objects.filter(~Exists(close))] == ["Bob"]


def test_a_slice_inside_in_keeps_its_order(documents: list[Document]) -> None:
    assert sorted(titles(Document.objects.filter(pk__in=ranked().order_by("distance")[:2]))) == ["middle", "near"]
    assert sorted(titles(Document.objects.filter(pk__in=ranked().order_by("-distance")[:1]))) == ["far"]
    assert titles(Document.objects.filter(pk__in=ranked().filter(distance__gt=3))) == ["far"]
    titled = Document.objects.order_by(L2Distance("embedding", QUERY)).values("title")[1:2]
    assert titles(Document.objects.filter(title__in=titled)) == ["middle"]


def test_union(documents: list[Document]) -> None:
    nearest, farthest = ranked().order_by("distance")[:1], ranked().exclude(embedding=None).order_by("-distance")[:1]
    both = nearest.union(farthest).order_by("distance")
    assert [(row.title, row.distance) for row in both] == [("near", 0), ("far", pytest.approx(math.sqrt(29)))]
    assert both[0].embedding == NEAR
    assert nearest.union(farthest).count() == 2
    assert {row["title"] for row in nearest.values("title").union(farthest.values("title"))} == {"near", "far"}
    assert titles(ranked().difference(ranked().filter(distance__gt=0)).order_by("distance")) == ["near", "none"]


def test_aggregate(documents: list[Document]) -> None:
    assert ranked().aggregate(nearest=Min("distance"), pages=Max("pages"), rows=Count("*")) == {
        "nearest": 0,
        "pages": 5,
        "rows": 4,
    }
    assert ranked().filter(distance__gt=0).aggregate(nearest=Min("distance"))["nearest"] == 1
    assert ranked().order_by("distance")[1:3].aggregate(least=Min("distance"), most=Max("pages")) == {
        "least": 1,
        "most": 3,
    }
    assert Document.objects.aggregate(nearest=Min(L2Distance("embedding", QUERY)))["nearest"] == 0
    assert ranked().filter(author__name="Ada").aggregate(rows=Count("distance"))["rows"] == 2
    assert ranked().aggregate(rows=Count("*", filter=Q(pages__gt=1)))["rows"] == 3


def test_annotating_a_count_and_a_distance(documents: list[Document]) -> None:
    Chunk.objects.create(document=Document.objects.get(title="near"), embedding=NEAR)
    rows = ranked(chunks_count=Count("chunks")).order_by("distance")
    assert [(row.title, row.chunks_count) for row in rows][:2] == [("near", 1), ("middle", 0)]


def test_arithmetic_and_functions(documents: list[Document]) -> None:
    queryset = Document.objects.annotate(similarity=1 - CosineDistance("embedding", QUERY))
    assert queryset.get(title="near").similarity == pytest.approx(1)
    assert titles(queryset.filter(similarity__gt=0.9)) == ["near"]
    weighted = Document.objects.annotate(score=L2Distance("embedding", QUERY) * 2 + F("pages"))
    assert weighted.get(title="middle").score == pytest.approx(4)
    filled = Document.objects.annotate(distance=Coalesce(L2Distance("embedding", QUERY), dorm.Value(99.0)))
    assert filled.get(title="none").distance == 99


def test_two_distances_at_once(documents: list[Document]) -> None:
    rows = Document.objects.annotate(a=L2Distance("embedding", QUERY), b=L1Distance("embedding", FAR)).order_by(
        "b", "a"
    )
    assert [(row.title, row.b) for row in rows][:2] == [("far", 0), ("near", 7)]


def test_distinct(documents: list[Document]) -> None:
    assert len(ranked().distinct().order_by("distance").values("distance")) == 4
    Document.objects.create(title="twin", embedding=NEAR)
    assert [row["distance"] for row in ranked().distinct().order_by("distance").values("distance")[:2]] == [0, 1]


def test_no_query_vector_gives_null_distances(documents: list[Document]) -> None:
    rows = list(Document.objects.annotate(distance=L2Distance("embedding", None)).order_by("distance"))
    assert [row.distance for row in rows] == [None] * 4


def test_update_and_delete_by_distance(documents: list[Document]) -> None:
    assert ranked().filter(distance__lt=1.5).update(pages=50) == 2
    assert sorted(titles(Document.objects.filter(pages=50))) == ["middle", "near"]
    assert ranked().order_by("distance")[:1].update(pages=60) == 1
    assert Document.objects.get(pages=60).title == "near"
    assert ranked().filter(distance__gt=3).delete()[0] == 1
    assert sorted(titles(Document.objects.all())) == ["middle", "near", "none"]


def test_explain_shows_a_plan(documents: list[Document]) -> None:
    assert "tests_document" in ranked().order_by("distance")[:2].explain()


def test_a_plain_queryset_can_be_upgraded(documents: list[Document]) -> None:
    plain = dorm.QuerySet.__new__(dorm.QuerySet)
    plain.__init__(Document, "default")  # type: ignore[misc]  # as djanorm's own code makes one
    assert titles(as_vector(plain.filter(pages__lt=5)).order_by(L2Distance("embedding", QUERY))[:1]) == ["near"]


def test_an_unknown_lookup_on_a_vector_says_what_there_is(documents: list[Document]) -> None:
    with pytest.raises(
        dorm.ValidationError, match=r"Document\.embedding has no lookup 'contains'. It has exact, in and isnull"
    ):
        list(Document.objects.filter(embedding__contains=NEAR))


def test_two_columns_of_different_lengths_cannot_be_compared(db: Database) -> None:
    class Pair(dorm.Model):
        from dorm_vector import VectorField

        left, right = VectorField(dimensions=2), VectorField(dimensions=3)

        class Meta:
            managed = False

    with pytest.raises(DimensionMismatch, match=r"Pair\.left holds 2 dimensions; Pair\.right has 3\."):
        list(Pair.objects.annotate(distance=L2Distance("left", F("right"))))


def test_max_inner_product_is_negative(documents: list[Document]) -> None:
    rows = Document.objects.annotate(distance=MaxInnerProduct("embedding", [2, 1, 0])).order_by("distance")
    assert [(row.title, row.distance) for row in rows][:3] == [
        ("middle", pytest.approx(-3)),
        ("near", pytest.approx(-2)),
        ("far", pytest.approx(2)),
    ]


def not_vectors() -> dict[str, Any]:
    titles, shorter = Document.objects.values("title")[:1], Package.objects.values("embedding")[:1]
    by_title = Document.objects.order_by(L2Distance("embedding", OuterRef("title"))).values("pk")[:1]
    by_package = Document.objects.order_by(L2Distance("embedding", OuterRef("embedding"))).values("pk")[:1]
    return {
        "left": (Document, L2Distance("title", QUERY), r"Document\.title holds no vectors: it is a CharField\."),
        "right": (Document, L2Distance("embedding", F("title")), r"Document\.title holds no vectors"),
        "subquery": (Document, L2Distance("embedding", Subquery(titles)), r"Document\.title holds no vectors"),
        "outer": (Document, Subquery(by_title), r"Document\.title holds no vectors"),
        "longer": (Document, L2Distance("embedding", Subquery(shorter)), "3 dimensions; Package.embedding has 16"),
        "longer outer": (Package, Subquery(by_package), "3 dimensions; Package.embedding has 16"),
    }


@pytest.mark.parametrize("case", not_vectors())
def test_what_has_no_distance_is_refused_before_it_is_sent(documents: list[Document], case: str) -> None:
    """The transaction goes on: some databases end it where a distance fails."""
    model, expression, message = not_vectors()[case]
    with atomic():
        Author.objects.create(name="Bob")
        with pytest.raises(InvalidVector, match=message):
            list(model.objects.annotate(value=expression))
        Author.objects.create(name="Eve")
    assert Author.objects.count() == 3
