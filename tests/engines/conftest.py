"""A server of libSQL, for what is about its transport: the small one, and sqld where the run is about libSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection, reset_connections

from tests.conftest import chosen_backends
from tests.helpers.hrana_process import Server, Sqld


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind_of_server" in metafunc.fixturenames:
        kinds = [Server, Sqld] if "libsql" in chosen_backends(metafunc.config) else [Server]
        metafunc.parametrize("kind_of_server", kinds)


@pytest.fixture
def server(kind_of_server: type[Server], tmp_path: Path) -> Iterator[Server]:
    running = kind_of_server(tmp_path)
    yield running
    reset_connections()
    running.kill()


@pytest.fixture
def remote(server: Server) -> Iterator[Any]:
    """A connection to it, with one table."""
    opened = _create_sync_connection("remote", server.settings())
    opened.execute_script('CREATE TABLE "t" ("id" INTEGER PRIMARY KEY, "a" TEXT, "b" BLOB)')
    yield opened
    opened.close()
