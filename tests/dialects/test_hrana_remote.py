"""The engine ``hrana`` against a server: the whole suite, a server that dies, a token that nobody sees."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dorm
import pytest
from dorm.db.connection import _create_async_connection, _create_sync_connection, reset_connections
from dorm.exceptions import ProgrammingError

from backends._process import free_port
from dorm_vector import VectorField
from dorm_vector.hrana.errors import ConnectionLost
from tests.databases import create_tables
from tests.project import ROOT

TOKEN = "eyJhbGciOiJFZERTQSJ9-a-secret"  # noqa: S105  # of a server that lives as long as the test


class Server:
    """The Hrana server of tests/hrana_server.py, in a process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.hrana_server", str(self.folder), str(self.port), TOKEN]
        self.process = subprocess.Popen(command, cwd=ROOT)
        while not self.listens():
            assert self.process.poll() is None

    def listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def settings(self, name: str = "default", token: str = TOKEN) -> dict[str, Any]:
        return {"ENGINE": "hrana", "URL": f"ws://127.0.0.1:{self.port}/{name}", "AUTH_TOKEN": token}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    reset_connections()
    running.kill()


@pytest.fixture
def wrapper(server: Server) -> Iterator[Any]:
    opened = _create_sync_connection("remote", server.settings())
    opened.execute_script('CREATE TABLE "t" ("id" INTEGER PRIMARY KEY, "a" TEXT, "b" BLOB)')
    yield opened
    opened.close()


def stored(wrapper: Any) -> list[str]:
    return [row["a"] for row in wrapper.execute('SELECT "a" FROM "t" ORDER BY "id"')]


def insert(wrapper: Any, text: str) -> Any:
    return wrapper.execute_insert('INSERT INTO "t" ("a") VALUES (%s)', [text])


WHOLE = ["tests/conformance"]
PART = [f"tests/conformance/test_{name}.py" for name in ("roundtrip", "queries", "async", "threads", "search", "sql")]


@pytest.mark.parametrize("suite", [PART, pytest.param(WHOLE, marks=pytest.mark.remote)], ids=["part", "whole"])
def test_the_suite_passes(server: Server, suite: list[str]) -> None:
    environment = {**os.environ, "DORM_VECTOR_LIBSQL_URL": f"{server.settings()['URL']}?authToken={TOKEN}"}
    command = [sys.executable, "-m", "pytest", *suite, "-q", "--backend", "libsql", "--show-capture=no", "--no-skips"]
    run = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5000:]
    assert "URL in DORM_VECTOR_LIBSQL_URL" in run.stdout
    assert TOKEN not in run.stdout + run.stderr


def test_a_server_that_dies_in_a_transaction(server: Server, wrapper: Any) -> None:
    insert(wrapper, "kept")

    def interrupted() -> None:
        with wrapper.atomic():
            insert(wrapper, "gone")
            server.kill()
            insert(wrapper, "gone, too")

    with pytest.raises(ConnectionLost, match=r"was lost.* Nothing of the open transaction was stored: run it again\."):
        interrupted()
    with pytest.raises(ConnectionLost, match=r"ws://127\.0\.0\.1:\d+/default cannot be used: Cannot connect to host"):
        stored(wrapper)
    server.start()
    assert stored(wrapper) == ["kept"]
    with wrapper.atomic():
        insert(wrapper, "again")
    assert stored(wrapper) == ["kept", "again"]


def test_no_statement_of_a_lost_transaction_commits_itself_on_a_new_connection(server: Server, wrapper: Any) -> None:
    def failing() -> None:
        with wrapper.atomic():
            insert(wrapper, "gone")
            server.kill()
            server.start()
            for text in ("first", "second"):
                with pytest.raises(ConnectionLost):
                    insert(wrapper, text)

    with pytest.raises(ConnectionLost):
        failing()
    assert stored(wrapper) == []


