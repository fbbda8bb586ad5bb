"""The engine ``hrana`` against a server: the whole suite, encrypted, and what survives the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dorm
import pytest
import trustme
from dorm.db.connection import _create_async_connection, _create_sync_connection, get_connection, reset_connections
from dorm.exceptions import ProgrammingError

from dorm_vector import StatementTimeout, VectorField, no_statement_timeout
from dorm_vector.engines.libsql.address import address_of
from dorm_vector.exceptions import ConnectionLost
from tests.conftest import remote_suite
from tests.databases import create_tables
from tests.helpers.hrana_process import TOKEN, Server
from tests.helpers.project import ROOT


@pytest.mark.timeout(3600)  # it waits for the whole suite of another process
def test_the_suite_passes(pytestconfig: pytest.Config) -> None:
    suite = remote_suite(pytestconfig)
    for name in suite.runs:
        code, printed = suite.finished(name)
        assert code == 0, f"{name}: {printed[-5000:]}"
        assert "URL in DORM_VECTOR_LIBSQL_URL" in printed
        assert TOKEN not in printed


ASK = """
import sys
from dorm.db.connection import _create_sync_connection
connection = _create_sync_connection("x", {"ENGINE": "hrana", "URL": sys.argv[1], "AUTH_TOKEN": sys.argv[2]})
print(connection.execute("SELECT 6 * 7 AS answer")[0]["answer"])
connection.close()
"""


def ask(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask a server in a process of its own: aiohttp reads the authorities that it trusts as it is imported."""
    command = [sys.executable, "-c", ASK, url, TOKEN]
    return subprocess.run(
        command, check=False, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.mark.parametrize("scheme", ["wss", "libsql"])
def test_an_encrypted_server_is_reached_where_its_certificate_is_trusted(scheme: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    encrypted = Server(tmp_path, tmp_path / "server.pem")
    url = encrypted.settings(scheme=scheme)["URL"]
    trusting, wary = ask(url, SSL_CERT_FILE=str(tmp_path / "authority.pem")), ask(url)
    plain = ask(encrypted.settings(scheme="ws")["URL"])
    encrypted.kill()
    assert trusting.stdout == "42\n", trusting.stderr
    assert "CERTIFICATE_VERIFY_FAILED" in wary.stderr
    assert f"ConnectionLost: wss://127.0.0.1:{encrypted.port}/default cannot be used" in wary.stderr
    assert "ConnectionLost" in plain.stderr
    assert TOKEN not in trusting.stderr + wary.stderr + plain.stderr


def test_a_turso_url_may_say_that_it_is_not_encrypted(server: Server) -> None:
    url = f"{server.settings(scheme='libsql')['URL']}?tls=0"
    assert ask(url).stdout == "42\n"


def test_a_token_in_the_settings_overrides_one_in_the_url() -> None:
    both = {"URL": "wss://host/name?authToken=in-url", "AUTH_TOKEN": "in-settings"}
    assert address_of(both).token == "in-settings"  # noqa: S105  # no secret
    assert address_of({"URL": both["URL"]}).token == "in-url"  # noqa: S105  # no secret
    assert address_of(both).target == "wss://host/name"


def test_a_server_that_is_too_slow(server: Server, remote: Any) -> None:
    hasty = _create_sync_connection("remote", {**server.settings(), "OPTIONS": {"timeout": 0.2}})
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5000000) SELECT max(x) FROM n"
    with pytest.raises(ConnectionLost, match="was lost: no answer in time"):
        hasty.execute(endless)
    assert hasty.execute("SELECT 1 AS one")[0]["one"] == 1
    hasty.close()


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5000000) SELECT max(x) AS most FROM n"


async def test_a_statement_timeout(server: Server, remote: Any) -> None:
    settings = {**server.settings(), "OPTIONS": {"statement_timeout": 0.2}}
    hasty, ahasty = _create_sync_connection("remote", settings), _create_async_connection("remote", settings)
    with pytest.raises(StatementTimeout, match=r"longer than 0.2 seconds: WITH RECURSIVE .* the server may finish"):
        hasty.execute(ENDLESS)
    with pytest.raises(StatementTimeout):
        await ahasty.execute(ENDLESS)
    with no_statement_timeout():
        assert hasty.execute(ENDLESS)[0]["most"] == 5_000_000
        assert (await ahasty.execute(ENDLESS))[0]["most"] == 5_000_000
    hasty.close()
    await ahasty.close()


FORK = """
import os, sys
from dorm.db.connection import _create_sync_connection
connection = _create_sync_connection("x", {"ENGINE": "hrana", "URL": sys.argv[1], "AUTH_TOKEN": sys.argv[2]})
connection.execute("SELECT 1")
child = os.fork()
connection.execute_write(f"INSERT INTO t (a) VALUES ('{'parent' if child else 'child'}')")
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_that_forks_has_two_connections(server: Server, remote: Any) -> None:
    subprocess.run([sys.executable, "-c", FORK, server.settings()["URL"], TOKEN], cwd=ROOT, check=True, timeout=60)
    assert {row["a"] for row in remote.execute('SELECT "a" FROM "t"')} == {"parent", "child"}


def test_an_answer_larger_than_the_client_would_take(remote: Any) -> None:
    blob = bytes(range(256)) * 40
    with remote.atomic():
        remote.get_connection().executemany('INSERT INTO "t" ("b") VALUES (?)', [(blob,)] * 600)
    rows = remote.execute('SELECT "b" FROM "t"')
    assert len(rows) == 600
    assert {row["b"] for row in rows} == {blob}


def test_values_survive_the_way(remote: Any) -> None:
    for value in (None, "", "é∞", 0, -(2**63), 2**63 - 1, 1.5, 1e300, b"", b"\0\xff"):
        assert remote.execute("SELECT %s AS v", [value])[0]["v"] == value
    assert remote.execute("SELECT %s AS v", [float("nan")])[0]["v"] is None
    with pytest.raises(ProgrammingError, match="Infinity cannot be sent to a server"):
        remote.execute("SELECT %s AS v", [float("inf")])


class Remote(dorm.Model):
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"


def test_a_server_and_a_file_in_one_process(server: Server, tmp_path: Path) -> None:
    reset_connections()
    file = {"ENGINE": "hrana", "URL": f"file:{tmp_path}/own.libsql"}
    dorm.configure(DATABASES={"default": server.settings("other"), "file": file}, INSTALLED_APPS=[])
    for alias in ("default", "file"):
        create_tables(get_connection(alias), (Remote,))
        Remote.objects.using(alias).create(embedding=[1, 2, 3])
        assert Remote.objects.using(alias).nearest("embedding", [1, 2, 4])[0].distance == pytest.approx(1)
