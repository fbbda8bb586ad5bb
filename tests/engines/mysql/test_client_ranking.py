"""MySQL has slow distances, so the client ranks the rows of exact searches: the same answers, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dorm.db.connection import get_async_connection, get_connection
from dorm.exceptions import ImproperlyConfigured
from dorm.functions import RowNumber, Window
from dorm.signals import post_query
from dorm.transaction import aatomic, atomic

from dorm_vector import CosineSimilarity, DimensionMismatch, L2Distance, Metric, to_matrix
from dorm_vector.engines.limits.setting import CLIENT_RANKING as NAME
from dorm_vector.search.plans.client_ranking import max_bytes
from tests.databases import Database
from tests.helpers import oracle
from tests.models import Author, Chunk, Document, Sample

pytestmark = pytest.mark.not_on(
    "sqlite", "turso", "libsql", "postgresql", "mariadb", reason="they rank rows fast enough"
)
QUERY = [0.5, -1.0, 0.25]
VECTORS = [[round(4 * number) / 4 for number in vector] for vector in oracle.vectors(37, 3)]


@pytest.fixture
def documents(db: Database) -> list[Document]:
    """Rows with many equal distances, one without a vector, and one without a direction."""
    authors = Author.objects.bulk_create([Author(name=str(n)) for n in range(2)])
    vectors: list[Any] = [*VECTORS, *VECTORS[:9], None, [0.0, 0.0, 0.0]]
    made = [
        Document(title=f"d{n}", pages=n, author=authors[n % 2], embedding=vector, other=VECTORS[n % 5])
        for n, vector in enumerate(vectors)
    ]
    rows = Document.objects.bulk_create(made)
    Chunk.objects.bulk_create([Chunk(document=rows[n % 7], embedding=VECTORS[n]) for n in range(14)])
    Sample.objects.bulk_create([Sample(title=str(n), full=v, half=v, unit=v) for n, v in enumerate(VECTORS[1:])])
    return rows


@pytest.fixture
def sent() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(sender: Any, sql: str = "", **_: Any) -> None:
        statements.append(sql)

    post_query.connect(note, weak=False, dispatch_uid="test_client_ranking")
    yield statements
    post_query.disconnect(dispatch_uid="test_client_ranking")


def limit(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for connection in (get_connection(), get_async_connection()):
        monkeypatch.setitem(connection.settings, "OPTIONS", {NAME: size})


def nearest(**options: Any) -> Any:
    return Document.objects.nearest("embedding", QUERY, **options)


RANKED: dict[str, Callable[[], Any]] = {
    "l2": lambda: nearest()[:40],
    "cosine": lambda: nearest(distance="cosine")[:40],
    "l1": lambda: nearest(distance="l1")[:40],
    "inner product": lambda: nearest(distance="inner_product")[:40],
    "an offset": lambda: nearest()[3:11],
    "past the end": lambda: nearest()[44:80],
    "filtered": lambda: nearest().filter(pages__lt=20, author__name="1")[:5],
    "filtered by a join that repeats rows": lambda: nearest().filter(chunks__embedding__isnull=False)[:7],
    "within a distance": lambda: nearest(max_distance=1.0)[:30],
    "within a similarity": lambda: nearest(distance="cosine", min_similarity=0.5)[:30],
    "with a relation": lambda: nearest().select_related("author")[:5],
    "without vectors": lambda: nearest().only("title")[:5],
    "exactly": lambda: nearest(exact=True)[:5],
    "to a row": lambda: Document.objects.nearest("embedding", Document.objects.get(title="d3"))[:5],
    "annotated": lambda: Document.objects.annotate(distance=L2Distance("embedding", QUERY)).order_by("distance")[:40],
    "most similar": lambda: (
        Document.objects.filter(embedding__isnull=False)
        .annotate(likeness=CosineSimilarity("embedding", QUERY))
        .order_by("-likeness")[:9]
    ),
    "halves": lambda: Sample.objects.nearest("half", QUERY)[:9],
    "of length 1": lambda: Sample.objects.nearest("unit", QUERY, distance="cosine")[:9],
    "across a relation": lambda: Chunk.objects.nearest("document__embedding", QUERY)[:9],
}


def seen(rows: Any) -> list[Any]:
    return [(row.pk, *((vars(row)[name],) if name in vars(row) else ())) for row in rows for name in ("distance",)]


def measured(found: list[Any]) -> list[Any]:
    return [pytest.approx(each[1], rel=1e-12, abs=1e-12) if len(each) > 1 else None for each in found]


def is_in_order(found: list[Any]) -> bool:
    """Rows at equal distance are in the order of their keys, but for rounding errors."""
    pairs = [(round(each[1], 9), each[0]) for each in found if len(each) > 1 and each[1] is not None]
    return pairs == sorted(pairs)


# The distances of scaled vectors are equal only up to rounding.
ROUNDED = {"cosine", "within a similarity"}


@pytest.mark.parametrize("case", RANKED)
async def test_the_answer_is_that_of_the_database(
    documents: list[Document], sent: list[str], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = RANKED[case]
    here, later = seen(list(search())), seen([row async for row in search()])
    assert any("LIMIT 262145" in sql for sql in sent)
    limit(monkeypatch, 0)
    sent.clear()
    there = seen(list(search()))
    assert not any("FIELD(" in sql for sql in sent)
    assert here == later
    if there and len(there[0]) > 1:
        assert [each[1] if len(each) > 1 else None for each in here] == measured(there)
        assert case in ROUNDED or is_in_order(here)
    else:
        assert len(here) == len(there)


async def test_rows_of_every_form(documents: list[Document], sent: list[str]) -> None:
    expected = sorted(
        (oracle.distance(Metric.L2, row.embedding, QUERY), row.pk, row.title)
        for row in documents
        if row.embedding is not None
    )[:4]
    titles = [title for _, _, title in expected]
    assert [row["title"] for row in nearest().values("title")[:4]] == titles
    assert list(nearest().values_list("title", flat=True)[:4]) == titles
    assert [row["distance"] for row in await nearest().values("distance")[:4]] == pytest.approx(
        [distance for distance, _, _ in expected]
    )
    assert nearest()[2].title == titles[2]
    assert nearest().first().title == titles[0]
    assert [row.title for row in nearest()[:4].iterator(chunk_size=2)] == titles
    assert to_matrix(nearest()[:4], "embedding")[0] == [key for _, key, _ in expected]
    assert sum("FIELD(" in sql for sql in sent) == 7


def test_a_window_is_over_every_row(documents: list[Document], sent: list[str]) -> None:
    numbered = nearest().annotate(number=Window(RowNumber(), order_by=["-pages"]))[:4]
    assert [row.number for row in numbered] == [len(documents) - 1 - row.pages for row in numbered]
    assert not any("FIELD(" in sql for sql in sent)


async def test_inside_a_transaction(documents: list[Document]) -> None:
    with atomic():
        Document.objects.filter(title="d0").update(embedding=QUERY)
        assert nearest()[0].title == "d0"
        Document.objects.filter(title="d0").delete()
        assert nearest()[0].title != "d0"
    async with aatomic():
        await Document.objects.filter(title="d1").aupdate(embedding=QUERY)
        assert [row.title async for row in nearest()[:1]] == ["d1"]


async def test_the_database_ranks_more_than_the_client_may_read(
    documents: list[Document], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = seen(nearest()[:5])
    sent.clear()
    assert len(nearest()[:20_001]) == len(documents) - 1
    assert not any("FIELD(" in sql for sql in sent)
    limit(monkeypatch, 256 * 40)
    sent.clear()
    assert [each[1] for each in seen(nearest()[:5])] == [each[1] for each in expected]
    assert [each[1] for each in seen([row async for row in nearest()[:5]])] == [each[1] for each in expected]
    assert not any("FIELD(" in sql for sql in sent)
    sent.clear()
    # One statement by the client's plan, and one of the database, also if there are fewer rows.
    assert len(nearest(max_distance=1.0).values("title")[:50]) < 50
    assert len([sql for sql in sent if sql.startswith("SELECT")]) == 2
    for most in (256 * 40, 0):
        limit(monkeypatch, most)
        assert [row["title"] for row in nearest().values("title")[:2]] == [row.title for row in nearest()[:2]]
        assert await nearest().values_list("title", flat=True)[:2] == [row.title for row in nearest()[:2]]
    limit(monkeypatch, 256 * 40)
    assert len(nearest().filter(pages__lt=40)[:5]) == 5
    assert any("FIELD(" in sql for sql in sent)


def test_a_vector_of_another_length_is_refused(documents: list[Document]) -> None:
    get_connection().execute_write(
        'UPDATE "tests_document" SET "embedding" = STRING_TO_VECTOR(%s) WHERE "title" = %s', ["[1,2]", "d5"]
    )
    with pytest.raises(DimensionMismatch):
        list(nearest()[:3])


@pytest.mark.parametrize("wrong", [-1, "many", 1.5, True, None])
def test_a_wrong_limit_is_refused(wrong: Any) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=f"OPTIONS.*{NAME}.*give a number of bytes, such as 67_108_864, or 0"
    ):
        max_bytes({"OPTIONS": {NAME: wrong}})
    assert max_bytes({"OPTIONS": {NAME: "1024"}}) == 1024
