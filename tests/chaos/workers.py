"""What the processes of the fork tests run: importable by a child that starts from nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from functools import cache
from typing import Any, TypeVar

import dorm
from dorm.db.connection import get_async_connection

from tests.models import Document

_Answer = TypeVar("_Answer")


def run(work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Run the coroutine in the event loop of this process."""
    return _loop_of(os.getpid()).run_until_complete(work)


@cache
def _loop_of(_process: int) -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def stop() -> None:
    """Close this event loop, and the async connections that it has."""
    run(get_async_connection().close())
    _loop_of(os.getpid()).close()
    _loop_of.cache_clear()


def configure(settings: dict[str, Any]) -> None:
    dorm.configure(DATABASES={"default": settings}, INSTALLED_APPS=[])


def vector(number: int) -> list[float]:
    return [float(number), 1.0, 0.0]


def nearest(number: int) -> str:
    return str(Document.objects.nearest("embedding", vector(number))[:1][0].title)


async def anearest(number: int) -> str:
    rows = [row async for row in Document.objects.nearest("embedding", vector(number))[:1]]
    return str(rows[0].title)


def search(numbers: list[int]) -> list[str]:
    """Return the title of the nearest document to each number: sync, async, sync again."""
    found = [nearest(number) for number in numbers]

    async def searched() -> list[str]:
        return [await anearest(number) for number in numbers]

    assert run(searched()) == found
    return [nearest(number) for number in numbers]


def write(name: str, numbers: Iterable[int]) -> list[str]:
    """Write documents, one by one sync and async, and return their titles once they are stored."""

    async def awrite(titles: list[str]) -> None:
        for title in titles:
            await Document.objects.acreate(title=title, embedding=vector(-1))

    titles = [f"{name} {number}" for number in numbers]
    for title in titles[::2]:
        Document.objects.create(title=title, embedding=vector(-1))
    run(awrite(titles[1::2]))
    return titles


def configured_search(settings: dict[str, Any], numbers: list[int]) -> list[str]:
    """Do the same in a process that may know no database yet."""
    if not dorm.conf.settings._configured:
        configure(settings)
    return search(numbers)


def serve_tasks(tasks: int, done: int, work: Callable[[str], Any]) -> None:
    """Take tasks of one line each from a pipe that several workers read, and report each that is done."""
    while task := _line(tasks):
        work(task)
        os.write(done, f"{os.getpid()} {task}\n".encode())


def _line(pipe: int) -> str:
    # Tasks have one length, so that two workers never share one.
    return os.read(pipe, 8).decode().strip()
