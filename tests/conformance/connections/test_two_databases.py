"""Several databases of different vendors in one process: each statement and each value is written for its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import dorm
import pytest
from dorm import Case, Exists, OuterRef, Subquery, Value, When
from dorm.functions import Coalesce
from dorm.transaction import aatomic, atomic

from dorm_vector import (
    CosineDistance,
    L2Distance,
    abulk_load,
    acopy_database,
    ahybrid_search,
    bulk_load,
    copy_database,
    hybrid_search,
    to_matrix,
)
from tests.models import Article, Author, Chunk, Document, Sample

QUERY = [1.0, 0.0, 0.0]
# Values that text would round, and that another byte order would not survive.
STORED = {"near": [1.0, 0.0, 0.0], "odd": [0.1, -2.5e-7, 3.25e9], "none": None}


@pytest.fixture
def documents(aliases: list[str]) -> list[str]:
    for alias in aliases:
        author = Author.objects.using(alias).create(name=alias)
        for title, vector in STORED.items():
            Document.objects.using(alias).create(title=title, author_id=author.pk, embedding=vector)
    return aliases


def on(alias: str) -> Any:
    return Document.objects.using(alias)


def ranked(alias: str) -> Any:
    return on(alias).annotate(distance=L2Distance("embedding", QUERY)).order_by("distance")


def float32(vector: list[float] | None) -> Any:
    return None if vector is None else pytest.approx(vector, rel=1e-7)


async def test_a_load_goes_where_it_is_told(aliases: list[str]) -> None:
    for alias in aliases:
        assert bulk_load(Author, [{"name": alias}], using=alias) == 1
        assert await abulk_load(Author, [{"name": f"async {alias}"}], using=alias) == 1
    for alias in aliases:
        names = Author.objects.using(alias).order_by("pk").values_list("name", flat=True)
        assert list(names) == [alias, f"async {alias}"]


def test_each_answers_for_itself(documents: list[str]) -> None:
    for alias in documents * 2:
        assert [row.title for row in ranked(alias)] == ["near", "odd", "none"]
        assert ranked(alias).filter(distance__lt=1).count() == 1
        assert {row.title: row.embedding for row in on(alias)} == {
            title: float32(vector) for title, vector in STORED.items()
        }
        assert on(alias).filter(embedding=STORED["odd"]).update(embedding=QUERY) == 1
        assert on(alias).filter(embedding=QUERY).count() == 2
        on(alias).filter(title="odd").update(embedding=STORED["odd"])


def test_one_queryset_for_all(documents: list[str]) -> None:
    """It is written when it is read: the alias may come last."""
    queryset = Document.objects.alias(distance=L2Distance("embedding", QUERY)).filter(distance__lt=1)
    for alias in documents:
        assert [row.title for row in queryset.using(alias).order_by("distance")] == ["near"]
        assert queryset.using(alias).values_list("title", flat=True)[0] == "near"


@pytest.mark.parametrize("make", [list, tuple, lambda value: value], ids=["list", "tuple", "as read"])
def test_an_instance_is_copied(documents: list[str], make: Callable[[Any], Any]) -> None:
    for source in documents:
        for target in documents:
            document = on(source).get(title="odd")
            document.pk, document.author_id, document.title = None, None, f"{source} to {target}"
            document.embedding = make(document.embedding)
            document.save(using=target, force_insert=True)
            copied = on(target).get(title=f"{source} to {target}")
            assert copied.embedding == on(source).get(title="odd").embedding


def test_many_are_copied_and_changed(documents: list[str]) -> None:
    for source in documents:
        for target in documents:
            rows = [Document(title=source, embedding=row.embedding) for row in on(source).filter(title__in=STORED)]
            on(target).bulk_create(rows)
            copies = list(on(target).filter(title=source).order_by("pk"))
            assert [row.embedding for row in copies] == [row.embedding for row in rows]
            for row in copies:
                row.embedding = QUERY
            on(target).bulk_update(copies, ["embedding"])
            assert on(target).filter(title=source, embedding=QUERY).count() == 3
            on(target).filter(title=source).delete()


def test_a_deferred_vector_stays_where_it_is(documents: list[str]) -> None:
    for alias in documents:
        document = on(alias).defer("embedding").get(title="odd")
        document.pages = 7
        document.save(using=alias)
        assert on(alias).get(pages=7).embedding == float32(STORED["odd"])


def test_nested_expressions_are_written_for_their_database(documents: list[str]) -> None:
    distance = L2Distance("embedding", QUERY)
    for alias in documents:
        filled = on(alias).annotate(distance=Coalesce(distance, Value(-1.0)))
        assert filled.get(title="none").distance == -1
        labelled = on(alias).annotate(kind=Case(When(title="near", then=distance), default=Value(5.0)))
        assert {row.title: row.kind for row in labelled} == {"near": 0, "odd": 5, "none": 5}
        nearest = on(alias).order_by(distance).values("title")[:1]
        authors = Author.objects.using(alias).annotate(nearest=Subquery(nearest))
        assert [row.nearest for row in authors] == ["near"]
        close = on(alias).alias(distance=distance).filter(distance__lt=1, author=OuterRef("pk"))
        assert [row.name for row in Author.objects.using(alias).filter(Exists(close))] == [alias]
        assert Author.objects.using(alias).filter(~Exists(close)).count() == 0
        target = Subquery(on(alias).filter(title="odd").values("embedding")[:1])
        assert on(alias).annotate(distance=L2Distance("embedding", target)).order_by("distance")[0].title == "odd"
        assert on(alias).filter(pk__in=ranked(alias)[:1]).get().title == "near"
        assert ranked(alias).union(ranked(alias)).count() == 3


def test_relations_stay_in_their_database(documents: list[str]) -> None:
    for alias in documents:
        document = on(alias).get(title="near")
        Chunk.objects.using(alias).create(document_id=document.pk, embedding=STORED["odd"])
        chunks = Chunk.objects.using(alias).annotate(distance=CosineDistance("document__embedding", QUERY))
        (chunk,) = chunks.select_related("document")
        assert (chunk.distance, chunk.document.embedding) == (pytest.approx(0, abs=1e-6), QUERY)
        assert chunk.embedding.tolist() == float32(STORED["odd"])


def test_transactions_are_apart(documents: list[str]) -> None:
    for alias in documents:
        others = [other for other in documents if other != alias]
        with pytest.raises(RuntimeError):
            write_all_and_fail(alias, others)
        assert not on(alias).filter(title="lost").exists()
        assert all(on(other).filter(title=alias).count() == 1 for other in others)


def write_all_and_fail(alias: str, others: list[str]) -> None:
    with atomic(alias):
        on(alias).create(title="lost", embedding=QUERY)
        for other in others:
            on(other).create(title=alias, embedding=QUERY)
        raise RuntimeError


class ByModel:
    """Send each model to a database of its own."""

    def __init__(self, places: dict[Any, str]) -> None:
        self.places = places

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return self.places.get(model)

    db_for_write = db_for_read


def test_a_router_chooses(documents: list[str]) -> None:
    for alias in documents:
        dorm.configure(DATABASE_ROUTERS=[ByModel({Document: alias})])
        created = Document.objects.create(title="routed", embedding=QUERY)
        assert on(alias).get(title="routed").pk == created.pk
        queryset = Document.objects.annotate(distance=Coalesce(L2Distance("embedding", QUERY), Value(9.0)))
        assert queryset.filter(distance=0).count() == 2
        assert [row.distance for row in queryset.order_by("-distance").filter(title="none")] == [9]
        assert Document.objects.filter(title="routed").delete()[0] == 1
        dorm.configure(DATABASE_ROUTERS=[])


async def search(alias: str) -> None:
    assert [row.title async for row in ranked(alias)] == ["near", "odd", "none"]
    assert await ranked(alias).filter(distance__lt=1).acount() == 1
    filled = on(alias).annotate(distance=Coalesce(L2Distance("embedding", QUERY), Value(-1.0)))
    assert (await filled.aget(title="none")).distance == -1
    assert (await on(alias).aget(title="odd")).embedding == float32(STORED["odd"])
    nearest = on(alias).order_by(L2Distance("embedding", QUERY)).values("title")[:1]
    assert [row.nearest async for row in Author.objects.using(alias).annotate(nearest=Subquery(nearest))] == ["near"]


async def test_async_each_answers_for_itself(documents: list[str]) -> None:
    for alias in documents:
        await search(alias)
    await asyncio.gather(*(search(alias) for alias in documents * 5))


async def test_async_an_instance_is_copied(documents: list[str]) -> None:
    for source in documents:
        for target in documents:
            document = await on(source).aget(title="odd")
            document.pk, document.author_id, document.title = None, None, f"{source} to {target}"
            async with aatomic(target):
                await document.asave(using=target, force_insert=True)
            assert (await on(target).aget(title=f"{source} to {target}")).embedding == document.embedding


async def test_async_transactions_are_apart(documents: list[str]) -> None:
    for alias in documents:
        other = next(name for name in documents if name != alias)
        with pytest.raises(RuntimeError):
            await write_both_and_fail(alias, other)
        assert not await on(alias).filter(title="lost").aexists()
        assert await on(other).filter(title=f"kept {alias}").acount() == 1


async def write_both_and_fail(alias: str, other: str) -> None:
    async with aatomic(alias):
        await on(alias).acreate(title="lost", embedding=QUERY)
        await on(other).acreate(title=f"kept {alias}", embedding=QUERY)
        raise RuntimeError


async def test_words_and_vectors_are_searched_where_they_are(aliases: list[str]) -> None:
    for alias in aliases:
        Article.objects.using(alias).create(headline=f"heron of {alias}", embedding=QUERY)
    for alias in aliases:
        (row,) = hybrid_search(Article.objects.using(alias), text="heron", vector=QUERY)
        (again,) = await ahybrid_search(Article.objects.using(alias), text="heron", vector=QUERY)
        assert row.headline == again.headline == f"heron of {alias}"
        assert row.text_rank == again.vector_rank == 1


# Bytes that one database means differently from another one.
AMBIGUOUS = [[0, 0, 0], [0.5, 0, 0], [2, 0, 0], [0, 0, 1]]
NEAR_ZERO = [512 * 2.0**-149, 1.5, -2.0]


async def test_a_value_is_read_as_its_own_database_means_it(aliases: list[str]) -> None:
    for alias in aliases:
        rows = Sample.objects.using(alias)
        for values in AMBIGUOUS:
            rows.create(title="x", sparse=values, full=NEAR_ZERO)
        ordered = rows.order_by("id")
        assert [row.sparse.to_list() for row in ordered] == AMBIGUOUS
        assert [row.full for row in ordered] == [NEAR_ZERO] * 4
        assert [value.to_list() for value in ordered.values_list("sparse", flat=True)] == AMBIGUOUS
        assert [value.to_list() async for value in ordered.values_list("sparse", flat=True)] == AMBIGUOUS
        assert [row.sparse.to_list() async for row in ordered.aiterator(chunk_size=2)] == AMBIGUOUS
        assert to_matrix(ordered, "sparse")[1].tolist() == AMBIGUOUS
        assert to_matrix(ordered, "full")[1].tolist() == [NEAR_ZERO] * 4
        found = Subquery(Sample.objects.filter(pk=OuterRef("pk")).values("sparse")[:1])
        assert [vars(row)["found"].to_list() for row in ordered.annotate(found=found)] == AMBIGUOUS
        first = ordered[0]
        first.refresh_from_db(using=alias)
        assert first.sparse.to_list() == AMBIGUOUS[0]


async def test_rows_are_copied_around(documents: list[str]) -> None:
    """Each database is copied from and to once; what arrives in the end is what was there."""
    first, *others = documents
    vectors = {"full": [0.1, -2.5e-7, 3.25e9], "half": [1.5, -2.0, 0.25], "sparse": [0.0, 0.0, 7.5], "bits": "101"}
    Sample.objects.using(first).create(title="sample", **vectors)
    there = {row.title: row.embedding for row in on(first)}
    for source, target in zip(documents, [*others, first], strict=True):
        report = copy_database(source, target, [Document, Sample, Author], overwrite=True)
        assert (report.rows, report.copied) == (len(there) + 2, len(there) + 2)
        await acopy_database(source, target, [Document, Sample, Author], overwrite=True)
    assert {row.title: row.embedding for row in on(first)} == there
    (sample,) = Sample.objects.using(first)
    assert (sample.half, sample.sparse.to_list(), sample.bits) == (vectors["half"], vectors["sparse"], vectors["bits"])
    assert sample.full == float32(STORED["odd"])
