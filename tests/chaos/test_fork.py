"""A child of a fork opens connections of its own, and what its parent has open is as it was."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any

import pytest
from dorm.db.connection import close_all, get_async_connection, get_connection
from dorm.exceptions import OperationalError
from dorm.transaction import aatomic, atomic

from tests.chaos import workers
from tests.chaos.children import Child, forked
from tests.chaos.conftest import self_signed
from tests.chaos.extent import IS_SOAK
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.models import Document

ROWS = 40
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


@pytest.fixture
def filled(db: Database) -> Iterator[Database]:
    """A database that this process has searched, sync and async."""
    rows = [Document(title=str(number), embedding=workers.vector(number)) for number in range(ROWS)]
    Document.objects.bulk_create(rows)
    assert workers.search([1, 2]) == ["1", "2"]
    yield db
    workers.stop()
    # A child had the file of Turso, or nobody has.
    db.use()


@pytest.fixture
def several(filled: Database) -> Database:
    """The same, where the parent lets go of a file that one process alone can have open."""
    if filled.name == "turso":
        close_all()
    return filled


@pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", reason="their connections here are not encrypted")
def test_an_encrypted_connection_stays_with_its_parent(filled: Database) -> None:
    options = {**filled.settings.get("OPTIONS", {}), "ssl": self_signed()}
    workers.stop()
    replace(filled, settings={**filled.settings, "OPTIONS": options}).use()
    before = ciphers()
    assert all(before)
    children = [Child(lambda: (workers.search([3, 4] * 5), ciphers())) for _ in range(2)]
    assert workers.search([1, 2] * 5) == ["1", "2"] * 5
    for child in children:
        found, used = child.result()
        assert found == ["3", "4"] * 5
        assert all(used)
    # The children's ends have not closed the parent's.
    assert workers.search([1, 2]) == ["1", "2"]
    assert ciphers() == before


def ciphers() -> list[str]:
    """Return the ciphers of a sync and an async connection; empty where it is not encrypted."""
    shown = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"
    rows = [*get_connection().execute(shown), *workers.run(get_async_connection().execute(shown))]
    return [str(row["Value"]) for row in rows]


def titles() -> list[str]:
    return sorted(Document.objects.values_list("title", flat=True))


def expected(numbers: list[int]) -> list[str]:
    return [str(number) for number in numbers]


@pytest.mark.not_on("turso", reason="one process at a time: test_a_file_of_turso_is_for_one_process")
def test_each_process_reads_its_own_answers(filled: Database) -> None:
    mine = [7 * step % ROWS for step in range(20)]
    theirs = [[(start + step) % ROWS for step in range(20)] for start in (10, 20, 30)]
    children = [Child(lambda numbers=numbers: workers.search(numbers)) for numbers in theirs]  # type: ignore[misc]
    assert workers.search(mine) == expected(mine)
    assert [child.result() for child in children] == [expected(numbers) for numbers in theirs]
    assert workers.search(mine) == expected(mine)


@pytest.mark.not_on("turso", reason="one process at a time: test_a_file_of_turso_is_for_one_process")
def test_every_acknowledged_write_of_every_process_is_stored(filled: Database) -> None:
    children = [Child(lambda name=name: workers.write(name, range(10))) for name in ("a", "b")]  # type: ignore[misc]
    written = workers.write("parent", range(10))
    for child in children:
        written += child.result()
    assert len(written) == 30
    assert titles() == sorted([*expected(list(range(ROWS))), *written])


def test_a_child_writes_after_its_parent_has_closed(several: Database) -> None:
    """Nothing that the child knows from its parent makes it write where nobody reads."""
    ready, go = os.pipe()

    def work() -> list[str]:
        os.close(go)
        first = workers.write("before", range(4)) if several.name != "turso" else []
        os.read(ready, 1)
        return first + workers.write("after", range(4))

    child = Child(work)
    os.close(ready)
    nearest = workers.nearest(3)
    close_all()
    os.close(go)
    written = child.result()
    assert nearest == "3"
    assert titles() == sorted([*expected(list(range(ROWS))), *written])


def test_a_child_of_a_child_reads(several: Database) -> None:
    def work() -> Any:
        found = workers.search([5])
        if several.name == "turso":
            close_all()
        return found + forked(lambda: workers.search([6]))

    assert forked(work) == ["5", "6"]


@pytest.mark.not_on("turso", reason="one process at a time: test_a_file_of_turso_is_for_one_process")
def test_the_parent_keeps_its_connection(filled: Database) -> None:
    """A child that ends as a program ends, finalizers included, says goodbye on its own connections alone."""
    script = f"""
import os, sys
from tests.chaos import workers
from tests.models import Document

workers.configure({filled.settings!r})
before = workers.run(workers.anearest(3)), workers.nearest(4)
stream = Document.objects.iterator(chunk_size=5)
next(stream)
for number in (5, 6):
    if os.fork() == 0:
        workers.search([number])
        sys.exit(0)
    _pid, status = os.wait()
    assert status == 0, status
