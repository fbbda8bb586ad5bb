"""Searches on a streaming standby, which djanorm's routers choose."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dorm
import pytest
from dorm.contrib.active_passive import ActivePassiveRouter
from dorm.contrib.lag_router import LagAwareReadRouter
from dorm.db.connection import clear_read_after_write_window, get_connection, reset_connections
from dorm.exceptions import DatabaseError
from dorm.signals import pre_query

from backends import postgresql
from backends.servers.standby import following
from dorm_vector import HnswIndex, Metric, UnsupportedByDatabase, VectorField, bulk_load, measure_recall
from tests.databases import create_tables
from tests.helpers import oracle

pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="it is PostgreSQL's standby")

STORED, QUERY = oracle.vectors(500, 8), [0.25, -0.5, 0.125, 0.5, 0.75, -0.25, 0.5, -1.0]


class Replicated(dorm.Model):
    number = dorm.IntegerField()
    embedding = VectorField(8)

    class Meta:
        app_label = "tests"
        indexes = [HnswIndex(fields=["embedding"], name="replicated_hnsw", distance="l2")]


@pytest.fixture(scope="module")
def standby(backend_name: str) -> Iterator[str]:
    """The alias of a standby of "default", which has the rows."""
    with (
        TemporaryDirectory(prefix="dorm-vector-") as folder,
        postgresql.launch(readable(Path(folder) / "primary")) as primary,
        following(primary, readable(Path(folder))) as copy,
    ):
        reset_connections()
        dorm.configure(DATABASES={"default": primary, "standby": copy}, INSTALLED_APPS=[])
        create_tables(get_connection(), (Replicated,))
        bulk_load(Replicated, [{"number": n, "embedding": vector} for n, vector in enumerate(STORED)])
        caught_up()
        clear_read_after_write_window()
        yield "standby"
        dorm.configure(DATABASE_ROUTERS=[])
        clear_read_after_write_window()
        reset_connections()


def readable(folder: Path) -> Path:
    """Let the user of the server, which is not root, go through a folder."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return folder


def caught_up(seconds: float = 60) -> None:
    """Wait until the standby has replayed what the primary has written."""
    # What is committed may not be written yet: synchronous_commit is off.
    (written,) = get_connection().execute("SELECT pg_current_wal_insert_lsn()::text AS lsn")
    deadline = time.monotonic() + seconds
    sql = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn AS done"
    while not get_connection("standby").execute(sql, [written["lsn"]])[0]["done"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def expected(count: int, keep: Any = lambda n: True) -> list[int]:
    kept = [n for n in range(len(STORED)) if keep(n)]
    return sorted(kept, key=lambda n: oracle.distance(Metric.L2, STORED[n], QUERY) or 0)[:count]


def found(rows: Any) -> list[tuple[str, int]]:
    return [(row._state.db or "default", row.number) for row in rows]


def nearest(**filters: Any) -> Any:
    return Replicated.objects.filter(**filters).nearest("embedding", QUERY)


async def test_searches_go_to_the_standby_and_writes_to_the_primary(standby: str) -> None:
    dorm.configure(DATABASE_ROUTERS=[ActivePassiveRouter(aliases=["default", standby])])
    asked: list[str] = []

    def hear(sender: Any, sql: str, **_query: Any) -> None:
        asked.append(sql)

    pre_query.connect(hear)
    try:
        rows = nearest().search_options(ef_search=200)[:10]
        again = [(row._state.db, row.number) async for row in rows.all()]
        assert found(rows) == again == [(standby, n) for n in expected(10)]
        assert any("'hnsw.ef_search', '200'" in sql for sql in asked)
        asked.clear()
        few = nearest(number__lt=40)[:10]
        again = [(row._state.db, row.number) async for row in few.all()]
        assert found(few) == again == [(standby, n) for n in expected(10, lambda n: n < 40)]
        assert any("hnsw.iterative_scan" in sql for sql in asked)
    finally:
        pre_query.disconnect(hear)
    with pytest.raises(UnsupportedByDatabase):
        found(nearest().search_options(nothing=1)[:1])
    assert nearest().search_options(ef_search=200)[:10].explain_search().plan
    assert measure_recall(Replicated.objects.using(standby), "embedding", sample=20).recall > 0.5
    with pytest.raises(DatabaseError, match="read-only"):
        Replicated.objects.using(standby).create(number=-1, embedding=QUERY)
    # Its own write is read from the primary, at once.
    Replicated.objects.create(number=1_000, embedding=QUERY)
    again = [(row._state.db or "default", row.number) async for row in nearest()[:1]]
    assert found(nearest()[:1]) == again == [("default", 1_000)]
    caught_up()
    clear_read_after_write_window()
    assert found(nearest()[:1]) == [(standby, 1_000)]
    bulk_load(Replicated, [{"number": 1_001, "embedding": [0] * 8}])
    assert Replicated.objects.filter(number=1_001).count() == 1


def test_a_standby_that_lags_is_left_out(standby: str) -> None:
    for most, alias in ((1_000_000.0, standby), (1e-9, "default")):
        router = LagAwareReadRouter(primary="default", replicas=[standby], max_lag_seconds=most)
        dorm.configure(DATABASE_ROUTERS=[router])
        rows = nearest(number__lt=len(STORED)).search_options(ef_search=200)[:5]
        assert found(rows) == [(alias, n) for n in expected(5)]
