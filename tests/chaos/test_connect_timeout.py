"""A server that accepts and stays silent, or does not accept: connecting ends after OPTIONS["connect_timeout"]."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

import pytest
from dorm.db.connection import get_async_connection
from dorm.exceptions import OperationalError
from dorm.transaction import aatomic

from tests.chaos import workers
from tests.chaos.proxy import Proxy
from tests.databases import Database
from tests.models import Author

LIMIT, MOST = 2, 9.0
PATIENCE = 0.5
ONLY_MYSQL = pytest.mark.not_on(
    "sqlite", "turso", "libsql", "postgresql", reason="djanorm knows the other servers without a question"
)


@pytest.fixture(params=["silent", "full"])
def nobody(request: pytest.FixtureRequest, db: Database) -> Iterator[Database]:
    """The database at a port of which nothing comes back."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0 if request.param == "full" else 100)
        port = listener.getsockname()[1]
        # A full queue drops what else knocks.
        knocked = [socket.create_connection(("127.0.0.1", port)) for _ in range(request.param == "full")]
        there = replace(db, settings=moved(db.settings, port))
        there.use()
        yield there
        for knock in knocked:
            knock.close()
    db.use()


def moved(settings: dict[str, Any], port: int) -> dict[str, Any]:
    options = {**settings.get("OPTIONS", {}), "connect_timeout": LIMIT}
    if "URL" in settings:
        return {**settings, "URL": f"ws://127.0.0.1:{port}", "OPTIONS": options}
    return {**settings, "HOST": "127.0.0.1", "PORT": port, "OPTIONS": options}


@pytest.mark.not_on("sqlite", "turso", "libsql", reason="the proxy is in front of a server")
@pytest.mark.parametrize("in_a_block", [False, True])
def test_asyncio_timeouts_hold_in_a_black_hole(proxied: Database, proxy: Proxy, in_a_block: bool) -> None:
    async def swallowed() -> float:
        async with aatomic() if in_a_block else nullcontext():
            await Author.objects.acount()
            proxy.swallows = True
            began = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    await Author.objects.acount()
            except TimeoutError:
                return time.monotonic() - began
        raise AssertionError("nothing was swallowed")

    took = workers.run(_timed(swallowed()))
    proxy.swallows = False
    proxy.cut()
    workers.stop()
    assert took < PATIENCE + 8  # ten seconds without the fix, and a busy machine is late


async def _timed(work: Coroutine[Any, Any, float]) -> float:
    """Return the seconds until the work ended, also where its block could not end well."""
    began = time.monotonic()
    with suppress(OperationalError):
        await work
    return time.monotonic() - began


@ONLY_MYSQL
def test_the_loop_runs_while_the_first_query_waits(proxied: Database, proxy: Proxy) -> None:
    async def searched() -> None:
        # Who waits for this at the start of a program asks for the server's version without a blocked loop.
        await get_async_connection().execute("SELECT 1 AS one")
        proxy.swallows = True
        await _others_run(workers.anearest(1))

    workers.run(searched())
    proxy.swallows = False
    proxy.cut()
    workers.stop()


@ONLY_MYSQL
def test_the_loop_runs_while_a_program_waits_for_its_first_connection(nobody: Database) -> None:
    workers.run(_others_run(get_async_connection().execute("SELECT 1 AS one")))
    workers.stop()


async def _others_run(work: Coroutine[Any, Any, Any]) -> None:
    """Check that another task ends before the work does, and that a timeout ends the work."""
    waiting = asyncio.create_task(work)
    await asyncio.sleep(0.01)
    assert not waiting.done(), "the work has blocked the loop"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, PATIENCE)


@pytest.mark.not_on("sqlite", "turso", reason="they have no server")
def test_a_search_fails_in_time(nobody: Database) -> None:
    """Two waits are no longer than one: a thread searches, and so does the event loop."""
    with ThreadPoolExecutor(1) as pool:
        sync = pool.submit(seconds_until_it_fails, lambda: workers.nearest(1))
        took = seconds_until_it_fails(lambda: workers.run(workers.anearest(1)))
        assert max(took, sync.result()) < MOST
    workers.stop()


def seconds_until_it_fails(work: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(OperationalError):
        work()
    return time.monotonic() - began
