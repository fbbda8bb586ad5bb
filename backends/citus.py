"""A Citus cluster with pgvector that you run: the URL of its coordinator. No package of it can be downloaded here.

https://github.com/citusdata/citus
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from backends import BackendUnavailable, Settings, postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HINT = "set DORM_VECTOR_CITUS_URL to a coordinator: postgresql://postgres@127.0.0.1:5432/postgres"

SHARDS = 2
"""The shards of a table in a new database; with Citus's default of 32, each CREATE INDEX takes a second."""

_NODES = "SELECT nodename, nodeport, groupid FROM pg_dist_node WHERE noderole = 'primary' ORDER BY groupid"


@contextmanager
def launch(_directory: Path) -> Iterator[Settings]:
    raise BackendUnavailable(f"No Citus cluster is known: {_HINT}")
    yield {}


def server_version(settings: Settings) -> str:
    citus = postgresql.execute(settings, "SELECT extversion FROM pg_extension WHERE extname = 'citus'")[0][0]
    workers = len(_nodes(settings)) - 1
    return f"{citus} on {workers} workers, PostgreSQL {postgresql.server_version(settings)}"


def create(settings: Settings, name: str) -> Settings:
    """Create a database on each node, and make those one cluster: Citus is an extension of each database."""
    nodes = _nodes(settings)
    for node in nodes:
        postgresql.execute(_at(settings, node), f'CREATE DATABASE "{name}"')
        postgresql.execute({**_at(settings, node), "NAME": name}, "CREATE EXTENSION citus")
    made = {**settings, "NAME": name}
    (coordinator, *workers) = nodes
    postgresql.execute(made, f"SELECT citus_set_coordinator_host('{coordinator[0]}', {coordinator[1]})")
    for host, port, _group in workers:
        postgresql.execute(made, f"SELECT citus_add_node('{host}', {port})")
    postgresql.execute(made, f'ALTER DATABASE "{name}" SET citus.shard_count = {SHARDS}')
    return made


def drop(settings: Settings) -> None:
    for node in _nodes({**settings, "NAME": "postgres"}):
        postgresql.drop(_at(settings, node))


def _nodes(settings: Settings) -> list[tuple[str, int, int]]:
    """Return the address of each node, the coordinator's first."""
    return [(host, port, group) for host, port, group in postgresql.execute(settings, _NODES)]


def _at(settings: Settings, node: tuple[str, int, int]) -> Settings:
    host, port, group = node
    return {**settings, "HOST": host, "PORT": port} if group else settings


BACKEND = replace(
    postgresql.BACKEND,
    name="citus",
    title="Citus",
    source=lambda: f"not here: {_HINT}",
    launch=launch,
    version=server_version,
    create=create,
    drop=drop,
)