assert len(list(stream)) == {ROWS - 1}
assert (workers.run(workers.anearest(3)), workers.nearest(4)) == before == ("3", "4")
print("as it was")
"""
    run = _python(script)
    assert (run.stdout.splitlines()[-1:], run.returncode) == (["as it was"], 0), run.stderr


def test_a_transaction_stays_with_the_process_that_began_it(filled: Database) -> None:
    """The child neither commits nor rolls back, and is told so at the end of the block."""

    def work() -> str:
        with pytest.raises(OperationalError, match="was entered by process"):
            block.__exit__(None, None, None)
        return "left"

    block = atomic()
    block.__enter__()
    Document.objects.create(title="inside", embedding=workers.vector(-1))
    assert forked(work) == "left"
    Document.objects.create(title="too", embedding=workers.vector(-1))
    block.__exit__(None, None, None)
    assert titles() == sorted([*expected(list(range(ROWS))), "inside", "too"])


def test_an_async_transaction_stays_with_the_process_that_began_it(filled: Database) -> None:
    has_server = filled.name in ("postgresql", "mysql", "mariadb") or filled.settings.get("URL", "").startswith("ws")

    async def write() -> None:
        async with aatomic():
            await Document.objects.acreate(title="inside", embedding=workers.vector(-1))
            # A file with an open transaction stays closed to the child.
            assert forked(read if has_server else refused) == "0"
            await Document.objects.acreate(title="too", embedding=workers.vector(-1))

    workers.run(write())
    assert titles() == sorted([*expected(list(range(ROWS))), "inside", "too"])


def read() -> str:
    """Return what a connection of one's own sees: what is committed."""
    return workers.run(workers.anearest(-1))


def refused() -> str:
    with pytest.raises(OperationalError, match="was forked while a transaction"):
        workers.nearest(0)
    with pytest.raises(OperationalError, match="was forked while a transaction"):
        workers.run(workers.anearest(0))
    return "0"


@pytest.mark.not_on("turso", reason="one process at a time: test_a_file_of_turso_is_for_one_process")
def test_other_threads_are_left_behind(filled: Database) -> None:
    """Threads with connections end with the fork; the child still reads, and so do they."""
    ready, go, found = threading.Barrier(4), threading.Event(), []

    def work() -> None:
        workers.nearest(1)
        ready.wait()
        go.wait()
        found.append(workers.nearest(2))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    assert forked(lambda: workers.search([8, 9])) == ["8", "9"]
    go.set()
    for thread in threads:
        thread.join()
    assert found == ["2"] * 3


@pytest.mark.parametrize("method", ["fork", "spawn", *["forkserver"] * IS_SOAK])
def test_multiprocessing(several: Database, method: str) -> None:
    processes = 1 if several.name == "turso" else 2
    with multiprocessing.get_context(method).Pool(processes) as pool:
        asked = [(several.settings, [number, number + 1]) for number in range(6)]
        answers = pool.starmap_async(workers.configured_search, asked).get(120)
    assert answers == [expected([number, number + 1]) for number in range(6)]


@pytest.mark.not_on("turso", reason="one process at a time: test_a_file_of_turso_is_for_one_process")
def test_a_prefork_pool_replaces_a_killed_worker(filled: Database, faults: Faults) -> None:
    """What each worker reported is stored, once, although one is killed at its work."""
    (tasks, give), (reports, report) = os.pipe(), os.pipe()

    def run(task: str) -> None:
        Document.objects.create(title=task, embedding=workers.vector(-1))

    def serve() -> None:
        os.close(give)
        workers.serve_tasks(tasks, report, run)

    def start() -> Child:
        return Child(serve)

    pool = [start() for _ in range(3)]
    for number in range(60):
        os.write(give, f"t{number:02}".ljust(8).encode())
        if number == 30:
            os.kill(pool[0].pid, signal.SIGKILL)
            pool.append(start())
    os.close(give)
    for child in pool[1:]:
        child.result()
    os.waitpid(pool[0].pid, 0)
    os.close(report)
    with os.fdopen(reports) as lines:
        acknowledged = [line.split()[1] for line in lines]
    stored = [title for title in titles() if title.startswith("t")]
    assert len(acknowledged) >= 59
    unheard = {f"t{number:02}" for number in range(60)} - set(acknowledged)
    name = "`kill -9` of a worker of a prefork pool"
    faults.count(name, acknowledged=acknowledged, uncertain=unheard, stored=stored)
    # The killed one may have stored one more than it could report.
    assert len(stored) <= len(acknowledged) + 1
    assert workers.search([4]) == ["4"]


def test_gunicorn_with_preload(several: Database) -> None:
    """Each worker answers from its own connections what the application was asked."""
    processes = 1 if several.name == "turso" else 2
    environment = {
        **os.environ,
        "CHAOS_DATABASE": json.dumps(several.settings),
        "CHAOS_CLOSES": "yes" if several.name == "turso" else "no",
    }
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", str(processes)]
    command += ["-b", f"127.0.0.1:{port}", "tests.chaos.preloaded:application"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            answers = answered(port, list(range(ROWS)), enough=processes)
        finally:
            server.terminate()
            log = server.communicate()[1]
    assert [answer.split()[0] for answer in answers[:ROWS]] == expected(list(range(ROWS))), log
    assert len({answer.split()[1] for answer in answers}) == processes, log


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answered(port: int, numbers: list[int], enough: int) -> list[str]:
    """Ask for all numbers, several at once, and go on until each worker has answered."""
    with ThreadPoolExecutor(4) as pool:
        answers = [asked(port, numbers[0]), *pool.map(lambda number: asked(port, number), numbers[1:])]
        for _ in range(20):
            if len({answer.split()[1] for answer in answers}) >= enough:
                break
            answers += pool.map(lambda number: asked(port, number), numbers[:8])
    return answers


def asked(port: int, number: int) -> str:
    deadline = time.monotonic() + 120
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", f"/{number}")
            return connection.getresponse().read().decode()
        except ConnectionRefusedError:
            # The server is starting.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            connection.close()


def _python(script: str, **options: Any) -> Any:
    return subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60, **options
    )
