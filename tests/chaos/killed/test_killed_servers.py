"""A server that is killed or restarted while clients write: no acknowledged row is lost, and none is written twice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection
from dorm.transaction import aatomic, atomic

from tests.chaos.extent import TIMES
from tests.chaos.faults import Faults
from tests.chaos.killed.own_server import OwnServer, own_server
from tests.databases import Database
from tests.models import Document

VECTOR = [1.0, 2.0, 3.0]
PATIENCE = 120.0
PAUSE = 0.02
pytestmark = pytest.mark.not_on("sqlite", "turso", reason="they have no server")


@pytest.fixture
def served(database: Database) -> Iterator[tuple[OwnServer, Database]]:
    """A server that nobody else uses."""
    with own_server(database) as started:
        yield started


class Writer(threading.Thread):
    """A client that goes on writing, and remembers what it was told."""

    def __init__(self, name: str, rows: int, write: Callable[[str, int], object]) -> None:
        super().__init__(name=name, daemon=True)
        self.rows, self._write, self._stopping = rows, write, threading.Event()
        self.acknowledged: list[str] = []
        self.uncertain: list[str] = []
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            for number in count():
                if self._stopping.is_set():
                    return
                self._try(f"{self.name} {number}")
        except BaseException as error:  # noqa: BLE001  # the test raises it
            self.failed = error

    def _try(self, title: str) -> None:
        try:
            self._write(title, self.rows)
        except dorm.DatabaseError:
            self.uncertain += [title] * self.rows
            time.sleep(PAUSE)
        else:
            self.acknowledged += [title] * self.rows

    def advance(self) -> None:
        """Wait until it has written some more."""
        enough, deadline = len(self.acknowledged) + 5 * self.rows, time.monotonic() + PATIENCE
        while len(self.acknowledged) < enough:
            assert self.failed is None, f"{self.name} failed: {self.failed!r}"
            assert time.monotonic() < deadline, f"{self.name} wrote nothing for {PATIENCE:.0f} seconds"
            time.sleep(0.01)

    def stop(self) -> None:
        self._stopping.set()
        self.join(PATIENCE)
        assert not self.is_alive(), f"{self.name} hangs"
        if self.failed is not None:
            raise self.failed


def write(title: str, rows: int) -> None:
    if rows == 1:
        Document.objects.create(title=title, embedding=VECTOR)
        return
    with atomic():
        for _ in range(rows):
            Document.objects.create(title=title, embedding=VECTOR)


class AsyncWriter(Writer):
    """The same in an event loop of its own."""

    def __init__(self, name: str, rows: int) -> None:
        self._runner = asyncio.Runner()
        super().__init__(name, rows, lambda title, rows: self._runner.run(awrite(title, rows)))

    def run(self) -> None:
        super().run()
        self._runner.run(_close())
        self._runner.close()


async def _close() -> None:
    await get_async_connection().close()


async def awrite(title: str, rows: int) -> None:
    if rows == 1:
        await Document.objects.acreate(title=title, embedding=VECTOR)
        return
    async with aatomic():
        for _ in range(rows):
            await Document.objects.acreate(title=title, embedding=VECTOR)


FAULTS: dict[str, Callable[[OwnServer], Any]] = {
    "`kill -9` of the server while clients write": OwnServer.kill,
    "restart of the server while clients write": OwnServer.stop,
}


def test_what_was_acknowledged_outlives_the_server(served: tuple[OwnServer, Database], faults: Faults) -> None:
    server, database = served
    for fault, take_down in FAULTS.items():
        database.clear()
        writers = [Writer("row", 1, write), Writer("block", 3, write), AsyncWriter("async row", 1)]
        writers += [AsyncWriter("async block", 3)]
        for writer in writers:
            writer.start()
        for _time in range(TIMES):
            for writer in writers:
                writer.advance()
            take_down(server)
            time.sleep(5 * PAUSE)
            server.start()
            for writer in writers:
                writer.advance()
        for writer in writers:
            writer.stop()
        faults.count(
            fault,
            times=TIMES,
            acknowledged=[title for writer in writers for title in writer.acknowledged],
            uncertain=[title for writer in writers for title in writer.uncertain],
            stored=Document.objects.values_list("title", flat=True),
        )
