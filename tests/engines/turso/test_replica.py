"""djanorm's engine ``libsql`` with ``SYNC_URL``: replicas of a Turso server, which is real."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dorm
import numpy as np
import pytest
import turso
from dorm.db.connection import get_async_connection, get_connection, reset_connections
from dorm.exceptions import ImproperlyConfigured, OperationalError, ProgrammingError
from dorm.transaction import aatomic, atomic

from backends.servers import sync_server
from dorm_vector import to_matrix
from dorm_vector.engines.turso import replica as turso_replica
from dorm_vector.patching import registry as repairs
from tests.databases import create_tables
from tests.helpers.project import ROOT
from tests.models import Author, Document

TOKEN = "eyJhbGciOiJFZERTQSJ9-a-secret"  # noqa: S105  # of a server that lives as long as the test
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with sync_server.serving_a_file(tmp_path / "server.turso") as served:
        yield served
        reset_connections()


def replica(folder: Path, name: str, url: str, **more: str) -> dict[str, Any]:
    return {"ENGINE": "libsql", "NAME": str(folder / f"{name}.turso"), "SYNC_URL": url, **more}


def configure(**databases: dict[str, Any]) -> None:
    reset_connections()
    dorm.configure(DATABASES=databases, INSTALLED_APPS=[])


@pytest.fixture
def here(url: str, tmp_path: Path) -> Any:
    """A replica that has the tables and has pushed them; `there` is another one."""
    configure(default=replica(tmp_path, "here", url), there=replica(tmp_path, "there", url))
    create_tables(get_connection())
    get_connection().push()
    return get_connection()


def ranked(alias: str, vector: list[float]) -> list[tuple[str, float]]:
    found = Document.objects.using(alias).nearest("embedding", vector)[:7]
    return [(document.title, document.distance) for document in found]


def test_vectors_arrive_bit_for_bit_and_are_searched_alike(here: Any) -> None:
    vectors = np.random.default_rng(1).standard_normal((200, 3)).astype(np.float32)
    vectors[:3] = np.array([[-0.0, 1e-45, 3e18], [0, 0, 0], [np.pi, -1, 2]])
    with atomic():
        for number, vector in enumerate(vectors):
            Document.objects.create(title=str(number), embedding=vector)
    here.push()
    there = get_connection("there")
    assert there.pull() is False  # its first connection has fetched all
    _, arrived = to_matrix(Document.objects.using("there").order_by("pk"), "embedding")
    assert arrived.tobytes() == vectors.tobytes()
    assert ranked("there", [1, 2, 3]) == ranked("default", [1, 2, 3])
    Document.objects.using("there").filter(title="5").update(embedding=[1, 2, 3])
    Document.objects.using("there").filter(title="6").delete()
    there.push()
    assert ranked("default", [1, 2, 3])[0][0] != "5"
    assert here.pull() is True
    assert ranked("default", [1, 2, 3])[0] == ("5", 0.0)
    assert ranked("there", [1, 2, 3]) == ranked("default", [1, 2, 3])


def test_turso_push_and_pull(here: Any) -> None:
    """Without the repair nothing is fetched, and nothing said."""
    assert Document.objects.using("there").count() == 0
    Document.objects.create(title="new", embedding=[1, 2, 3])
    here.push()
    there = get_connection("there")
    with repairs.switched_off("turso_push_and_pull"):
        there.sync_replica()
    before = Document.objects.using("there").count()
    there.sync_replica()
    assert (before, Document.objects.using("there").count()) == (0, 1)


async def write_and_pull(connection: Any) -> None:
    async with aatomic():
        await Document.objects.acreate(title="never", embedding=[1, 2, 3])
        assert await Document.objects.filter(title="never").acount() == 1
        await connection.pull()


async def work_of_a_loop(title: str) -> list[float]:
    connection = get_async_connection()
    document = await Document.objects.acreate(title=title, embedding=[1, 2, 3])
    with pytest.raises(ProgrammingError, match=r"pull\(\) was called in a transaction"):
        await write_and_pull(connection)
    streamed = [each.title async for each in Document.objects.filter(pk=document.pk).aiterator(chunk_size=1)]
    assert streamed == [title]
    await connection.push()
    assert await connection.pull() in (True, False)
    return [each.distance async for each in Document.objects.nearest("embedding", [1, 2, 4])[:1]]


def test_the_same_from_async_code(here: Any) -> None:
    with ThreadPoolExecutor(max_workers=3) as pool:
        done = [pool.submit(asyncio.run, work_of_a_loop(title)) for title in "abc"]
        assert [each.result() for each in done] == [[1.0]] * 3
    assert sorted(Document.objects.using("there").values_list("title", flat=True)) == ["a", "b", "c"]


def test_turso_async_serves_replicas_too(here: Any) -> None:
    async def count() -> int:
        return int(await Document.objects.acount())

    assert asyncio.run(count()) == 0
    reset_connections()
    with repairs.switched_off("turso_async"), pytest.raises((TypeError, AttributeError)):
        asyncio.run(count_in_a_transaction())
    reset_connections()


async def count_in_a_transaction() -> int:
    async with aatomic():
        return int(await Document.objects.acount())


def write(number: int) -> str:
    try:
        for part in range(5):
            with atomic():
                Document.objects.create(title=f"{number}-{part}", embedding=[number, part, 1])
    except (dorm.DatabaseError, turso.Error) as error:
        return str(error)
    return ""


def test_threads_write_while_others_pull_and_push(here: Any) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        writing = [pool.submit(write, number) for number in range(24)]
        fetched = 0
        while not all(each.done() for each in writing):
            # A key that no other replica counts to.
            Document.objects.using("there").create(pk=-fetched - 1, title="there", embedding=[1, 2, 3])
            get_connection("there").push()
            here.pull()
            here.push()
            fetched += 1
        assert {each.result() for each in writing} == {""}
    here.push()
    here.pull()
    get_connection("there").pull()
    assert fetched > 1
    counts = [Document.objects.using(alias).count() for alias in ("default", "there")]
    assert counts == [24 * 5 + fetched] * 2


def test_turso_replicas(here: Any) -> None:
    """Threads that connect at once: without the repair they are refused, in most of the tries."""
    # The setting, for a thread does not have the context variable of switched_off().
    dorm.configure(DORM_VECTOR_REPAIRS=[])
    gate = threading.Barrier(8)

    def connected(number: int) -> str:
        gate.wait()
        return write(number)

    def refused() -> bool:
        reset_connections()
        with ThreadPoolExecutor(max_workers=8) as pool:
            return any("database is busy" in error for error in pool.map(connected, range(8)))

    try:
        assert any(refused() for _ in range(30))
    finally:
        dorm.configure(DORM_VECTOR_REPAIRS=True)


def test_a_pull_waits_for_a_transaction_and_says_when_it_was_too_long(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Document.objects.using("there").create(title="there", embedding=[1, 2, 3])
    get_connection("there").push()
    monkeypatch.setattr(turso_replica, "SECONDS", 0.2)
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with atomic():
            Author.objects.create(name="Ada")
            begun.set()
            over.wait()

    with ThreadPoolExecutor(max_workers=1) as pool:
        holding = pool.submit(hold)
        begun.wait()
        with pytest.raises(OperationalError, match="waited 0 seconds for a transaction of another connection"):
            here.pull()
        over.set()
        holding.result()
    assert here.pull() is True
    assert (Author.objects.count(), Document.objects.count()) == (1, 1)


def test_a_transaction_neither_pushes_nor_pulls(here: Any) -> None:
    for name in ("push", "pull"):
        with atomic(), pytest.raises(ProgrammingError, match=rf"{name}\(\) was called in a transaction"):
            getattr(here, name)()


# What a replica does where two of them disagree, and what the engine cannot.


def test_of_two_rows_with_one_key_the_last_that_was_pushed_stays(here: Any) -> None:
    Author.objects.using("there").count()
    Author.objects.create(pk=1, name="here")
    Author.objects.using("there").create(pk=1, name="there")
    here.push()
    get_connection("there").push()
    here.pull()
    get_connection("there").pull()
    assert [Author.objects.using(alias).get().name for alias in ("default", "there")] == ["there", "there"]


def test_an_upsert_that_makes_a_row_much_longer_is_refused_and_leaves_nothing(here: Any) -> None:
    raw = here.get_connection()
    raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE, b BLOB)")
    raw.execute("INSERT INTO t VALUES (1, 'a', x'00')")
    raw.commit()
    upsert = "INSERT INTO t VALUES (1, 'a', %s) ON CONFLICT (code) DO UPDATE SET b = EXCLUDED.b"
    with pytest.raises(OperationalError, match="Payload too small for indicated header size"):
        here.execute_write(upsert, [b"z" * 2000])
    raw.rollback()
    assert here.execute("SELECT length(b) AS n FROM t")[0]["n"] == 1
    here.execute_write("UPDATE t SET b = %s", [b"z" * 2000])
    here.push()


def test_a_server_that_does_not_answer(url: str, here: Any, tmp_path: Path) -> None:
    configure(default=replica(tmp_path, "new", NOWHERE), old=replica(tmp_path, "here", NOWHERE))
    with pytest.raises(OperationalError, match=f"replica of {NOWHERE} failed: .*Connection refused"):
        Author.objects.count()
    Author.objects.using("old").create(name="Ada")  # what is here can be used
    for name in ("push", "pull", "sync_replica"):
        with pytest.raises(OperationalError, match=f"{NOWHERE} failed: .*Connection refused"):
            getattr(get_connection("old"), name)()
    configure(default=replica(tmp_path, "here", url), there=replica(tmp_path, "there", url))
    get_connection().push()
    assert Author.objects.using("there").get().name == "Ada"


def test_a_database_that_is_no_replica_is_not_replaced(url: str, tmp_path: Path) -> None:
    file = tmp_path / "own.turso"
    own = turso.connect(str(file))
    own.execute("CREATE TABLE mine (a)")
    own.commit()
    own.close()
    configure(default=replica(tmp_path, "own", url), local={"ENGINE": "libsql", "NAME": str(file)})
    with pytest.raises(ImproperlyConfigured, match="is a database, and no replica"):
        get_connection().execute("SELECT 1")
    assert get_connection("local").table_exists("mine")
    with pytest.raises(ImproperlyConfigured, match="Name one as SYNC_URL"):
        get_connection("local").push()
    with pytest.raises(ImproperlyConfigured, match="Name one as SYNC_URL"):
        asyncio.run(get_async_connection("local").pull())


class Guard(BaseHTTPRequestHandler):
    """What stands before a server on the internet: it lets through who has the token."""

    behind = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = 401, b"unauthorized"
        if self.headers["Authorization"] == f"Bearer {TOKEN}":
            kind = {"Content-Type": self.headers["Content-Type"] or "application/octet-stream"}
            try:
                with urllib.request.urlopen(urllib.request.Request(self.behind + self.path, body, kind)) as response:  # noqa: S310
                    status, answer = response.status, response.read()
            except urllib.error.HTTPError as refused:
                status, answer = refused.code, refused.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Leave the output to the test."""


