"""No way to write a row leaves it with the vector of another text, unless it says so; and none holds up the loop."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import dorm
import numpy as np
import pytest
from dorm import F, serialize
from dorm.db.connection import get_connection
from dorm.functions import Upper

from dorm_vector import EmbeddingField, StaleEmbedding, abulk_load, areembed, bulk_load, reembed
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, Memo, embedded, empty_memos, is_of, memo_table


@pytest.fixture(scope="module")
def with_table(database: Database) -> Iterator[Database]:
    with memo_table(database):
        yield database


@pytest.fixture
def memos(with_table: Database) -> Iterator[Database]:
    with empty_memos(with_table):
        yield with_table


class Trimmed(dorm.Model):
    """A parent whose own ``save()`` changes the text, and which has no embedding."""

    title = dorm.CharField(max_length=50)

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        self.title = self.title.strip()
        super().save(*args, **options)

    async def asave(self, *args: Any, **options: Any) -> None:
        self.title = self.title.strip()
        await super().asave(*args, **options)


class TrimmedMemo(Trimmed):
    embedding = EmbeddingField(len(WORDS.vector("")), source="title", embedder=WORDS, null=True)

    class Meta:
        app_label = "tests"


async def test_what_a_parents_save_changes_is_embedded_as_changed(db: Database) -> None:
    create_tables(db.connection, (TrimmedMemo,))
    one, other = TrimmedMemo(title=" a "), TrimmedMemo(title=" b ")
    one.save()
    await other.asave()
    found = is_of(one, "a"), is_of(other, "b")
    drop_table(db, TrimmedMemo)
    assert found == (True, True)


# rows that are there


async def test_an_upsert_embeds_what_it_overwrites(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title="a", body="b"), Memo(title="c", body="d")])
    again = [Memo(id=note.pk, title=note.title, body="new") for note in made]
    overwriting: Any = {"update_conflicts": True, "unique_fields": ["id"], "update_fields": ["body"]}
    Memo.objects.bulk_create(iter(again), **overwriting)
    assert [is_of(note, f"{note.title}\n\nnew") for note in made] == [True, True]
    await Memo.objects.abulk_create([Memo(id=made[0].pk, title="a", body="newer")], **overwriting)
    assert is_of(made[0], "a\n\nnewer")
    embedded()
    Memo.objects.upsert([Memo(id=made[1].pk, title="c", body="newest")], unique_fields=["id"])
    assert is_of(made[1], "c\n\nnewest")


async def test_bulk_update_async(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title=str(n)) for n in range(4)])
    embedded()
    for note in made[:3]:
        note.body = "more"
    await Memo.objects.abulk_update(iter(made), ["body"])
    assert sorted(embedded()) == ["0\n\nmore", "1\n\nmore", "2\n\nmore"]
    assert is_of(made[2], "2\n\nmore")
    assert is_of(made[3], "3")


def test_save_by_position(memos: Database) -> None:
    note = Memo.objects.create(title="a")
    note.title = "b"
    note.save("default", False, False, ["title"])  # by position is the test
    assert is_of(note, "b")


# a queryset's update


async def test_an_update_that_tells_the_whole_text_embeds_it_once(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title=str(n)) for n in range(3)])
    embedded()
    assert Memo.objects.filter(pk__in=[made[0].pk, made[1].pk]).update(title="x", body="y") == 2
    assert embedded() == ["x\n\ny"]
    assert is_of(made[1], "x\n\ny")
    assert await Memo.objects.filter(pk=made[2].pk).aupdate(title="z", body=None) == 1
    assert is_of(made[2], "z")
    assert Memo.objects.update(title="", body=None) == 3
    stored = Memo.objects.get(pk=made[0].pk)
    assert (stored.embedding, stored.embedding_hash) == (None, None)


UPDATES: dict[str, Callable[[], dict[str, Any]]] = {
    "a part of the text": lambda: {"body": "new"},
    "a computed text": lambda: {"title": Upper("title"), "body": "b"},
    "another column": lambda: {"title": F("body"), "body": "b"},
}


@pytest.mark.parametrize("update", UPDATES)
async def test_an_update_that_cannot_tell_it_warns_and_reembed_fixes_it(memos: Database, update: str) -> None:
    note, values = Memo.objects.create(title="a", body="b"), UPDATES[update]()
    with pytest.warns(
        StaleEmbedding, match=r"Memo\.embedding: .* reembed\(Memo\.objects\.all\(\), 'embedding'\)"
    ) as seen:
        Memo.objects.update(**values)
    assert seen[0].filename == __file__
    with pytest.warns(StaleEmbedding):
        await Memo.objects.aupdate(**values)
    row = Memo.objects.get()
    assert reembed(Memo.objects.all()) == 1
    assert is_of(note, f"{row.title}\n\n{row.body}")


async def test_a_row_whose_text_the_database_computes_warns_and_reembed_fixes_it(memos: Database) -> None:
    saved, asaved = made = [Memo.objects.create(title=title, body="b") for title in "xy"]
    embedded()
    for note in made:
        note.title = F("body")
    with pytest.warns(StaleEmbedding, match=r"reembed\(Memo\.objects\.all\(\), 'embedding'\)") as seen:
        saved.save()
    assert seen[0].filename == __file__
    with pytest.warns(StaleEmbedding):
        await asaved.asave(update_fields=["title"])
    assert embedded() == []
    assert [is_of(note, f"{title}\n\nb") for note, title in zip(made, "xy", strict=True)] == [True, True]
    assert reembed(Memo.objects.all()) == 2
    assert [is_of(note, "b\n\nb") for note in made] == [True, True]


def test_as_an_error_the_warning_changes_nothing(memos: Database) -> None:
    note = Memo.objects.create(title="a")
    with warnings.catch_warnings():
        warnings.simplefilter("error", StaleEmbedding)
        with pytest.raises(StaleEmbedding):
            Memo.objects.update(body="new")
        note.title = F("body")
        with pytest.raises(StaleEmbedding):
            note.save()
    assert is_of(note, "a")


def test_an_update_of_something_else_says_nothing(memos: Database) -> None:
    note = Memo.objects.create(title="a")
    embedded()
    assert Memo.objects.update(embedding=[1, 2, 3, 4]) == 1
    assert Memo.objects.update(body="b", embedding=[4, 3, 2, 1]) == 1
    assert Memo.objects.get(pk=note.pk).embedding == [4, 3, 2, 1]
    assert embedded() == []


# sources of other kinds


class Essay(dorm.Model):
    author = dorm.ForeignKey("Essayist", on_delete=dorm.CASCADE, null=True, related_name="essays")
    title = dorm.CharField(max_length=50)
    pages = dorm.IntegerField(default=1)
    by_function = EmbeddingField(4, source=lambda essay: f"{essay.title}, {essay.pages}", embedder=WORDS, null=True)
    by_property = EmbeddingField(4, source="heading", embedder=WORDS, null=True)

    @property
    def heading(self) -> str:
        return f"{self.title}!"

    class Meta:
        app_label = "tests"


class Essayist(dorm.Model):
    name = dorm.CharField(max_length=50)

    class Meta:
        app_label = "tests"


@pytest.fixture
def essays(memos: Database) -> Iterator[Database]:
    create_tables(memos.connection, (Essayist, Essay))
    yield memos
    get_connection().execute_script('DROP TABLE "tests_essay"')
    get_connection().execute_script('DROP TABLE "tests_essayist"')


def test_a_function_and_a_property_make_the_text(essays: Database) -> None:
    ada = Essayist.objects.create(name="Ada")
    essay = ada.essays.create(title="a")

    def texts(essay: Essay) -> tuple[bool, bool]:
        row = Essay.objects.get(pk=essay.pk)
        by_function, by_property = WORDS.vector(f"{row.title}, {row.pages}"), WORDS.vector(f"{row.title}!")
        return row.by_function == pytest.approx(by_function), row.by_property == pytest.approx(by_property)

    assert texts(essay) == (True, True)
    essay.pages = 2
    essay.save(update_fields=["pages"])
    assert texts(essay) == (True, True)
    part = Essay.objects.only("pages").get()
    part.pages = 3
    part.save()
    assert texts(essay) == (True, True)
    with pytest.warns(StaleEmbedding, match=r"Essay\.by_(function|property)"):
        Essay.objects.update(pages=4)


# around save()


def test_a_fixture_is_embedded_where_it_has_to_be(memos: Database) -> None:
    Memo.objects.bulk_create([Memo(title=title, body="b") for title in ("same", "edited", "bare")])
    records = json.loads(serialize.dumps([Memo.objects.order_by("id")]))
    records[1]["fields"]["body"] = "c"
    del records[2]["fields"]["embedding"], records[2]["fields"]["embedding_hash"]
    Memo.objects.all().delete()
    embedded()
    assert serialize.load(json.dumps(records)) == 3
    assert embedded() == ["edited\n\nc", "bare\n\nb"]
    for note, text in zip(Memo.objects.order_by("id"), ("same\n\nb", "edited\n\nc", "bare\n\nb"), strict=True):
        assert is_of(note, text)


LOADS: dict[str, Callable[[], Any]] = {
    "instances": lambda: [Memo(title=str(n)) for n in range(7)],
    "dicts": lambda: ({"title": str(n), "body": None} for n in range(7)),
    "columns": lambda: {"title": [str(n) for n in range(7)]},
}


@pytest.mark.parametrize("rows", LOADS)
async def test_a_load_is_embedded_in_batches(memos: Database, rows: str) -> None:
    assert bulk_load(Memo, LOADS[rows](), batch_size=4) == 7
    assert {len(call) for call in WORDS.calls} <= {1, 2, 3}
    assert sorted(embedded()) == [str(n) for n in range(7)]
    assert all(is_of(note, note.title) for note in Memo.objects.all())
    WORDS.threads.clear()
    assert await abulk_load(Memo, LOADS[rows](), batch_size=4) == 7
    assert Memo.objects.filter(embedding__isnull=True).count() == 0
    assert threading.get_ident() not in WORDS.threads


async def test_a_load_is_embedded_while_it_is_written(memos: Database) -> None:
    """One thread or task calls the embedder, and is a few batches ahead of what is written, not more."""
    for load in (bulk_load, abulk_load):
        told: list[tuple[int, int]] = []
        WORDS.threads.clear()

        def note(done: int, _total: Any, told: list[tuple[int, int]] = told) -> None:
            told.append((done, sum(map(len, WORDS.calls))))

        rows = [{"title": f"{load.__name__} {n}"} for n in range(30)]
        written = load(Memo, rows, batch_size=3, progress=note)
        assert (await written if inspect.isawaitable(written) else written) == 30
        assert [done for done, _ in told] == list(range(0, 31, 3))
        assert all(done <= made <= done + 9 for done, made in told)
        # It is told before the first text is embedded.
        assert told[0] == (0, 0)
        # asyncio takes any thread of its own.
        assert len(WORDS.threads) == 1 or load is abulk_load
        assert threading.get_ident() not in WORDS.threads
        assert embedded() == [row["title"] for row in rows]
    assert all(is_of(note, note.title) for note in Memo.objects.all())


async def test_a_load_whose_embedder_fails_stores_nothing(memos: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(texts: Sequence[str]) -> Any:
        if "8" in texts:
            raise RuntimeError("out of credit")
        return [WORDS.vector(text) for text in texts]

    async def afails(texts: Sequence[str]) -> Any:
        return fails(texts)

    monkeypatch.setattr(WORDS, "embed_documents", fails)
    monkeypatch.setattr(WORDS, "aembed_documents", afails)
    with pytest.raises(RuntimeError, match="out of credit"):
        bulk_load(Memo, [{"title": str(n)} for n in range(20)], batch_size=2)
    with pytest.raises(RuntimeError, match="out of credit"):
        await abulk_load(Memo, [{"title": str(n)} for n in range(20)], batch_size=2)
    assert Memo.objects.count() == 0


def test_vectors_that_are_loaded_are_kept(memos: Database) -> None:
    given = np.arange(8, dtype=np.float32).reshape(2, 4)
    bulk_load(Memo, {"title": ["a", "b"], "embedding": given})
    bulk_load(Memo, [{"title": "c", "embedding": [9, 9, 9, 9]}])
    assert [row.embedding for row in Memo.objects.order_by("title")] == [*given.tolist(), [9, 9, 9, 9]]
    for row in Memo.objects.all():
        row.save()
    assert reembed(Memo.objects.all()) == 0
    assert embedded() == []


def test_a_load_that_overwrites_embeds_again(memos: Database) -> None:
    note = Memo.objects.create(title="a")
    bulk_load(Memo, [{"id": note.pk, "title": "b"}], on_conflict="update")
    assert is_of(note, "b")


# reembed


def around_the_model(key: int, body: str | None) -> None:
    """Change a text as another program does."""
    get_connection().execute_write('UPDATE "tests_memo" SET "body" = %s WHERE "id" = %s', [body, key])


def test_reembed_of_a_slice_and_of_rows_read_in_part(memos: Database) -> None:
    made = Memo.objects.bulk_create([Memo(title=str(n), body="old") for n in range(6)])
    for note in made:
        around_the_model(note.pk, "new")
    assert reembed(Memo.objects.order_by("-id")[:2], batch_size=1) == 2
    assert [is_of(note, f"{note.title}\n\nnew") for note in made] == [False] * 4 + [True] * 2
    assert reembed(Memo.objects.only("title").filter(title__in=["0", "5"])) == 1
    assert is_of(made[0], "0\n\nnew")


def test_reembed_clears_the_vector_of_a_text_that_is_gone(memos: Database) -> None:
    note = Memo.objects.create(title="", body="b")
    around_the_model(note.pk, None)
    assert reembed(Memo.objects.all()) == 1
    stored = Memo.objects.get()
    assert (stored.embedding, stored.embedding_hash) == (None, None)
    assert reembed(Memo.objects.all()) == 0


async def test_reembed_embeds_while_it_writes(memos: Database) -> None:
    """One thread or task calls the embedder, and is a few batches ahead of what is written, not more."""
    Memo.objects.bulk_create([Memo(title=str(n)) for n in range(20)])
    for number, again in enumerate((reembed, areembed), 2):
        WORDS.name = f"words-{number}"
        told: list[tuple[int, int]] = []
        embedded()

        def note(done: int, _total: int, told: list[tuple[int, int]] = told) -> None:
            told.append((done, sum(map(len, WORDS.calls))))

        WORDS.threads.clear()
        written = again(Memo.objects.all(), batch_size=2, progress=note)
        assert (await written if inspect.isawaitable(written) else written) == 20
        assert [done for done, _ in told] == list(range(0, 21, 2))
        assert told[0] == (0, 0)
        assert all(done <= made <= done + 4 for done, made in told)
        assert {len(call) for call in WORDS.calls} == {2}
        assert threading.get_ident() not in WORDS.threads
        assert embedded() == [str(n) for n in range(20)]
    assert all(is_of(memo, memo.title) for memo in Memo.objects.all())


async def test_reembed_leaves_a_row_that_is_saved_meanwhile(memos: Database) -> None:
    for number, again in enumerate((reembed, areembed), 2):
        Memo.objects.all().delete()
        Memo.objects.bulk_create([Memo(title=str(n)) for n in range(6)])
        WORDS.name = f"words-{number}"

        def save_later_pages(done: int, _total: int) -> None:
            if done == 2:  # the next pages have been read
                memo = Memo.objects.get(title="3")
                memo.body = "newer"
                memo.save()
                Memo.objects.get(title="4").delete()

        found = again(Memo, batch_size=2, progress=save_later_pages)
        assert (await found if inspect.isawaitable(found) else found) == 6
        stored = list(Memo.objects.order_by("title"))
        assert [memo.title for memo in stored] == ["0", "1", "2", "3", "5"]
        assert all(is_of(memo, "3\n\nnewer" if memo.title == "3" else memo.title) for memo in stored)


async def test_areembed_goes_on_where_it_was_cancelled(memos: Database) -> None:
    Memo.objects.bulk_create([Memo(title=str(n)) for n in range(7)])
    WORDS.name = "words-2"
    seen: list[tuple[int, int]] = []
    embedded()

    def note(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 4:
            task.cancel()

    task = asyncio.ensure_future(areembed(Memo.objects.all(), batch_size=2, progress=note))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [(0, 7), (2, 7), (4, 7)]
    await asyncio.sleep(0.05)
    embedded()
    assert await areembed(Memo.objects.all(), batch_size=2) == 3
    assert embedded() == ["4", "5", "6"]


# the event loop


async def ticks_during(work: Awaitable[Any]) -> tuple[int, float]:
    """Return how often a ticker of 5 ms ran while the work was done, and how long that took."""
    ticks, started = 0, time.perf_counter()

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticker = asyncio.ensure_future(tick())
    await work
    ticker.cancel()
    return ticks, time.perf_counter() - started


async def nearest() -> Any:
    return await Memo.objects.nearest("embedding", "found")[:1]


SLOW: dict[str, Callable[[], Awaitable[Any]]] = {
    "acreate": lambda: Memo.objects.acreate(title="a"),
    "asave": lambda: Memo(title="a").asave(),
    "abulk_create": lambda: Memo.objects.abulk_create([Memo(title="a")]),
    "aget_or_create": lambda: Memo.objects.aget_or_create(title="a"),
    "aupdate_or_create": lambda: Memo.objects.aupdate_or_create(title="a", defaults={"body": "b"}),
    "aupdate": lambda: Memo.objects.aupdate(title="a", body="b"),
    "abulk_load": lambda: abulk_load(Memo, [{"title": "a"}]),
    "areembed": lambda: areembed(Memo.objects.all()),
    "nearest": nearest,
}


@pytest.mark.parametrize("write", SLOW)
async def test_the_loop_goes_on_while_a_slow_embedder_runs(memos: Database, write: str) -> None:
    Memo.objects.bulk_create([Memo(title="there")])
    embedded()
    if write == "areembed":
        WORDS.name = "words-2"
    WORDS.seconds = 0.3
    ticks, seconds = await ticks_during(SLOW[write]())
    assert embedded()
    assert seconds >= 0.3
    # A loop that waits for the embedder ticks a few times in all.
    assert ticks >= 15
