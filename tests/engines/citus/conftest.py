"""A cluster, where one was chosen: ``--backend citus``, with its URL in DORM_VECTOR_CITUS_URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dorm.db.connection import reset_connections

from backends import Settings
from tests.conftest import chosen_backends, started


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cluster" in metafunc.fixturenames:
        chosen = [name for name in ["citus"] if name in chosen_backends(metafunc.config)]
        metafunc.parametrize("cluster", chosen, scope="session")


@pytest.fixture(scope="session")
def cluster_database(cluster: str) -> Iterator[Settings]:
    """A new database on every node of the cluster."""
    running = started(cluster)
    settings = running.new_database()
    yield settings
    reset_connections()
    running.drop_database(settings)
