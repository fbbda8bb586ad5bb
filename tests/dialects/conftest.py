"""A server of libSQL, for what is about its transport."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection, reset_connections

from tests.hrana_process import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
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
