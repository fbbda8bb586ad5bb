"""An EmbeddingField fills itself on every way to write a row, once for each text; and text finds it again."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator, Sequence

import dorm
import pytest

from dorm_vector import DimensionMismatch, EmbeddingError, EmbeddingField, L2Distance, areembed, reembed
from tests.databases import Database, create_tables

DIMENSIONS = 4


class Words:
    """An embedder whose vectors say which text they are of; it counts what it is asked."""

    name = "words-1"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.threads: set[int] = set()

    def vector(self, text: str) -> list[float]:
        return [byte / 255 for byte in hashlib.sha256(f"{self.name} {text}".encode()).digest()[:DIMENSIONS]]

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls.append(list(texts))
        self.threads.add(threading.get_ident())
        return [self.vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        return (await self.aembed_documents([text]))[0]


WORDS = Words()


class Note(dorm.Model):
    title = dorm.CharField(max_length=50)
    body = dorm.TextField(null=True)
    embedding = EmbeddingField(DIMENSIONS, source=["title", "body"], embedder=WORDS, null=True, batch_size=3)

    class Meta:
        app_label = "tests"


@pytest.fixture(scope="module")
def with_table(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (Note,))
    yield database
    database.use()
    database.connection.execute_script('DROP TABLE "tests_note"')


@pytest.fixture
def notes(with_table: Database) -> Iterator[Database]:
    with_table.use()
    with_table.connection.execute_write('DELETE FROM "tests_note"')
    WORDS.calls.clear()
    WORDS.threads.clear()
    yield with_table
    WORDS.name = "words-1"


def is_of(note: Note, text: str) -> bool:
    stored = Note.objects.get(pk=note.pk)
    right: bool = stored.embedding == pytest.approx(WORDS.vector(text))
    return right and stored.embedding_hash == Note.embedding.hash(text)


def embedded() -> list[str]:
    texts = [text for call in WORDS.calls for text in call]
    WORDS.calls.clear()
    return texts


def test_create_save_and_only_a_change_of_the_text(notes: Database) -> None:
    note = Note.objects.create(title="a", body="b")
    assert embedded() == ["a\n\nb"]
    assert is_of(note, "a\n\nb")
    note.save()
    Note.objects.get(pk=note.pk).save()
    assert embedded() == []
    note.body = "c"
    note.save()
    assert embedded() == ["a\n\nc"]
    assert is_of(note, "a\n\nc")
    note.title, note.body = "", None
    note.save()
    stored = Note.objects.get(pk=note.pk)
    assert (stored.embedding, stored.embedding_hash, embedded()) == (None, None, [])


def test_update_fields(notes: Database) -> None:
    note = Note.objects.create(title="a")
    embedded()
    note.title, note.body = "x", "y"
    note.save(update_fields=["title", "body"])
    assert is_of(note, "x\n\ny")
    embedded()
    note.save(update_fields=["embedding_hash"])
    assert embedded() == []


def test_bulk_create_in_batches(notes: Database) -> None:
    made = Note.objects.bulk_create([Note(title=str(n)) for n in range(8)])
    assert [len(call) for call in WORDS.calls] == [3, 3, 2]
    assert all(is_of(note, note.title) for note in made)


def test_bulk_update(notes: Database) -> None:
    made = Note.objects.bulk_create([Note(title=str(n)) for n in range(4)])
    embedded()
    for note in made[:2]:
        note.body = "more"
    Note.objects.bulk_update(made, ["body"])
    assert sorted(embedded()) == ["0\n\nmore", "1\n\nmore"]
    assert is_of(made[0], "0\n\nmore")
    assert is_of(made[3], "3")


def test_get_or_create_and_update_or_create(notes: Database) -> None:
    Note.objects.get_or_create(title="a", defaults={"body": "b"})
    note, created = Note.objects.update_or_create(title="a", defaults={"body": "c"})
    assert not created
    assert is_of(note, "a\n\nc")
    other, created = Note.objects.update_or_create(title="new", defaults={"body": "d"})
    assert created
    assert is_of(other, "new\n\nd")


async def test_async_writes_and_the_event_loop(notes: Database) -> None:
    note = await Note.objects.acreate(title="a")
    note.body = "b"
    await note.asave()
    await Note.objects.abulk_create([Note(title=str(n)) for n in range(4)])
    await Note.objects.aget_or_create(title="e", defaults={"body": "f"})
    changed, _created = await Note.objects.aupdate_or_create(title="e", defaults={"body": "g"})
    assert threading.get_ident() not in WORDS.threads
    stored = {row.title: row.embedding async for row in Note.objects.all()}
    assert stored["a"] == pytest.approx(WORDS.vector("a\n\nb"))
    assert stored["3"] == pytest.approx(WORDS.vector("3"))
    assert stored["e"] == pytest.approx(WORDS.vector("e\n\ng"))
    assert changed.pk is not None


def test_a_vector_given_to_a_new_row_is_kept_until_its_text_changes(notes: Database) -> None:
    given = [1.0, 2.0, 3.0, 4.0]
    note = Note.objects.create(title="a", embedding=given)
    assert embedded() == []
    stored = Note.objects.get(pk=note.pk)
    assert stored.embedding == given
    stored.save()
    assert embedded() == []
    stored.body = "b"
    stored.save()
    assert is_of(note, "a\n\nb")


def test_a_row_read_without_its_text_keeps_its_vector(notes: Database) -> None:
    note = Note.objects.create(title="a", body="b")
    embedded()
    for queryset in (Note.objects.defer("embedding"), Note.objects.defer("embedding", "embedding_hash")):
        queryset.get(pk=note.pk).save()
        assert is_of(note, "a\n\nb")
    assert embedded() == []


def test_text_finds(notes: Database) -> None:
    Note.objects.bulk_create([Note(title=title) for title in ("red", "green", "blue")])
    embedded()
    found = Note.objects.nearest("embedding", "green")
    assert found[:1][0].title == "green"
    assert found.filter(title__contains="e").count() == 3
    assert embedded() == ["green"]
    assert [row.title for row in found[:1]] == ["green"]
    assert Note.objects.nearest("embedding", "blue", max_distance=1e-6).get().title == "blue"


async def test_text_finds_without_blocking(notes: Database) -> None:
    await Note.objects.abulk_create([Note(title=title) for title in ("red", "green", "blue")])
    WORDS.threads.clear()
    assert [row.title for row in await Note.objects.nearest("embedding", "red")[:1]] == ["red"]
    assert (await Note.objects.nearest("embedding", "blue").afirst()).title == "blue"
    assert await Note.objects.nearest("embedding", "blue", max_distance=1e-6).acount() == 1
    assert await Note.objects.nearest("embedding", "blue", max_distance=1e-6).aexists()
    assert await Note.objects.nearest("embedding", "green").values_list("title", flat=True)[:1] == ["green"]
    assert "tests_note" in await Note.objects.nearest("embedding", "green")[:1].aexplain()
    assert threading.get_ident() not in WORDS.threads


def test_reembed_after_a_change_of_model_resumes(notes: Database) -> None:
    made = Note.objects.bulk_create([Note(title=str(n)) for n in range(7)])
    Note.objects.filter(title="6").update(body="changed around the model")
    embedded()
    assert reembed(Note.objects.all()) == 1
    assert is_of(made[6], "6\n\nchanged around the model")
    assert reembed(Note.objects.all()) == 0
    WORDS.name = "words-2"
    seen: list[tuple[int, int]] = []

    def stop_after_two(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(Note.objects.all(), batch_size=2, progress=stop_after_two)
    assert seen == [(2, 7), (4, 7)]
    embedded()
    assert reembed(Note.objects.all(), "embedding", batch_size=2) == 3
    assert embedded() == ["4", "5", "6\n\nchanged around the model"]
    assert all(is_of(note, note.title) for note in made[:6])


async def test_areembed(notes: Database) -> None:
    await Note.objects.abulk_create([Note(title=str(n)) for n in range(5)])
    await Note.objects.all().aupdate(body="b")
    WORDS.threads.clear()
    seen: list[int] = []
    assert await areembed(Note.objects.filter(title__lt="3"), progress=lambda done, total: seen.append(done)) == 3
    assert seen == [3]
    assert threading.get_ident() not in WORDS.threads


def test_it_is_a_vector_field(notes: Database) -> None:
    Note.objects.create(title="a")
    assert Note.objects.order_by(L2Distance("embedding", WORDS.vector("a")))[0].title == "a"
    assert Note.objects.nearest("embedding", Note.objects.first()).count() == 0


class Short(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(3, source="title", embedder=WORDS)

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
    with pytest.raises(DimensionMismatch, match=r"Broken\.other holds 3 dimensions; this vector has 2\."):
        Broken.objects.create(title="a")
    with pytest.raises(EmbeddingError, match=r"names no EmbeddingField\. It has embedding, other\."):
        reembed(Broken.objects.all())
    with pytest.raises(ValueError, match=r"batch_size=0\): want at least 1"):
        reembed(Broken.objects.all(), "other", batch_size=0)
