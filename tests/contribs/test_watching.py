"""Modules that see every statement: they see searches as they see queries without vectors, and change no answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dorm
import pytest
from dorm.contrib import otel, plan_drift, prometheus, querystats, slow_tx, sql_allowlist
from dorm.contrib.circuit_breaker import circuit_breaker, reset_circuit_breakers
from dorm.contrib.prepared_stmts import active_prepared, deallocate_all
from dorm.contrib.querycount import query_count_guard
from dorm.contrib.querylog import query_log
from dorm.contrib.sync_dataloader import SyncDataLoader
from dorm.contrib.task_pool import pinned_connection
from dorm.transaction import atomic

from dorm_vector import VectorField
from tests.databases import Database, create_tables, drop_table


class WatchedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    place = VectorField(2)

    class Meta:
        app_label = "tests"


DOCS: Any = WatchedDoc.objects
PLACES = {"a": [0.5, 0], "b": [1, 2], "c": [5, 6]}
NEAREST = [("b", [1, 2]), ("a", [0.5, 0])]


@pytest.fixture
def docs(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (WatchedDoc,))
    for title, place in PLACES.items():
        DOCS.create(title=title, place=place)
    # A busy machine makes searches slow, and the advice about those costs queries.
    dorm.configure(DORM_VECTOR_SLOW_SEARCH_MS=None)
    yield db
    dorm.configure(DORM_VECTOR_SLOW_SEARCH_MS=500.0)
    drop_table(db, WatchedDoc)


def search() -> Any:
    return DOCS.nearest("place", [1, 1])[:2]


def found(rows: Any) -> list[tuple[str, list[float]]]:
    return [(row.title, list(row.place)) for row in rows]


def query() -> Any:
    return DOCS.order_by("title")[:2]


@contextmanager
def undone(undo: Callable[[], Any]) -> Iterator[None]:
    try:
        yield
    finally:
        undo()


async def test_a_search_is_one_statement_of_the_log(docs: Database) -> None:
    """Counted, logged and added to the statistics as a query without vectors is."""
    # The first search of each connection also looks up partitions on other servers.
    assert found(search()) == NEAREST
    assert found([row async for row in search()]) == NEAREST
    statistics = querystats.collector()
    statistics.enable()
    prometheus.install()
    otel.instrument()
    with undone(otel.uninstrument), undone(prometheus.uninstall), undone(statistics.reset), undone(statistics.disable):
        with query_count_guard() as plain:
            list(query())
        with query_count_guard() as counted, query_log() as log:
            assert found(search()) == NEAREST
            assert found([row async for row in search()]) == NEAREST
        assert plain.count == 1
        assert counted.count == log.count >= len(NEAREST)
        assert all(WatchedDoc._meta.db_table in record.sql for record in log.records)
        assert len(json.loads(log.dump_json())) == log.count
        assert sum(stats.count for stats in statistics.snapshot()) == log.count + plain.count
        assert "dorm_queries_total" in prometheus.metrics_response()


async def test_a_pinned_connection_searches(docs: Database) -> None:
    async with pinned_connection():
        row = await DOCS.acreate(title="d", place=[9, 9])
        row.place = [1, 1]
        await row.asave()
        assert found([each async for each in search()]) == [("d", [1, 1]), NEAREST[0]]


def test_an_allowed_search_runs(docs: Database) -> None:
    """One template serves every vector that is searched for, and what is not listed is refused."""
    with query_log() as log:
        list(search())
    sql_allowlist.install([record.sql for record in log.records])
    with undone(sql_allowlist.uninstall):
        assert found(search()) == NEAREST
        assert found(DOCS.nearest("place", [5, 5])[:2])[0] == ("c", [5, 6])
        with pytest.raises(sql_allowlist.SQLNotAllowedError):
            list(query())


def test_guarded_blocks(docs: Database) -> None:
    slow_tx.install(0.0)
    with undone(slow_tx.uninstall), undone(reset_circuit_breakers), circuit_breaker("search"), atomic():
        DOCS.create(title="d", place=[1, 1])
        assert found(search())[0] == ("d", [1, 1])
    loader: Any = SyncDataLoader(lambda keys: {row.pk: row for row in DOCS.filter(pk__in=keys)})
    keys = [row.pk for row in search()]
    assert [loader.load(key) for key in keys] == [None, None]
    loader.flush()
    assert found(map(loader.get, keys))[0] == ("d", [1, 1])


@pytest.mark.not_on("turso", "mariadb", "mysql", "libsql", reason="contrib.prepared_stmts and EXPLAIN of parameters")
def test_plans_and_prepared_statements(docs: Database) -> None:
    with query_log() as log:
        list(search())
    (record,) = log.records
    plan = plan_drift.record_baseline("search", record.sql, params=list(record.params))
    with undone(plan_drift.reset):
        assert WatchedDoc._meta.db_table in plan
        assert not plan_drift.compare("search", record.sql, params=list(record.params)).drifted
    if docs.name != "postgresql":
        with pytest.raises(NotImplementedError):
            active_prepared()
        return
    with atomic():
        for _ in range(8):
            assert found(search()) == NEAREST
        assert any(WatchedDoc._meta.db_table in row["statement"] for row in active_prepared())
    deallocate_all()
    assert found(search()) == NEAREST
