"""An EmbeddingField fills itself on every way to write a row, once for each text; and text finds it again."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm import Q, Subquery, Value
from dorm.db.connection import get_connection
from dorm.functions import Coalesce

from dorm_vector import DimensionMismatch, EmbeddingError, EmbeddingField, L2Distance, StaleEmbedding, areembed, reembed
from tests.databases import Database
from tests.helpers.memos import WORDS, Memo, Words, embedded, empty_memos, is_of, memo_table
from tests.models import Author


@pytest.fixture(scope="module")
def with_table(database: Database) -> Iterator[Database]:
    with memo_table(database):
        yield database


@pytest.fixture
def memos(with_table: Database) -> Iterator[Database]:
    with empty_memos(with_table):
        yield with_table


def test_create_save_and_only_a_change_of_the_text(memos: Database) -> None:
    note = Memo.objects.create(title="a", body="b")
    assert embedded() == ["a\n\nb"]
    assert is_of(note, "a\n\nb")
    note.save()
    Memo.objects.get(pk=note.pk).save()
    assert embedded() == []
    note.body = "c"
    note.save()
    assert embedded() == ["a\n\nc"]
    assert is_of(note, "a\n\nc")
    note.title, note.body = "", None
    note.save()
    stored = Memo.objects.get(pk=note.pk)
    assert (stored.embedding, stored.embedding_hash, embedded()) == (None, None, [])


async def test_an_assigned_embedder_replaces_the_other(memos: Database) -> None:
    field: Any = Memo._meta.get_field("embedding")
    before = field.embedder
    field.embedder = lambda texts: [[float(len(text)), 0, 0, 1] for text in texts]
    try:
        Memo.objects.create(title="four")
        await Memo.objects.acreate(title="a long title")
        assert [row.embedding for row in Memo.objects.order_by("pk")] == [[4, 0, 0, 1], [12, 0, 0, 1]]
        assert Memo.objects.nearest("embedding", "five")[0].title == "four"
    finally:
        field.embedder = before
    assert embedded() == []


def test_update_fields(memos: Database) -> None:
    note = Memo.objects.create(title="a")
    embedded()
    note.title, note.body = "x", "y"
    note.save(update_fields=["title", "body"])
    assert is_of(note, "x\n\ny")
    embedded()
    note.save(update_fields=["embedding_hash"])
    assert embedded() == []


def test_bulk_create_in_batches(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title=str(n)) for n in range(8)])
    assert [len(call) for call in WORDS.calls] == [3, 3, 2]
    assert all(is_of(note, note.title) for note in made)


def test_bulk_update(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title=str(n)) for n in range(4)])
    embedded()
    for note in made[:2]:
        note.body = "more"
    Memo.objects.bulk_update(made, ["body"])
    assert sorted(embedded()) == ["0\n\nmore", "1\n\nmore"]
    assert is_of(made[0], "0\n\nmore")
    assert is_of(made[3], "3")


def test_get_or_create_and_update_or_create(memos: Database) -> None:
    Memo.objects.get_or_create(title="a", defaults={"body": "b"})
    note, created = Memo.objects.update_or_create(title="a", defaults={"body": "c"})
    assert not created
    assert is_of(note, "a\n\nc")
    other, created = Memo.objects.update_or_create(title="new", defaults={"body": "d"})
    assert created
    assert is_of(other, "new\n\nd")


async def test_async_writes_and_the_event_loop(memos: Database) -> None:
    note = await Memo.objects.acreate(title="a")
    note.body = "b"
    await note.asave()
    await Memo.objects.abulk_create([Memo(title=str(n)) for n in range(4)])
    await Memo.objects.aget_or_create(title="e", defaults={"body": "f"})
    changed, _created = await Memo.objects.aupdate_or_create(title="e", defaults={"body": "g"})
    assert threading.get_ident() not in WORDS.threads
    stored = {row.title: row.embedding async for row in Memo.objects.all()}
    assert stored["a"] == pytest.approx(WORDS.vector("a\n\nb"))
    assert stored["3"] == pytest.approx(WORDS.vector("3"))
    assert stored["e"] == pytest.approx(WORDS.vector("e\n\ng"))
    assert changed.pk is not None


def test_a_vector_given_to_a_new_row_is_kept_until_its_text_changes(memos: Database) -> None:
    given = [1.0, 2.0, 3.0, 4.0]
    note = Memo.objects.create(title="a", embedding=given)
    assert embedded() == []
    stored = Memo.objects.get(pk=note.pk)
    assert stored.embedding == given
    stored.save()
    assert embedded() == []
    stored.body = "b"
    stored.save()
    assert is_of(note, "a\n\nb")


PARTS = {
    "all but the vector": lambda: Memo.objects.defer("embedding"),
    "the text alone": lambda: Memo.objects.only("title", "body"),
    "a part of the text": lambda: Memo.objects.only("title"),
    "all but a part of the text": lambda: Memo.objects.defer("body"),
    "neither": lambda: Memo.objects.defer("title", "body", "embedding", "embedding_hash"),
}


@pytest.mark.parametrize("part", PARTS)
async def test_a_row_read_in_part_keeps_its_vector_or_gets_that_of_its_new_text(memos: Database, part: str) -> None:
    note = Memo.objects.create(title="a", body="b")
    embedded()
    PARTS[part]().get(pk=note.pk).save()
    row = await PARTS[part]().aget(pk=note.pk)
    await row.asave()
    if "title" in vars(row):
        Memo.objects.bulk_update([PARTS[part]().get(pk=note.pk)], ["title"])
        await Memo.objects.abulk_update([PARTS[part]().get(pk=note.pk)], ["title"])
    assert embedded() == []
    assert is_of(note, "a\n\nb")
    row.title = "x"
    await row.asave()
    assert is_of(note, "x\n\nb")
    row = PARTS[part]().get(pk=note.pk)
    row.title = "y"
    row.save(update_fields=["title"])
    assert embedded() == ["x\n\nb", "y\n\nb"]
    assert is_of(note, "y\n\nb")


def test_text_finds(memos: Database) -> None:
    Memo.objects.bulk_create([Memo(title=title) for title in ("red", "green", "blue")])
    embedded()
    found = Memo.objects.nearest("embedding", "green")
    assert found[:1][0].title == "green"
    assert found.filter(title__contains="e").count() == 3
    assert embedded() == ["green"]
    assert [row.title for row in found[:1]] == ["green"]
    assert Memo.objects.nearest("embedding", "blue", max_distance=1e-6).get().title == "blue"


async def test_text_finds_without_blocking(memos: Database) -> None:
    await Memo.objects.abulk_create([Memo(title=title) for title in ("red", "green", "blue")])
    WORDS.threads.clear()
    assert [row.title for row in await Memo.objects.nearest("embedding", "red")[:1]] == ["red"]
    assert (await Memo.objects.nearest("embedding", "blue").afirst()).title == "blue"
    assert await Memo.objects.nearest("embedding", "blue", max_distance=1e-6).acount() == 1
    assert await Memo.objects.nearest("embedding", "blue", max_distance=1e-6).aexists()
    assert await Memo.objects.nearest("embedding", "green").values_list("title", flat=True)[:1] == ["green"]
    assert "tests_memo" in await Memo.objects.nearest("embedding", "green")[:1].aexplain()
    assert threading.get_ident() not in WORDS.threads


INSIDE: dict[str, Callable[[Any], Any]] = {
    "in": lambda found: Memo.objects.filter(pk__in=found),
    "not in": lambda found: Memo.objects.exclude(pk__in=found),
    "a condition": lambda found: Memo.objects.filter(Q(pk__in=found) | Q(title="x")),
    "another model": lambda found: Author.objects.filter(pk__in=found.values("pk")),
    "not in another model": lambda found: Author.objects.exclude(pk__in=found.values("pk")),
    "an annotation": lambda found: Memo.objects.annotate(best=Subquery(found.values("title")[:1])),
    "an annotation of another model": lambda found: Author.objects.annotate(best=Subquery(found.values("title")[:1])),
    "a function": lambda found: Memo.objects.annotate(best=Coalesce(Subquery(found.values("title")[:1]), Value("x"))),
    "a union": lambda found: found.values("title").union(Memo.objects.values("title")),
    "the other part of a union": lambda found: Memo.objects.values("title").union(found.values("title")),
}


@pytest.mark.parametrize("inside", INSIDE)
async def test_a_text_inside_another_query_is_awaited_too(memos: Database, inside: str) -> None:
    await Memo.objects.abulk_create([Memo(title=title) for title in ("red", "green", "blue")])
    WORDS.threads.clear()
    await INSIDE[inside](Memo.objects.nearest("embedding", "red")[:1])
    await INSIDE[inside](Memo.objects.nearest("embedding", "red")[:1]).acount()
    await INSIDE[inside](Memo.objects.nearest("embedding", "red")[:1]).aexists()
    assert WORDS.threads
    assert threading.get_ident() not in WORDS.threads


async def test_a_text_that_rows_are_changed_by_is_awaited_too(memos: Database) -> None:
    await Memo.objects.abulk_create([Memo(title=title) for title in ("red", "green", "blue")])
    WORDS.threads.clear()
    assert await Memo.objects.nearest("embedding", "red", max_distance=1e-6).aupdate(embedding=None) == 1
    assert (await Memo.objects.nearest("embedding", "blue", max_distance=1e-6).adelete())[0] == 1
    assert threading.get_ident() not in WORDS.threads
    assert sorted(row.title for row in Memo.objects.all()) == ["green", "red"]


def around_the_model(key: int, body: str) -> None:
    """Change a text as another program does."""
    get_connection().execute_write('UPDATE "tests_memo" SET "body" = %s WHERE "id" = %s', [body, key])


def test_reembed_after_a_change_of_model_resumes(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title=str(n)) for n in range(7)])
    around_the_model(made[6].pk, "changed around the model")
    embedded()
    assert reembed(Memo.objects.all()) == 1
    assert is_of(made[6], "6\n\nchanged around the model")
    assert reembed(Memo.objects.all()) == 0
    WORDS.name = "words-2"
    seen: list[tuple[int, int]] = []

    def stop_after_two(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(Memo.objects.all(), batch_size=2, progress=stop_after_two)
    assert seen == [(0, 7), (2, 7), (4, 7)]
    embedded()
    assert reembed(Memo.objects.all(), "embedding", batch_size=2) == 3
    assert embedded() == ["4", "5", "6\n\nchanged around the model"]
    assert all(is_of(note, note.title) for note in made[:6])


async def test_areembed(memos: Database) -> None:
    await Memo.objects.abulk_create([Memo(title=str(n)) for n in range(5)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StaleEmbedding)
        await Memo.objects.all().aupdate(body="b")
    WORDS.threads.clear()
    seen: list[int] = []
    assert await areembed(Memo.objects.filter(title__lt="3"), progress=lambda done, total: seen.append(done)) == 3
    assert seen == [0, 3]
    assert threading.get_ident() not in WORDS.threads


def test_it_is_a_vector_field(memos: Database) -> None:
    Memo.objects.create(title="a")
    assert Memo.objects.order_by(L2Distance("embedding", WORDS.vector("a")))[0].title == "a"
    assert Memo.objects.nearest("embedding", Memo.objects.first()).count() == 0


class Short(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(3, source="title", embedder=WORDS)

    class Meta:
        managed = False


class Silent(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(3, source="title", embedder=lambda texts: None)

    class Meta:
        managed = False


class Broken(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(3, source="title", embedder=lambda texts: [[1, 2, 3]])
    other = EmbeddingField(3, source="title", embedder=lambda texts: [[1, 2]] * len(texts))

    class Meta:
        managed = False


def test_an_embedder_that_does_not_fit_is_named(db: Database) -> None:
    with pytest.raises(EmbeddingError, match=r"Short\.embedding holds 3 dimensions; words-1 makes 4\."):
        Short.objects.create(title="a")
    with pytest.raises(EmbeddingError, match=r"gave 1 vectors for 2 texts\. It has to give one for each\."):
        Broken.objects.bulk_create([Broken(title="a"), Broken(title="b")])
    with pytest.raises(EmbeddingError, match=r"gave None vectors for 1 texts\. It has to give one for each\."):
        Silent.objects.create(title="a")
    with pytest.raises(DimensionMismatch, match=r"Broken\.other holds 3 dimensions; this vector has 2\."):
        Broken.objects.create(title="a")
    with pytest.raises(EmbeddingError, match=r"names no EmbeddingField\. It has embedding, other\."):
        reembed(Broken.objects.all())
    with pytest.raises(ValueError, match=r"batch_size=0\): want a whole number of rows, at least 1"):
        reembed(Broken.objects.all(), "other", batch_size=0)


def test_reembed_takes_a_model_and_rows_read_as_values(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title=str(n)) for n in range(3)])
    for note in made:
        around_the_model(note.pk, "new")
    assert reembed(Memo.objects.filter(title="0").values("title")) == 1
    assert reembed(Memo.objects.order_by("id").values_list("title")[:2]) == 1
    assert reembed(Memo) == 1
    assert all(is_of(note, f"{note.title}\n\nnew") for note in made)
    with pytest.raises(TypeError, match=r"has no rows\. Give a model, or a queryset of it"):
        reembed(made[0])


def test_an_embedder_may_give_a_generator(memos: Database) -> None:
    class Streaming(Words):
        def embed_documents(self, texts: Any) -> Any:
            return (self.vector(text) for text in texts)

    field = Memo._meta.get_field("embedding")
    before, field._embedder = field._embedder, Streaming()
    try:
        assert is_of(Memo.objects.create(title="a"), "a")
    finally:
        field._embedder = before
