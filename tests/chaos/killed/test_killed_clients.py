"""A client that is killed at its work, `kill -9`: what it was told is stored, and of the rest no part of a whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from dorm.db.connection import close_all
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.transaction import aatomic, atomic

from dorm_vector import abulk_load, bulk_load, reembed
from tests.chaos import workers
from tests.chaos.children import Client
from tests.chaos.extent import TIMES
from tests.chaos.faults import Faults
from tests.databases import Database, create_tables, drop_table, state_of
from tests.helpers.memos import WORDS, Memo, empty_memos, memo_table
from tests.helpers.writers import Passage
from tests.models import Document

TRIES = 3 * TIMES
ROWS, BLOCK, MEMOS, BATCH = 100, 3, 60, 5
VECTOR = [1.0, 2.0, 3.0]
MOST_SECONDS = 0.05
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


@pytest.fixture
def released(db: Database) -> Iterator[Database]:
    """A database that this process does not have open, because Turso lets in one process at a time."""
    close_all()
    yield db
    db.use()


def rows(title: str) -> list[dict[str, Any]]:
    return [{"title": title, "embedding": VECTOR} for _ in range(ROWS)]


def load(title: str) -> None:
    bulk_load(Document, rows(title), batch_size=10)


def aload(title: str) -> None:
    workers.run(abulk_load(Document, rows(title), batch_size=10))


def block(title: str) -> None:
    with atomic():
        for _ in range(BLOCK):
            Document.objects.create(title=title, embedding=VECTOR)


def ablock(title: str) -> None:
    async def write() -> None:
        async with aatomic():
            for _ in range(BLOCK):
                await Document.objects.acreate(title=title, embedding=VECTOR)

    workers.run(write())


PIECES: dict[str, tuple[Callable[[str], None], int]] = {
    "bulk_load()": (load, ROWS),
    "abulk_load()": (aload, ROWS),
    "atomic()": (block, BLOCK),
    "aatomic()": (ablock, BLOCK),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces_of_work_are_stored_whole(released: Database, faults: Faults, name: str) -> None:
    work, size = PIECES[name]
    chance, promised, uncertain = random.Random(name), [], []

    def endless(attempt: int, report: Callable[[], object]) -> None:
        for number in count():
            work(f"{attempt} {number}")
            report()

    for attempt in range(TRIES):
        client = Client(lambda report, attempt=attempt: endless(attempt, report))  # type: ignore[misc]
        done = client.killed(after=chance.uniform(0, MOST_SECONDS))
        promised += [f"{attempt} {number}" for number in range(done)] * size
        uncertain += [f"{attempt} {done}"] * size
    stored = Document.objects.values_list("title", flat=True)
    fault = f"`kill -9` of a client in `{name}`"
    faults.count(fault, times=TRIES, acknowledged=promised, uncertain=uncertain, stored=stored)
    block("next")
    assert Document.objects.filter(title="next").count() == BLOCK


@pytest.fixture
def memos(database: Database) -> Iterator[Database]:
    """Rows whose texts are embedded, in a table of their own."""
    with memo_table(database), empty_memos(database):
        Memo.objects.bulk_create([Memo(title=str(number), body="body") for number in range(MEMOS)])
        yield database


def test_reembed_is_run_again(memos: Database, faults: Faults) -> None:
    """No row is lost, none has a vector that is not of its text and model, and what was reported is not done again."""
    chance, done = random.Random(1), []
    for attempt in range(TRIES):
        WORDS.name = f"model-{attempt}"
        close_all()
        client = Client(lambda report: reembed(Memo, batch_size=BATCH, progress=lambda done, _total: done and report()))
        done.append(client.killed(after=chance.uniform(0, MOST_SECONDS)) * BATCH)
        memos.use()
        left = reembed(Memo, batch_size=BATCH)
        # The last page may be written and not reported.
        assert MEMOS - done[-1] - BATCH <= left <= MEMOS - done[-1]
        assert {memo.title: memo.embedding for memo in Memo.objects.all()} == {
            str(number): pytest.approx(WORDS.vector(f"{number}\n\nbody")) for number in range(MEMOS)
        }
    titles = [str(number) for number in range(MEMOS)]
    stored = list(Memo.objects.values_list("title", flat=True))
    faults.count("`kill -9` of a client in `reembed()`", times=TRIES, acknowledged=titles, stored=stored)


@pytest.mark.not_on("sqlite", "turso", "libsql", reason="they lock no rows, and reembed(shared=True) is refused")
def test_another_worker_embeds_what_a_killed_one_held(memos: Database, faults: Faults) -> None:
    chance = random.Random(2)
    for attempt in range(TRIES):
        WORDS.name, WORDS.seconds = f"shared-{attempt}", 0.002
        close_all()
        client = Client(
            lambda report: reembed(Memo, batch_size=BATCH, shared=True, progress=lambda _done, _total: report())
        )
        memos.use()
        at = BATCH * chance.randrange(MEMOS // BATCH)
        killed: list[int] = []

        def kill(done: int, _total: int, client: Client = client, at: int = at, killed: list[int] = killed) -> None:
            if done >= at and not killed:
                killed.append(client.killed(after=0))

        reembed(Memo, batch_size=BATCH, shared=True, progress=kill)
        assert len(killed) == 1
        assert reembed(Memo, dry_run=True) == 0
        assert {memo.title: memo.embedding for memo in Memo.objects.all()} == {
            str(number): pytest.approx(WORDS.vector(f"{number}\n\nbody")) for number in range(MEMOS)
        }
    titles = [str(number) for number in range(MEMOS)]
    stored = list(Memo.objects.values_list("title", flat=True))
    fault = "`kill -9` of one of two clients in `reembed(shared=True)`"
    faults.count(fault, times=TRIES, acknowledged=titles, stored=stored)


@pytest.mark.not_on("turso", "libsql", "postgresql", "mariadb", "mysql", reason="Vec0Index builds nothing there")
def test_a_companion_table_is_rebuilt_again(released: Database, faults: Faults) -> None:
    """The rows stay, and the companion is that of before or that of after."""
    released.use()
    create_tables(released.connection, (Passage,))
    texts = [f"text {number}" for number in range(300)]
    vectors = [[float(number), 1.0, 0.0, 0.0] for number in range(300)]
    bulk_load(Passage, {"text": texts, "embedding": vectors})
    chance = random.Random(2)
    for _attempt in range(TRIES):
        close_all()
        Client(lambda report: rebuild_endlessly(released, report)).killed(after=chance.uniform(0, MOST_SECONDS))
        released.use()
        (held,) = released.connection.execute('SELECT COUNT(*) AS "rows" FROM "passage_vec"')
        assert held["rows"] == len(texts)
        assert [row.text for row in Passage.objects.nearest("embedding", [7, 1, 0, 0])[:1]] == ["text 7"]
    stored = list(Passage.objects.values_list("text", flat=True))
    faults.count("`kill -9` while a `Vec0Index` is rebuilt", times=TRIES, acknowledged=texts, stored=stored)
    rebuild(released)
    drop_table(released, Passage)


def rebuild_endlessly(database: Database, report: Callable[[], object]) -> None:
    for _number in count():
        rebuild(database)
        report()


def rebuild(database: Database) -> None:
    index, state, connection = Passage._meta.indexes[0], state_of((Passage,)), database.connection
    with connection.atomic():
        RemoveIndex("Passage", index).database_forwards("tests", connection, state, state)
        AddIndex("Passage", index).database_forwards("tests", connection, state, state)
