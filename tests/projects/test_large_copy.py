"""A warehouse goes from SQLite to a server and back: every column is equal, and the doctor finds no problem.

`nox -s soak` copies 40,000 rows each way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import close_all, reset_connections

import backends
from dorm_vector import copy_database
from tests.chaos.extent import IS_SOAK
from tests.conftest import started
from tests.helpers.project import ROOT, in_a_new_python
from tests.projects import warehouse
from tests.projects.warehouse import MODELS

# Each product has three movements, and every seventh has two labels.
PRODUCTS, ROWS = (9_400, 40_000) if IS_SOAK else (150, 600)

DOCTOR = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
import dorm
from tests.projects import warehouse
dorm.configure(DATABASES=json.loads(sys.argv.pop(1)), INSTALLED_APPS=[])
sys.exit(warehouse.run_command(["doctor", "--json"]))
"""


@pytest.fixture
def databases(running: backends.Running) -> Iterator[dict[str, Any]]:
    servers = {"first": started("sqlite"), "default": running, "last": started("sqlite")}
    made = {alias: server.new_database() for alias, server in servers.items()}
    reset_connections()
    dorm.configure(DATABASES=made, INSTALLED_APPS=[])
    for alias in made:
        warehouse.created(alias)
    yield made
    reset_connections()
    for alias, server in servers.items():
        server.drop_database(made[alias])


def test_there_and_back_in_every_column(databases: dict[str, Any], tmp_path: Any) -> None:
    warehouse.fill("first", PRODUCTS)
    stored = dict(warehouse.contents("first"))
    assert sum(map(len, stored.values())) >= ROWS
    embedded = len(warehouse.EMBEDDED)
    for source, target in (("first", "default"), ("default", "last")):
        report = copy_database(source, target, MODELS)
        assert report.verified
        assert report.rows >= ROWS
        assert report.searches >= 6
        assert dict(warehouse.contents(target)) == stored
    assert len(warehouse.EMBEDDED) == embedded
    # Only one process may have a file of Turso open.
    close_all()
    examined = in_a_new_python(DOCTOR, [json.dumps(databases)], tmp_path)
    assert json.loads(examined.stdout)["problems"] == 0, examined.stdout
    assert examined.returncode == 0
