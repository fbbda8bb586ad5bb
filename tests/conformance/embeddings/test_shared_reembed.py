"""reembed(shared=True): several workers embed the rows of one table, and none of them twice."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from dorm.signals import pre_query

from dorm_vector import UnsupportedByDatabase, areembed, reembed
from tests.databases import Database
from tests.helpers.memos import WORDS, Memo, embedded, empty_memos, is_of, memo_table

ROWS, BATCH, SECONDS = 40, 5, 60
HELD = 4 * BATCH
"""Rows that a worker holds at most, if the size of a batch is given."""
WAYS = (reembed, areembed)


@pytest.fixture
def memos(database: Database) -> Iterator[Database]:
    with memo_table(database), empty_memos(database):
        Memo.objects.bulk_create([Memo(title=f"{number:02}") for number in range(ROWS)])
        embedded()
        WORDS.name = "words-2"
        yield database


class Holding:
    """Makes the first call of the embedder wait until it is released, while its worker has locked the rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.released, self._calls = threading.Event(), threading.Event(), count()
        self._embed = WORDS.embed_documents
        monkeypatch.setattr(WORDS, "embed_documents", self._held)

    def _held(self, texts: Any) -> Any:
        if next(self._calls) == 0:
            self.entered.set()
            assert self.released.wait(SECONDS)
        return self._embed(texts)

    def release_at_the_end(self, done: int, total: int) -> None:
        """Release it after the first round of another worker, which then waits for the locked rows."""
        if done == total:
            self.released.set()


def in_a_thread(work: Callable[[], int]) -> tuple[threading.Thread, list[int]]:
    written: list[int] = []
    thread = threading.Thread(target=lambda: written.append(work()))
    thread.start()
    return thread, written


def refused(database: Database) -> bool:
    claim = database.dialect.loading.no_claim
    if claim is None:
        return False
    with pytest.raises(UnsupportedByDatabase) as raised:
        reembed(Memo, shared=True)
    assert claim.reason in str(raised.value)
    with pytest.raises(UnsupportedByDatabase, match="Run one worker at a time"):
        asyncio.run(areembed(Memo, shared=True))
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
        database.connection.execute(claim.probe)
    assert reembed(Memo) == ROWS
    return True


@pytest.mark.parametrize("again", WAYS)
def test_no_row_is_embedded_twice(memos: Database, again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if refused(memos):
        return
    holding = Holding(monkeypatch)
    first, written = in_a_thread(lambda: reembed(Memo, batch_size=BATCH, shared=True))
    assert holding.entered.wait(SECONDS)

    async def rest() -> int:
        found = again(Memo, batch_size=BATCH, shared=True, progress=holding.release_at_the_end)
        done: int = await found if inspect.isawaitable(found) else found
        if again is areembed:
            await memos.async_connection.close()
        return done

    others = asyncio.run(rest())
    first.join(SECONDS)
    assert BATCH <= written[0] <= HELD
    assert written[0] + others == ROWS
    assert sorted(embedded()) == [f"{number:02}" for number in range(ROWS)]
    assert all(is_of(memo, memo.title) for memo in Memo.objects.all())
    assert (reembed(Memo, shared=True), reembed(Memo, dry_run=True, shared=True)) == (0, 0)


def test_what_a_worker_leaves_is_embedded_by_the_others(memos: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    if refused(memos):
        return
    holding = Holding(monkeypatch)
    failed: list[BaseException] = []

    def fail(texts: Any) -> Any:
        holding.entered.set()
        assert holding.released.wait(SECONDS)
        monkeypatch.setattr(WORDS, "embed_documents", holding._embed)
        raise ConnectionError("the embedder is gone")

    def work() -> int:
        try:
            return reembed(Memo, batch_size=BATCH, shared=True)
        except ConnectionError as error:
            failed.append(error)
            return 0

    monkeypatch.setattr(WORDS, "embed_documents", fail)
    first, written = in_a_thread(work)
    assert holding.entered.wait(SECONDS)
    monkeypatch.setattr(WORDS, "embed_documents", holding._embed)
    assert reembed(Memo, batch_size=BATCH, shared=True, progress=holding.release_at_the_end) == ROWS
    first.join(SECONDS)
    assert (written, len(failed)) == ([0], 1)
    assert all(is_of(memo, memo.title) for memo in Memo.objects.all())


@contextmanager
def observed(note: Callable[[str], None]) -> Iterator[None]:
    """Call ``note`` with each statement before it is sent."""

    def receive(sender: Any, sql: str = "", **_: Any) -> None:
        note(sql)

    pre_query.connect(receive, weak=False, dispatch_uid="shared")
    try:
        yield
    finally:
        pre_query.disconnect(dispatch_uid="shared")


@pytest.mark.parametrize("again", WAYS)
def test_the_next_rows_are_locked_while_a_batch_is_embedded(
    memos: Database, again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call of the embedder ends when more rows are locked, and no transaction holds more than it may."""
    if refused(memos):
        return
    holding, statements = Holding(monkeypatch), []

    def note(sql: str) -> None:
        if "SKIP LOCKED" in sql or sql.startswith("UPDATE"):
            statements.append(sql[:6])
        if statements.count("SELECT") == 2:
            holding.released.set()

    async def whole() -> int:
        found = again(Memo, batch_size=BATCH, shared=True)
        done: int = await found if inspect.isawaitable(found) else found
        if again is areembed:
            await memos.async_connection.close()
        return done

    with observed(note):
        assert asyncio.run(whole()) == ROWS
    assert statements[:2] == ["SELECT", "SELECT"]
    claims = ROWS if memos.dialect.loading.claims_one_row else ROWS // BATCH
    assert (statements.count("SELECT"), statements.count("UPDATE")) == (claims, ROWS // BATCH)
    assert all(is_of(memo, memo.title) for memo in Memo.objects.all())


def test_rows_that_change_while_others_hold_them_are_judged_again(
    memos: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that another worker has embedded is left alone; one with another text is embedded in the second round."""
    if refused(memos):
        return
    holding = Holding(monkeypatch)
    first, written = in_a_thread(lambda: reembed(Memo, batch_size=BATCH, shared=True))
    assert holding.entered.wait(SECONDS)
    changed: list[int] = []

    def change(done: int, total: int) -> None:
        if done == total:
            holding.released.set()
            first.join(SECONDS)
            changed.append(Memo.objects.order_by("pk").values_list("pk", flat=True)[0])
            Memo.objects.filter(pk=changed[0]).update(body="new", embedding=None, embedding_hash=None)

    others = reembed(Memo, batch_size=BATCH, shared=True, progress=change)
    assert written[0] + others == ROWS + 1
    assert is_of(Memo.objects.get(pk=changed[0]), "00\n\nnew")
    assert reembed(Memo, dry_run=True) == 0
