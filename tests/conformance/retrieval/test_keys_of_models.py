"""Text keys work in every function that takes a model; composite keys work, or are refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import dorm
import pytest
from dorm.fields import CompositePrimaryKey

from dorm_vector import (
    EmbeddingField,
    VectorManager,
    abulk_load,
    afind_duplicates,
    ahybrid_search,
    areembed,
    ato_matrix,
    bulk_load,
    find_duplicates,
    hybrid_search,
    measure_recall,
    mmr,
    outliers,
    reembed,
    rerank,
    text_search,
    to_matrix,
)
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, is_of


class Seat(dorm.Model):
    """A row with a key of two columns."""

    hall = dorm.CharField(max_length=20)
    number = dorm.IntegerField()
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(WORDS.dimensions, source="title", embedder=WORDS, null=True)
    pk = CompositePrimaryKey("hall", "number")
    # djanorm types a row's composite key as its field.
    objects: ClassVar[VectorManager[Any]] = VectorManager()

    class Meta:
        app_label = "tests"


class Slug(dorm.Model):
    """A row with a key of text, with characters that a shell or a pattern would change."""

    slug = dorm.CharField(max_length=40, primary_key=True)
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(WORDS.dimensions, source="title", embedder=WORDS, null=True)
    objects = VectorManager()

    class Meta:
        app_label = "tests"


SLUGS = {"it's": "a", "100%": "b", "Ünï": "c", "a": "a"}
VECTORS = {"a": [1, 0, 0, 0], "b": [0, 1, 0, 0], "c": [0, 0.9, 0.1, 0]}


@pytest.fixture
def slugs(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Slug,))
    bulk_load(Slug, [{"slug": key, "title": t, "embedding": VECTORS[t]} for key, t in SLUGS.items()])
    yield db
    drop_table(db, Slug)


@pytest.fixture
def seats(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Seat,))
    rows = [{"hall": hall, "number": n, "title": t, "embedding": VECTORS[t]} for hall, n, t in SEATS]
    assert bulk_load(Seat, rows) == len(SEATS)
    yield db
    drop_table(db, Seat)


SEATS = (("x", 1, "a"), ("x", 2, "b"), ("y", 1, "c"), ("y", 2, "a"))


async def test_text_keys_work_everywhere(slugs: Database) -> None:
    itself = Slug.objects.get(slug="it's")
    assert [row.slug for row in Slug.objects.nearest("embedding", itself)[:1]] == ["a"]
    keys, matrix = to_matrix(Slug.objects.all(), "embedding")
    assert {key: list(row) for key, row in zip(keys, matrix, strict=True)} == {
        key: pytest.approx(VECTORS[title]) for key, title in SLUGS.items()
    }
    # The rows have no order.
    assert sorted((await ato_matrix(Slug.objects.all(), "embedding"))[0]) == sorted(keys)
    assert sorted((await ato_matrix(Slug, "embedding"))[0]) == sorted(to_matrix(Slug, "embedding")[0]) == sorted(keys)
    pairs = find_duplicates(Slug.objects.all(), "embedding", max_distance=0.01)
    assert [{pair.first.slug, pair.second.slug} for pair in pairs] == [{"it's", "a"}]
    assert len(await afind_duplicates(Slug.objects.all(), "embedding", max_distance=0.01)) == 1
    assert {found.row.slug for found in outliers(Slug.objects.all(), "embedding", 2, neighbors=1)} == {"100%", "Ünï"}
    assert measure_recall(Slug.objects.all(), "embedding", k=2, sample=2).recall == 1.0


async def test_text_keys_are_reembedded_and_loaded_over(slugs: Database) -> None:
    Slug.objects.update(embedding_hash=None)
    assert reembed(Slug, batch_size=1) == await areembed(Slug, batch_size=1) + 4 == 4
    assert is_of(Slug.objects.get(slug="100%"), "b")
    assert await abulk_load(Slug, [{"slug": "100%", "title": "new"}], on_conflict="update") == 1
    assert is_of(Slug.objects.get(slug="100%"), "new")


@pytest.mark.parametrize("again", [reembed, areembed])
async def test_odd_keys_and_rows_without_text_are_reembedded_together(slugs: Database, again: Any) -> None:
    odd = {'q"u{o}t\\e,d': "a", "NULL": "", "{}": "", "%s": "d", ";--": ""}
    bulk_load(Slug, [{"slug": key, "title": title or "gone", "embedding": VECTORS["a"]} for key, title in odd.items()])
    # As another program does, which knows of no embeddings.
    slugs.connection.execute_write(f'UPDATE "{Slug._meta.db_table}" SET "title" = \'\' WHERE "title" = \'gone\'')
    Slug.objects.update(embedding_hash=None)
    found = again(Slug)
    assert (await found if inspect.isawaitable(found) else found) == len(SLUGS | odd)
    for key, title in (SLUGS | odd).items():
        row = Slug.objects.get(slug=key)
        assert is_of(row, title) if title else (row.embedding, row.embedding_hash) == (None, None)


async def test_a_composite_key_is_left_out_of_a_search_by_the_instance(seats: Database) -> None:
    itself = Seat.objects.get(hall="x", number=1)
    found = Seat.objects.nearest("embedding", itself)[:2]
    assert [(row.hall, row.number) for row in found] == [("y", 2), ("x", 2)] or [
        (row.hall, row.number) for row in found
    ] == [("y", 2), ("y", 1)]
    assert [(row.hall, row.number) async for row in Seat.objects.nearest("embedding", itself)[:1]] == [("y", 2)]


async def test_a_row_with_a_composite_key_is_saved_with_its_embedding(seats: Database) -> None:
    one, other = Seat.objects.only("hall", "number").get(hall="x", number=1), Seat.objects.get(hall="x", number=2)
    one.title = "new"
    one.save()
    other.title = "newer"
    await other.asave(update_fields=["title"])
    for seat, title in ((one, "new"), (other, "newer")):
        stored = Seat.objects.get(hall=seat.hall, number=seat.number)
        assert (stored.title, stored.embedding) == (title, pytest.approx(WORDS.vector(title)))


REFUSED: dict[str, Callable[[], Any]] = {
    "to_matrix()": lambda: to_matrix(Seat.objects.all(), "embedding"),
    "measure_recall()": lambda: measure_recall(Seat.objects.all(), "embedding", k=1),
    "hybrid_search()": lambda: hybrid_search(Seat.objects.all(), text="a", text_fields=["title"]),
    "text_search()": lambda: text_search(Seat.objects.all(), text="a", text_fields=["title"]),
    "reembed()": lambda: reembed(Seat),
}
AREFUSED: dict[str, Callable[[], Any]] = {
    "to_matrix()": lambda: ato_matrix(Seat.objects.all(), "embedding"),
    "hybrid_search()": lambda: ahybrid_search(Seat.objects.all(), text="a", text_fields=["title"]),
    "reembed()": lambda: areembed(Seat),
}


async def test_what_takes_no_composite_key_says_so(seats: Database) -> None:
    for name, call in REFUSED.items():
        with pytest.raises(TypeError, match="the key of Seat is hall, number") as refused:
            call()
        assert name in str(refused.value)
    for name, acall in AREFUSED.items():
        with pytest.raises(TypeError, match="the key of Seat is hall, number") as refused:
            await acall()
        assert name in str(refused.value)


async def test_what_takes_composite_keys(seats: Database) -> None:
    pairs = find_duplicates(Seat.objects.all(), "embedding", max_distance=0.01)
    assert [(pair.first.pk, pair.second.pk) for pair in pairs] == [(("x", 1), ("y", 2))]
    assert len(await afind_duplicates(Seat.objects.all(), "embedding", max_distance=0.01)) == 1
    assert len(outliers(Seat.objects.all(), "embedding", 2, neighbors=1)) == 2
    assert measure_recall(Seat.objects.all(), "embedding", k=2, queries=[VECTORS["a"]]).recall == 1.0
    found = list(Seat.objects.nearest("embedding", VECTORS["b"])[:3])
    assert [row.pk for row in mmr(found, "embedding", VECTORS["b"], 1)] == [("x", 2)]
    (best,) = rerank(found, lambda rows: [-row.number for row in rows], 1)
    assert best.pk == ("y", 1)
    again = [{"hall": "x", "number": 1, "title": "new"}, {"hall": "z", "number": 9, "title": "other"}]
    assert await abulk_load(Seat, again, on_conflict="update") == 2
    assert {row.pk: row.title for row in Seat.objects.filter(hall__in=["x", "z"])} == {
        ("x", 1): "new",
        ("x", 2): "b",
        ("z", 9): "other",
    }
