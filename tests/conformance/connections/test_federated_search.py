"""Searches of several databases at once, of every vendor: the rows of all, as plain Python ranks them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import dorm
import pytest
from dorm import F, Value
from dorm.db.connection import get_connection, reset_connections
from dorm.exceptions import DatabaseError, FieldDoesNotExist
from dorm.functions import Coalesce
from dorm.migrations.operations import DeleteModel
from dorm.migrations.state import ProjectState
from dorm.signals import post_query, pre_query
from dorm.transaction import aatomic, atomic

from dorm_vector import (
    EmbeddingField,
    FederatedSearchError,
    InvalidVector,
    Metric,
    UnsupportedByDatabase,
    afederated_hybrid_search,
    afederated_nearest,
    bulk_load,
    federated_hybrid_search,
    federated_nearest,
    hybrid_search,
)
from tests.databases import Database, create_tables, state_of
from tests.helpers import oracle
from tests.models import Article, Document

QUERY = [0.5, -0.25, 0.125]
TIED = [3.5, 3.75, 0.125]  # at a distance of 5, which no database rounds
STORED = oracle.vectors(240, 3)


@pytest.fixture
def documents(aliases: list[str]) -> list[str]:
    """Forty documents in each database; one of them has a vector that all have, one has no direction, one none."""
    for number, alias in enumerate(aliases):
        rows = [{"title": f"{alias} {n}", "pages": n % 4, "embedding": vector_of(number, n)} for n in range(37)]
        fixed = [("tied", TIED), ("zero", [0, 0, 0]), ("none", None)]
        rows += [{"title": title, "pages": 9, "embedding": vector} for title, vector in fixed]
        bulk_load(Document, rows, using=alias)
    return aliases


def vector_of(number: int, n: int) -> list[float]:
    return STORED[40 * number + n]


def expected(aliases: list[str], metric: Metric, limit: int, pages: Sequence[int] = range(4)) -> list[tuple[str, str]]:
    """Return the databases and titles of the nearest of the documents that are their own."""
    found = [
        (oracle.distance(metric, vector_of(number, n), QUERY), alias, f"{alias} {n}")
        for number, alias in enumerate(aliases)
        for n in range(37)
        if n % 4 in pages
    ]
    return [(alias, title) for _distance, alias, title in sorted(found)[:limit]]


async def both(*args: Any, **options: Any) -> Any:
    """Return what the sync and the async search find, which has to be the same."""
    found, again = federated_nearest(*args, **options), await afederated_nearest(*args, **options)
    assert found.sources == again.sources
    assert found == again
    return found


async def as_awaitable(found: Any) -> Any:
    """Return the rows of a search, which an async one has to be awaited for."""
    return await found if asyncio.iscoroutine(found) else found


async def test_the_nearest_of_all_are_those_of_plain_python(documents: list[str]) -> None:
    own = Document.objects.exclude(title__in=["tied", "zero"])
    for metric in (Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT):
        found = await both(own, "embedding", QUERY, databases=documents, limit=25, distance=metric)
        assert list(zip(found.sources, [row.title for row in found], strict=True)) == expected(documents, metric, 25)
        assert [row.distance for row in found] == sorted(row.distance for row in found)
        assert [row._state.db for row in found] == list(found.sources)
        assert not found.is_partial
    filtered = own.filter(pages__lt=2).annotate(weight=Coalesce(F("pages"), Value(0)))
    found = await both(filtered, "embedding", QUERY, databases=documents, as_="away", max_distance=50)
    assert [(row._state.db, row.title) for row in found] == expected(documents, Metric.L2, 10, pages=range(2))
    assert [row.weight for row in found] == [row.pages for row in found]
    assert all(row.away < 50 for row in found)


async def test_rows_come_in_any_form(documents: list[str]) -> None:
    own = Document.objects.exclude(title__in=["tied", "zero"])
    titles = [title for _alias, title in expected(documents, Metric.L2, 10)]
    dicts = await both(own.values("title"), "embedding", QUERY, databases=documents)
    assert [row["title"] for row in dicts] == titles
    tuples = await both(own.values_list("title", "pages"), "embedding", QUERY, databases=documents)
    assert [row[0] for row in tuples] == titles
    named = await both(own.values_list("title", named=True), "embedding", QUERY, databases=documents)
    assert [row.title for row in named] == titles
    with pytest.raises(TypeError, match="flat=True"):
        federated_nearest(own.values_list("title", flat=True), "embedding", QUERY, databases=documents)


async def test_ties_come_in_the_order_of_the_databases(documents: list[str]) -> None:
    tied = Document.objects.filter(title="tied")
    for aliases in (documents, documents[::-1]):
        assert (await both(tied, "embedding", QUERY, databases=aliases)).sources == tuple(aliases)
    last = await both(Document, "embedding", QUERY, databases=documents, limit=1_000, distance="cosine")
    assert [row.title for row in last[-len(documents) :]] == ["zero"] * len(documents)
    assert last.sources[-len(documents) :] == tuple(documents)


async def test_an_instance_is_left_out_where_it_is(documents: list[str]) -> None:
    for alias in documents:
        row = Document.objects.using(alias).get(title="tied")
        others = tuple(other for other in documents if other != alias)
        found = await both(Document.objects.filter(title="tied"), "embedding", row, databases=documents)
        assert found.sources == others
        (only,) = documents[0:1]
        if alias == only:
            as_default = Document.objects.using("default").get(title="tied")
            asked = Document.objects.filter(title="tied"), "embedding", as_default
            assert (await both(*asked, databases=["default", others[0]])).sources == (others[0],)
        # Another row that has its key elsewhere stays in.
        elsewhere = Document.objects.using(others[0])
        elsewhere.filter(title="tied").update(title="moved", embedding=[9, 9, 9])
        elsewhere.filter(pk=row.pk).delete()
        elsewhere.create(pk=row.pk, title="tied", embedding=TIED)
        found = await both(Document.objects.filter(title="tied"), "embedding", row, databases=documents)
        assert found.sources == others


def test_errors_of_the_call_are_raised_before_anything_is_sent(documents: list[str]) -> None:
    asked: dict[str, Any] = {"databases": documents}
    with pytest.raises(ValueError, match=r"'nowhere'.*It has 'default'"):
        federated_nearest(Document, "embedding", QUERY, databases=["nowhere"])
    with pytest.raises(ValueError, match="twice"):
        federated_nearest(Document, "embedding", QUERY, databases=documents * 2)
    with pytest.raises(TypeError, match="several aliases"):
        federated_nearest(Document, "embedding", QUERY, databases="default")
    with pytest.raises(ValueError, match="raise, partial"):
        federated_nearest(Document, "embedding", QUERY, **asked, on_error="ignore")
    with pytest.raises(ValueError, match="limit=0"):
        federated_nearest(Document, "embedding", QUERY, **asked, limit=0)
    with pytest.raises(ValueError, match="without a slice"):
        federated_nearest(Document.objects.all()[:3], "embedding", QUERY, **asked)
    with pytest.raises(InvalidVector):
        federated_nearest(Document, "embedding", [1.0, float("nan"), 0.0], **asked)
    with pytest.raises(FieldDoesNotExist):
        federated_nearest(Document.objects.filter(nothing=1), "embedding", QUERY, **asked)


async def test_an_option_that_a_database_lacks_is_refused_by_its_name(documents: list[str]) -> None:
    asked: Any = Document.objects.search_options(probes=3), "embedding", QUERY
    options: dict[str, Any] = {"databases": ["sqlite", "postgresql"], "on_error": "partial"}
    for search in (federated_nearest, afederated_nearest):
        with pytest.raises(UnsupportedByDatabase, match="has no search option 'probes'") as raised:
            await as_awaitable(search(*asked, **options))
        assert raised.value.__notes__ == ["federated_nearest() raised this in the database 'sqlite'."]


@pytest.fixture
def without_tables(documents: list[str], several: dict[str, Database]) -> Iterator[list[str]]:
    """An alias of each server for a database in which no migration has run."""
    made = {f"new {name}": database.running.new_database() for name, database in several.items()}
    everywhere = {name: database.settings for name, database in several.items()}
    dorm.configure(DATABASES={"default": next(iter(everywhere.values())), **everywhere, **made})
    yield list(made)
    reset_connections()
    for name, database in several.items():
        database.running.drop_database(made[f"new {name}"])


async def test_a_database_that_fails_is_named(documents: list[str], without_tables: list[str]) -> None:
    everywhere = federated_nearest(Document, "embedding", QUERY, databases=documents)
    for alias in without_tables:
        asked: dict[str, Any] = {"databases": [alias, *documents]}
        for search in (federated_nearest, afederated_nearest):
            text = f"1 of {len(documents) + 1} databases failed. {alias!r}: "
            with pytest.raises(FederatedSearchError, match=text) as e:
                await as_awaitable(search(Document, "embedding", QUERY, **asked))
            assert list(e.value.failed) == [alias]
            assert isinstance(e.value.failed[alias], DatabaseError)
            assert e.value.__cause__ is e.value.failed[alias]
        found = await both(Document, "embedding", QUERY, **asked, on_error="partial")
        assert found == everywhere
        assert found.is_partial
        assert list(found.failed) == [alias]
        assert f"without {alias!r}" in repr(found)
    with pytest.raises(FederatedSearchError, match="databases failed"):
        await both(Document, "embedding", QUERY, databases=without_tables, on_error="partial")


async def test_an_open_transaction_sees_its_own_rows(documents: list[str]) -> None:
    for alias in documents:
        with atomic(alias):
            Document.objects.using(alias).create(title="not yet", embedding=QUERY)
            found = federated_nearest(Document, "embedding", QUERY, databases=documents, limit=1)
            assert (found[0].title, found.sources) == ("not yet", (alias,))
            Document.objects.using(alias).filter(title="not yet").delete()
        async with aatomic(alias):
            await Document.objects.using(alias).acreate(title="not yet", embedding=QUERY)
            found = await afederated_nearest(Document, "embedding", QUERY, databases=documents, limit=1)
            assert (found[0].title, found.sources) == ("not yet", (alias,))
            await Document.objects.using(alias).filter(title="not yet").adelete()


def test_threads_search_at_the_same_time(documents: list[str]) -> None:
    """Each search waits until all of them have begun."""
    federated_nearest(Document, "embedding", QUERY, databases=documents)
    together, mine = threading.Barrier(len(documents)), threading.local()

    def wait(sender: Any, sql: str, **_query: Any) -> None:
        if not vars(mine):
            mine.has_arrived = True
            together.wait(timeout=60)

    pre_query.connect(wait)
    try:
        found = federated_nearest(Document, "embedding", QUERY, databases=documents)
    finally:
        pre_query.disconnect(wait)
    assert len(found) == 10
    assert not together.broken


async def test_tasks_search_at_the_same_time(documents: list[str]) -> None:
    await afederated_nearest(Document, "embedding", QUERY, databases=documents)
    running, most = set[Any](), 0

    def begin(sender: Any, sql: str, **_query: Any) -> None:
        nonlocal most
        running.add(asyncio.current_task())
        most = max(most, len(running))

    def end(sender: Any, sql: str, **_query: Any) -> None:
        running.discard(asyncio.current_task())

    pre_query.connect(begin)
    post_query.connect(end)
    try:
        await afederated_nearest(Document, "embedding", QUERY, databases=documents)
    finally:
        pre_query.disconnect(begin)
        post_query.disconnect(end)
    assert most > 1


texts_embedded: list[str] = []


def embed(texts: Sequence[str]) -> list[list[float]]:
    texts_embedded.extend(texts)
    return [[float(text.count(letter)) + 0.5 for letter in "abc"] for text in texts]


class FederatedNote(dorm.Model):
    text = dorm.TextField()
    embedding = EmbeddingField(3, source="text", embedder=embed)

    class Meta:
        app_label = "tests"


async def test_a_text_is_embedded_once(aliases: list[str], several: dict[str, Database]) -> None:
    for alias in aliases:
        create_tables(get_connection(alias), (FederatedNote,))
        FederatedNote.objects.using(alias).create(text=f"aaa {alias}")
    for count, search in enumerate((federated_nearest, afederated_nearest)):
        texts_embedded.clear()
        asked = "abc" * (count + 1)
        found = await as_awaitable(search(FederatedNote, "embedding", asked, databases=aliases))
        assert texts_embedded == [asked]
        assert len(found) == len(aliases)
    for alias in aliases:
        DeleteModel("FederatedNote").database_forwards(
            "tests", get_connection(alias), state_of((FederatedNote,)), ProjectState()
        )


WORDS = "badger swims"


@pytest.fixture
def articles(aliases: list[str]) -> list[str]:
    """Twenty articles in each database: some without the words, some without a vector."""
    for number, alias in enumerate(aliases):
        for n in range(20):
            said = ("A badger swims", "A badger", "It swims, and swims", "A heron")[(n + number) % 4]
            vector = None if n % 5 == 4 else vector_of(number, n)
            Article.objects.using(alias).create(headline=f"{said} {alias} {n}", body="", pages=n, embedding=vector)
    return aliases


async def test_hybrid_search_of_one_database_is_that_of_the_database(articles: list[str]) -> None:
    for alias in articles:
        for options in ({}, {"fusion": "weighted"}, {"weights": {"text": 2, "vector": 0.5}, "candidates": 7}):
            rows = Article.objects.using(alias).filter(pages__gt=1)
            asked: dict[str, Any] = {"text": WORDS, "vector": QUERY, "prefix": "of_", **options}
            alone = hybrid_search(rows, **asked)
            found = federated_hybrid_search(rows, databases=[alias], **asked)
            again = await afederated_hybrid_search(rows, databases=[alias], **asked)
            for name in ("pk", "of_text_rank", "of_text_score", "of_vector_rank"):
                values = [getattr(row, name) for row in alone]
                assert [getattr(row, name) for row in found] == [getattr(row, name) for row in again] == values
            for name in ("of_score", "of_vector_distance"):
                values = [getattr(row, name) for row in alone]
                assert [getattr(row, name) for row in found] == [pytest.approx(value) for value in values]


async def test_hybrid_search_ranks_the_vectors_of_all_together(articles: list[str]) -> None:
    every = [row for alias in articles for row in Article.objects.using(alias).filter(embedding__isnull=False)]
    distances = {key_of(row): oracle.distance(Metric.L2, row.embedding, QUERY) for row in every}
    near = {key: place for place, key in enumerate(sorted(distances, key=lambda key: distances[key] or 0), start=1)}
    by_words = {
        key_of(row): row.text_rank
        for alias in articles
        for row in hybrid_search(Article.objects.using(alias), text=WORDS, vector=QUERY, limit=40)
        if row.text_rank
    }
    scores = {
        key: (1 / (60 + near[key]) if near.get(key, 1_000) <= 50 else 0)
        + (1 / (60 + by_words[key]) if key in by_words else 0)
        for key in {*near, *by_words}
    }
    for search in (federated_hybrid_search, afederated_hybrid_search):
        found = await as_awaitable(search(Article, databases=articles, text=WORDS, vector=QUERY))
        assert [row.score for row in found] == pytest.approx(sorted(scores.values(), reverse=True)[:10])
        for row, alias in zip(found, found.sources, strict=True):
            assert row._state.db == alias
            assert row.score == pytest.approx(scores[key_of(row)])
            assert row.text_rank == by_words.get(key_of(row))
            assert row.vector_rank == (near[key_of(row)] if near.get(key_of(row), 1_000) <= 50 else None)


async def test_hybrid_search_leaves_an_instance_out_where_it_is(articles: list[str]) -> None:
    for alias in articles:
        row = Article.objects.using(alias).get(pages=0)
        found = federated_hybrid_search(Article, databases=articles, text=WORDS, vector=row, limit=200)
        assert (alias, row.pk) not in {key_of(each) for each in found}
        others = [other for other in articles if other != alias]
        elsewhere = [Article.objects.using(other).get(pages=0) for other in others]
        assert {key_of(each) for each in elsewhere} <= {key_of(each) for each in found}


def key_of(row: Any) -> tuple[str, Any]:
    return row._state.db, row.pk