def test_a_server_that_was_restarted_while_nothing_was_asked_is_not_noticed(server: Server, wrapper: Any) -> None:
    insert(wrapper, "kept")
    server.kill()
    server.start()
    while not wrapper._local.conn.is_lost:
        time.sleep(0.01)  # until the loop of the client has seen the socket close
    assert stored(wrapper) == ["kept"]


async def test_async_twin_of_a_dying_server(server: Server, wrapper: Any) -> None:
    twin: Any = _create_async_connection("remote", server.settings())
    await twin.execute_write('INSERT INTO "t" ("a") VALUES (%s)', ["kept"])

    async def interrupted() -> None:
        async with twin.aatomic():
            await twin.execute_write('INSERT INTO "t" ("a") VALUES (%s)', ["gone"])
            server.kill()
            await twin.execute_write('INSERT INTO "t" ("a") VALUES (%s)', ["gone, too"])

    with pytest.raises(ConnectionLost, match="Nothing of the open transaction was stored"):
        await interrupted()
    server.start()
    assert [row["a"] for row in await twin.execute('SELECT "a" FROM "t"')] == ["kept"]
    await twin.close()


def test_a_token_is_shown_by_nothing(server: Server, wrapper: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    in_url = {"ENGINE": "hrana", "URL": f"{server.settings()['URL']}?authToken={TOKEN}"}
    opened = _create_sync_connection("remote", in_url)
    insert(opened, "x")
    shown = [repr(opened), str(vars(opened)["_address"]), repr(opened.get_connection()), str(opened.pool_stats())]
    shown += [
        str(opened.database),
        failure(opened, "SELECT * FROM nowhere"),
        failure(opened, "INSERT INTO t (id) VALUES (1)"),
    ]
    opened.close()
    for wrong in (server.settings(token=f"{TOKEN}x"), {**in_url, "URL": in_url["URL"].replace("ws://", "wx://")}):
        shown.append(failure_of(lambda wrong=wrong: _create_sync_connection("remote", wrong).execute("SELECT 1")))
    server.kill()
    shown.append(failure(_create_sync_connection("remote", in_url), "SELECT 1"))
    assert all(shown)
    assert TOKEN not in "\n".join([*shown, caplog.text])
    assert re.search(r"cannot be used: Bad JWT \*\*\*", "\n".join(shown))


def failure(wrapper: Any, sql: str) -> str:
    return failure_of(lambda: wrapper.execute(sql))


def failure_of(call: Any) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # whatever it is, its text is what is looked at
        return "".join(traceback.format_exception(error))
    return ""


def test_an_answer_larger_than_the_client_would_take(wrapper: Any) -> None:
    blob = bytes(range(256)) * 40
    with wrapper.atomic():
        wrapper.get_connection().executemany('INSERT INTO "t" ("b") VALUES (?)', [(blob,)] * 600)
    rows = wrapper.execute('SELECT "b" FROM "t"')
    assert len(rows) == 600
    assert {row["b"] for row in rows} == {blob}


def test_values_survive_the_way(wrapper: Any) -> None:
    for value in (None, "", "é∞", 0, -(2**63), 2**63 - 1, 1.5, 1e300, b"", b"\0\xff"):
        assert wrapper.execute("SELECT %s AS v", [value])[0]["v"] == value
    assert wrapper.execute("SELECT %s AS v", [float("nan")])[0]["v"] is None
    with pytest.raises(ProgrammingError, match="Infinity cannot be sent to a server"):
        wrapper.execute("SELECT %s AS v", [float("inf")])


class Remote(dorm.Model):
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"


def test_beside_a_file_in_one_process(server: Server, tmp_path: Path) -> None:
    reset_connections()
    file = {"ENGINE": "hrana", "URL": f"file:{tmp_path}/own.libsql"}
    dorm.configure(DATABASES={"default": server.settings("other"), "file": file}, INSTALLED_APPS=[])
    from dorm.db.connection import get_connection

    for alias in ("default", "file"):
        create_tables(get_connection(alias), (Remote,))
        Remote.objects.using(alias).create(embedding=[1, 2, 3])
        assert Remote.objects.using(alias).nearest("embedding", [1, 2, 4])[0].distance == pytest.approx(1)
