"""A copy that is killed, `kill -9`, before any of its statements: called again, it copies every row once."""

from __future__ import annotations

import os
import random
import signal
import traceback
from collections.abc import Iterator
from itertools import count
from typing import Any

import dorm
import pytest
from dorm.db.connection import close_all, reset_connections
from dorm.signals import pre_query

import backends
from dorm_vector import copy_database, rebuild_index
from tests.chaos.extent import IS_SOAK
from tests.conftest import started
from tests.projects import warehouse
from tests.projects.warehouse import MODELS, StockProduct

KILLS, PRODUCTS = (40, 600) if IS_SOAK else (10, 100)
BATCH, MOST_STATEMENTS = 5, 60
DAMAGED = 3
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


@pytest.fixture
def aliases(running: backends.Running) -> Iterator[tuple[str, str]]:
    servers = {"source": started("sqlite"), "target": running}
    databases = {alias: server.new_database() for alias, server in servers.items()}
    reset_connections()
    dorm.configure(DATABASES={"default": databases["source"], **databases}, INSTALLED_APPS=[])
    for alias in databases:
        warehouse.created(alias)
    warehouse.fill("source", PRODUCTS)
    yield "source", "target"
    reset_connections()
    for alias, server in servers.items():
        server.drop_database(databases[alias])


def test_nothing_is_copied_twice_or_lost(aliases: tuple[str, str]) -> None:
    chance = random.Random(3)
    for _attempt in range(KILLS):
        ended = _copy_in_a_child(aliases, chance.randrange(MOST_STATEMENTS))
        if ended == DAMAGED:
            # A kill can damage Turso's full-text index; the error of the next write says how to repair it.
            rebuild_index(StockProduct, "warehouse_product_words", using="target")
            ended = _copy_in_a_child(aliases, chance.randrange(MOST_STATEMENTS))
        assert ended == -signal.SIGKILL
    report = copy_database(*aliases, MODELS)
    assert report.resumed
    assert dict(warehouse.contents("target")) == dict(warehouse.contents("source"))


def _copy_in_a_child(aliases: tuple[str, str], statements: int) -> int:
    """Copy in another process, which is killed before the statement of that number after its first page."""
    close_all()
    pid = os.fork()
    if pid == 0:
        _copy(aliases, statements)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _copy(aliases: tuple[str, str], statements: int) -> None:
    counted: Iterator[int] | None = None

    def begin(done: int, _total: int) -> None:
        nonlocal counted
        if counted is None and done:
            counted = count()

    def kill(*_sender: Any, **_statement: Any) -> None:
        if counted is not None and next(counted) >= statements:
            os.kill(os.getpid(), signal.SIGKILL)

    pre_query.connect(kill, weak=False)
    try:
        copy_database(*aliases, MODELS, batch_size=BATCH, progress=begin)
    except dorm.OperationalError as error:
        traceback.print_exc()
        os._exit(DAMAGED if "by rebuild_index(Model, name)" in str(error) else 1)
    except BaseException:  # noqa: BLE001  # it is the parent that fails
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
