"""What a user writes, and `mypy --strict` and pyright have to accept; it is checked, never run."""

from __future__ import annotations

from array import array
from typing import Any, ClassVar, assert_type

import dorm
import numpy as np

from dorm_vector import (
    CosineDistance,
    L2Distance,
    MaxInnerProduct,
    Outlier,
    Pair,
    SearchPlan,
    TextIndex,
    VectorExtension,
    VectorField,
    VectorManager,
    VectorQuerySet,
    afind_duplicates,
    ahybrid_search,
    aoutliers,
    arecommend,
    arerank,
    as_vector,
    atext_search,
    distance_of,
    find_duplicates,
    hybrid_search,
    mmr,
    outliers,
    recommend,
    rerank,
    rrf,
    text_search,
)


class Document(dorm.Model):
    title = dorm.CharField(max_length=80)
    embedding = VectorField(dimensions=3)

    class Meta:
        indexes = [TextIndex(fields=["title"], name="document_words", language="german")]


class Draft(dorm.Model):
    embedding = VectorField(dimensions=3, null=True, as_numpy=True)

    objects = VectorManager()


class Ticket(dorm.Model):
    title = dorm.CharField(max_length=80)
    embedding = VectorField(dimensions=3)

    objects: ClassVar[VectorManager[Ticket]] = VectorManager()


class OpenTickets(VectorManager[Ticket]):
    def urgent(self) -> VectorQuerySet[Ticket]:
        return self.filter(title__startswith="urgent")


class Queue(dorm.Model):
    title = dorm.CharField(max_length=80)

    objects: ClassVar[VectorManager[Queue]] = VectorManager()
    tickets = OpenTickets()


def search(question: list[float]) -> list[str]:
    nearest = Document.objects.annotate(distance=CosineDistance("embedding", question)).order_by("distance")
    return [document.title for document in nearest.filter(distance__lt=0.5)[:10]]


def search_drafts(question: list[float]) -> list[Draft]:
    # Without an annotation, pyright takes the type of `objects` from djanorm's Model.
    ranked = Draft.objects.order_by(L2Distance("embedding", question))  # pyright: ignore[reportArgumentType]
    return list(ranked[:10])


async def search_any_queryset(question: list[float]) -> list[Document]:
    documents = as_vector(Document.objects.exclude(title=""))
    return [document async for document in documents.order_by(L2Distance("embedding", question))]


async def by_words_and_meaning(question: list[float]) -> list[str]:
    weights = {"text": 0.3, "vector": 0.7}
    found = hybrid_search(Document.objects, text="a word", vector=question, fusion="weighted", weights=weights)
    later = await ahybrid_search(Document.objects.filter(title="x"), text="a word", vector=question, limit=3)
    return [document.title for document in (*found, *later)]


def tickets_near(question: list[float]) -> list[tuple[str, float]]:
    near = assert_type(Ticket.objects.nearest("embedding", question), VectorQuerySet[Ticket])
    _ = assert_type(near[:5], VectorQuerySet[Ticket])
    assert_type(near[0], Ticket)
    assert_type(near.first(), Ticket | None)
    assert_type(near.last(), Ticket | None)
    assert_type(near.get(pk=1), Ticket)
    assert_type(near.get_or_none(pk=1), Ticket | None)
    assert_type(near.in_bulk([1]), dict[Any, Ticket])
    assert_type(near.explain_search(), SearchPlan)
    _ = assert_type(near.union(near)[:5], VectorQuerySet[Ticket])
    assert_type(list(near.iterator(chunk_size=10)), list[Ticket])
    return [(ticket.title, distance_of(ticket)) for ticket in near.search_options(ef_search=200)[:5]]