@pytest.fixture
def guarded(url: str) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Guarding", (Guard,), {"behind": url})) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_token_is_sent_and_never_shown(
    guarded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = f"not-{TOKEN}"
    configure(
        default=replica(tmp_path, "a", guarded, AUTH_TOKEN=TOKEN),
        wrong=replica(tmp_path, "b", guarded, AUTH_TOKEN=wrong),
    )
    create_tables(get_connection(), (Author,))
    Author.objects.create(name="Ada")
    get_connection().push()
    with pytest.raises(OperationalError, match=r"status=401") as refused:
        get_connection("wrong").execute("SELECT 1")
    raw: Any = get_connection().get_connection()
    shown = [refused.getrepr(showlocals=False), raw, raw.replica, raw.replica.database, get_connection()]
    printed = capsys.readouterr()
    for text in [*map(repr, shown), *map(str, shown), caplog.text, printed.out, printed.err]:
        assert TOKEN not in text


_PARTS = ("fields/test_roundtrip", "queries/test_async", "queries/test_queries")
PART = [f"tests/conformance/{name}.py" for name in _PARTS]


def test_a_part_of_the_suite_passes() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--no-skips", "--backend", "turso", *PART]
    run = subprocess.run(
        [sys.executable, "-m", "backends", "run", "tursodb", "--", *command],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    assert "URL in DORM_VECTOR_TURSO_URL" in run.stdout
