"""What sqld, the server of libSQL, does that a file does not: its limits, its tokens, its namespaces."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import dorm
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dorm.db.connection import _create_async_connection, _create_sync_connection, get_connection, reset_connections
from dorm.exceptions import IntegrityError, OperationalError, ProgrammingError

from backends import Running
from dorm_vector.exceptions import ConnectionLost
from tests.conftest import started
from tests.databases import create_tables
from tests.helpers.hrana_process import KEY, TOKEN, Sqld
from tests.models import Author, Document

pytestmark = pytest.mark.not_on("sqlite", "postgresql", "turso", "mariadb", "mysql", reason="it is about libSQL")

INSERT = 'INSERT INTO "t" ("a") VALUES (%s)'
MEGABYTES = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 24) SELECT x, zeroblob(1000000) FROM n"
)


@pytest.fixture
def sqld(backend_name: str, tmp_path: Path) -> Iterator[Sqld]:
    running = Sqld(tmp_path)
    yield running
    reset_connections()
    running.kill()


@pytest.fixture
def remote(sqld: Sqld) -> Iterator[Any]:
    opened = _create_sync_connection("remote", sqld.settings())
    opened.execute_script('CREATE TABLE "t" ("id" INTEGER PRIMARY KEY, "a" TEXT)')
    yield opened
    opened.close()


@pytest.fixture
def other(sqld: Sqld, remote: Any) -> Iterator[Any]:
    opened = _create_sync_connection("other", sqld.settings())
    yield opened
    opened.close()


def stored(connection: Any) -> list[str]:
    return [row["a"] for row in connection.execute('SELECT "a" FROM "t" ORDER BY "id"')]


TAKEN = r"was lost: Transaction timed out\. Nothing of the open transaction was stored: run it again\."


def test_a_transaction_that_others_waited_for_stores_nothing(remote: Any, other: Any) -> None:
    def slow() -> None:
        with remote.atomic():
            remote.execute_write(INSERT, ["gone"])
            # It waits for five seconds, which is all that sqld grants.
            other.execute_write(INSERT, ["kept"])
            remote.get_connection().executemany('INSERT INTO "t" ("a") VALUES (?)', [("gone",), ("gone, too",)])

    with pytest.raises(ConnectionLost, match=TAKEN):
        slow()
    assert stored(remote) == ["kept"]


def test_it_is_known_that_such_a_commit_did_not_arrive(remote: Any, other: Any) -> None:
    def slow() -> None:
        with remote.atomic():
            remote.execute_write(INSERT, ["gone"])
            other.execute_write(INSERT, ["kept"])

    with pytest.raises(ConnectionLost, match=TAKEN):
        slow()
    assert stored(remote) == ["kept"]


def test_many_rows_are_written_in_parts_and_all_or_none(remote: Any) -> None:
    connection = remote.get_connection()
    connection.executemany('INSERT INTO "t" ("a") VALUES (?)', [("x" * 10_000,)] * 2_500)
    assert remote.execute('SELECT COUNT(*) AS n FROM "t"')[0]["n"] == 2_500
    with pytest.raises(IntegrityError, match=r"^UNIQUE constraint failed: t\.id"):
        connection.executemany('INSERT INTO "t" ("id") VALUES (?)', [(key,) for key in [*range(3000, 5500), 3000]])
    assert remote.execute('SELECT COUNT(*) AS n FROM "t"')[0]["n"] == 2_500


def test_an_answer_is_read_that_is_larger_than_sqld_sends_at_once(remote: Any) -> None:
    assert [row["x"] for row in remote.execute(MEGABYTES)] == [*range(1, 25)]
    with remote.atomic():
        remote.execute_write(INSERT, ["kept"])
        assert len(remote.execute(MEGABYTES)) == len([*remote.execute_streaming(MEGABYTES)]) == 24
    assert stored(remote) == ["kept"]


def test_what_was_written_is_not_written_again_to_read_it(remote: Any) -> None:
    remote.get_connection().executemany('INSERT INTO "t" ("a") VALUES (?)', [("x",)] * 24)
    with pytest.raises(OperationalError, match=r"too large; what it was to write is written\. Ask for fewer rows"):
        remote.execute('UPDATE "t" SET "a" = "a" || \'x\' RETURNING zeroblob(1000000)')
    assert stored(remote) == ["xx"] * 24


def test_other_statements_run_while_a_stream_is_read(remote: Any) -> None:
    remote.get_connection().executemany('INSERT INTO "t" ("a") VALUES (?)', [("old",)] * 50)
    for row in remote.execute_streaming('SELECT "id" FROM "t"', chunk_size=7):
        remote.execute_write('UPDATE "t" SET "a" = %s WHERE "id" = %s', ["new", row["id"]])
    assert stored(remote) == ["new"] * 50
    assert [*remote.execute_streaming('SELECT "id" FROM "t" WHERE 0')] == []
    with pytest.raises(OperationalError, match="nowhere"):
        next(remote.execute_streaming("SELECT * FROM nowhere"))
    for _ in range(200):  # more than sqld keeps open
        next(remote.execute_streaming('SELECT "id" FROM "t"', chunk_size=1))
    assert remote.execute("SELECT 1 AS one")[0]["one"] == 1


def test_it_goes_away_while_a_stream_is_read(sqld: Sqld, remote: Any) -> None:
    remote.execute_write(INSERT, ["kept"])
    rows = remote.execute_streaming(MEGABYTES, chunk_size=2)
    assert next(rows)["x"] == 1
    sqld.kill()
    with pytest.raises(ConnectionLost, match=r"The rows that were not read yet are missing: ask for all of them again"):
        list(rows)
    sqld.start()
    assert stored(remote) == ["kept"]
    assert len([*remote.execute_streaming(MEGABYTES)]) == 24


async def test_it_goes_away_while_a_stream_is_read_async(sqld: Sqld, remote: Any) -> None:
    twin: Any = _create_async_connection("remote", sqld.settings())
    rows = twin.execute_streaming(MEGABYTES, chunk_size=2)
    assert (await anext(rows))["x"] == 1
    sqld.kill()
    with pytest.raises(ConnectionLost, match="The rows that were not read yet are missing"):
        [row async for row in rows]
    sqld.start()
    assert len([row async for row in twin.execute_streaming(MEGABYTES)]) == 24
    await twin.close()


def test_an_infinite_number_costs_no_connection(remote: Any) -> None:
    before = remote.get_connection()
    for read in (remote.execute, lambda sql: [*remote.execute_streaming(sql)]):
        with pytest.raises(ProgrammingError, match="An infinite number cannot come from a server"):
            read("SELECT 9e999 AS x")
    assert remote.get_connection() is before
    assert remote.execute("SELECT CAST(9e999 AS TEXT) AS x")[0]["x"] == "Inf"


def test_a_statement_that_sqld_would_hang_up_at_is_not_sent(remote: Any) -> None:
    before = remote.get_connection()
    with pytest.raises(ProgrammingError, match=r"are 19 MB, and a server takes less than 16: .* smaller batch_size"):
        remote.execute("SELECT %s", [b"x" * 15_000_000])
    assert remote.get_connection() is before
    reset_connections()


def test_a_statement_that_it_refuses_leaves_the_transaction_open(remote: Any) -> None:
    with remote.atomic():
        remote.execute_write(INSERT, ["kept"])
        with pytest.raises(OperationalError, match="unsupported statement: ATTACH"):
            remote.execute("ATTACH ':memory:' AS other")
    assert stored(remote) == ["kept"]


def test_a_database_that_is_blocked_says_why(backend_name: str, namespaces: Running) -> None:
    settings = namespaces.new_database()
    admin = HTTPConnection(settings["NAMESPACES"])
    name = settings["URL"].partition("//")[2].partition(".")[0]
    body = '{"block_reads": false, "block_writes": true, "block_reason": "unpaid"}'
    admin.request("POST", f"/v1/namespaces/{name}/config", body, {"Content-Type": "application/json"})
    assert admin.getresponse().status == 200
    admin.close()
    blocked = _create_sync_connection("blocked", settings)
    with pytest.raises(OperationalError, match="unpaid") as refused:
        blocked.execute_script('CREATE TABLE "t" ("id" INTEGER PRIMARY KEY)')
    assert not isinstance(refused.value, ConnectionLost)
    assert blocked.execute("SELECT 1 AS one")[0]["one"] == 1
    blocked.close()
    namespaces.drop_database(settings)


@pytest.fixture
def namespaces(backend_name: str) -> Running:
    return started("sqld")


def test_a_namespace_is_a_database_of_its_own(namespaces: Running) -> None:
    settings = [namespaces.new_database() for _ in range(2)]
    for each, count in zip(settings, (1, 2), strict=True):
        reset_connections()
        dorm.configure(DATABASES={"default": each}, INSTALLED_APPS=[])
        create_tables(get_connection(), (Author, Document))
        Document.objects.bulk_create([Document(title="a", embedding=[1, 2, 3]) for _ in range(count)])
        assert Document.objects.count() == count
    reset_connections()
    for each in settings:
        namespaces.drop_database(each)
    with pytest.raises(
        ConnectionLost, match=r"ws://dorm_vector_\w+\.localhost:\d+ cannot be used: WebSocket was closed"
    ):
        _create_sync_connection("gone", settings[0]).execute("SELECT 1")


def refused(sqld: Sqld, token: str) -> str:
    connection = _create_sync_connection("refused", {**sqld.settings(), "AUTH_TOKEN": token})
    with pytest.raises(ConnectionLost) as raised:
        connection.execute("SELECT 1")
    connection.close()
    return str(raised.value)


def test_a_token_is_looked_at(sqld: Sqld) -> None:
    strange = jwt.encode({}, Ed25519PrivateKey.generate(), "EdDSA")
    expired = jwt.encode({"exp": int(time.time()) - 3600}, KEY, "EdDSA")
    for token in ("", "nonsense", strange, expired, f"{TOKEN[:-6]}AAAAAA"):
        told = refused(sqld, token)
        assert told.startswith(f"ws://127.0.0.1:{sqld.port} cannot be used: Authentication failed")
        assert not token or token not in told
    still_good = jwt.encode({"exp": int(time.time()) + 3600}, KEY, "EdDSA")
    welcome = _create_sync_connection("welcome", {**sqld.settings(), "AUTH_TOKEN": still_good})
    assert welcome.execute("SELECT 1 AS one")[0]["one"] == 1
    welcome.close()


def test_a_token_that_may_only_read(sqld: Sqld, remote: Any) -> None:
    token = jwt.encode({"a": "ro"}, KEY, "EdDSA")
    reader = _create_sync_connection("reader", {**sqld.settings(), "AUTH_TOKEN": token})
    assert stored(reader) == []
    with pytest.raises(ConnectionLost, match="WebSocket was closed") as raised:  # so says sqld that it is forbidden
        reader.execute_write(INSERT, ["refused"])
    assert token not in str(raised.value)
    assert stored(reader) == stored(remote) == []
    reader.close()