def every_way_to_a_ticket(question: list[float], new: list[Ticket]) -> list[Ticket]:
    tickets = Ticket.objects
    _ = assert_type(tickets.all().filter(pk=1).exclude(pk=2).order_by("-pk").distinct(), VectorQuerySet[Ticket])
    _ = assert_type(tickets.using("replica").select_related("a").prefetch_related("b"), VectorQuerySet[Ticket])
    _ = assert_type(tickets.only("title").defer("title").none().reverse(), VectorQuerySet[Ticket])
    _ = assert_type(tickets.annotate(far=L2Distance("embedding", question)).alias(), VectorQuerySet[Ticket])
    assert_type(tickets.create(title="a"), Ticket)
    assert_type(tickets.get_or_create(title="a"), tuple[Ticket, bool])
    assert_type(tickets.bulk_create(new), list[Ticket])
    assert_type(tickets.all().bulk_create(new), list[Ticket])
    _ = assert_type(tickets.nearest("embedding", question).rerank(200)[:10], VectorQuerySet[Ticket])
    assert_type(OpenTickets().urgent().nearest("embedding", question)[0], Ticket)
    return list(tickets.order_by(L2Distance("embedding", question))[:5])


async def tickets_near_async(question: list[float], new: list[Ticket]) -> list[tuple[str, float]]:
    near = Ticket.objects.nearest("embedding", question)
    assert_type(await near.afirst(), Ticket | None)
    assert_type(await near.alast(), Ticket | None)
    assert_type(await near.aget(pk=1), Ticket)
    assert_type(await near[:5], list[Ticket])
    assert_type(await near.alist(), list[Ticket])
    assert_type(await near.aexplain_search(), SearchPlan)
    assert_type(await Ticket.objects.acreate(title="a"), Ticket)
    assert_type(await near.abulk_create(new), list[Ticket])
    assert_type([row async for row in near.aiterator()], list[Ticket])
    return [(ticket.title, distance_of(ticket, "distance")) async for ticket in near[:5]]


async def tickets_by_functions(question: list[float]) -> list[Ticket]:
    tickets = Ticket.objects.filter(title="x")
    assert_type(hybrid_search(Ticket.objects, text="words", vector=question, limit=3), list[Ticket])
    assert_type(await ahybrid_search(tickets, text="words"), list[Ticket])
    assert_type(text_search(Ticket, text="words"), list[Ticket])
    assert_type(await atext_search(Document.objects, text="words"), list[Document])
    assert_type(find_duplicates(tickets, "embedding", 0.1), list[Pair[Ticket]])
    assert_type(await afind_duplicates(tickets, "embedding", 0.1), list[Pair[Ticket]])
    assert_type(outliers(Document.objects, "embedding"), list[Outlier[Document]])
    assert_type(await aoutliers(Ticket, "embedding"), list[Outlier[Ticket]])
    assert_type(as_vector(Document.objects).nearest("embedding", question)[0], Document)
    assert_type(recommend(tickets, "embedding", [question]), list[Ticket])
    assert_type(await arecommend(Ticket, "embedding", [question], strategy="best_score"), list[Ticket])
    assert_type(rrf(tickets, tickets[:2], weights=[1, 2]), list[tuple[Ticket, float]])
    assert_type(rrf([1, 2], [2]), list[tuple[int, float]])
    assert_type(rerank(tickets, lambda rows: [1.0 for _ in rows]), list[Ticket])
    assert_type(await arerank(tickets[:5], lambda rows: [1.0 for _ in rows]), list[Ticket])
    return mmr(tickets[:50], "embedding", question, 10)


def question_forms() -> list[object]:
    return [
        MaxInnerProduct("embedding", (1, 2, 3)),
        MaxInnerProduct("embedding", array("f", [1, 2, 3])),
        MaxInnerProduct("embedding", np.zeros(3)),
        MaxInnerProduct("embedding", dorm.F("other")),
        MaxInnerProduct("document__embedding", [1.0, 2.0, 3.0]),
        1 - CosineDistance("embedding", [1.0, 2.0, 3.0]),
    ]


def one(document: Document) -> str:
    assert_type(document.title, str)
    return document.title


operations = [VectorExtension()]
