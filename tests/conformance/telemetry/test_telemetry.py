"""What searches, loads and embeddings tell the log, OpenTelemetry and Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dorm
import pytest
from dorm.contrib import otel, prometheus
from dorm.signals import post_query
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dorm_vector import (
    Metric,
    Vec0Index,
    VectorField,
    abulk_load,
    bulk_load,
    instrument_otel,
    sample_recall,
    uninstrument_otel,
)
from tests.conformance.inside import Unsupported, watching
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import Memo, memo_table
from tests.helpers.oracle import distance, vectors
from tests.models import Document

QUERY = [0.123456, 2.0, 3.0]


class Tableless(dorm.Model):
    """A model whose table was never created."""

    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"


class Echo(dorm.Model):
    embedding = VectorField(dimensions=12)

    class Meta:
        app_label = "tests"
        indexes = [Vec0Index(["embedding"], "echo_signs", distance="cosine", precision="bit")]


class Telemetry:
    """The spans and metrics of a block of code."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()

    def ours(self) -> list[ReadableSpan]:
        spans = self.exporter.get_finished_spans()
        return [span for span in spans if span.instrumentation_scope.name == "dorm_vector"]  # type: ignore[union-attr]

    def statements_in(self, span: ReadableSpan) -> list[str]:
        """Return the operations of djanorm's spans within one of ours."""
        spans = self.exporter.get_finished_spans()
        inner = [each for each in spans if each.parent is not None and each.parent.span_id == span.context.span_id]
        return [str((each.attributes or {}).get("db.operation")) for each in inner if each not in self.ours()]

    def children(self, span: ReadableSpan) -> list[str]:
        """Return the names of the spans that are directly within one."""
        spans = self.exporter.get_finished_spans()
        return [each.name for each in spans if each.parent is not None and each.parent.span_id == span.context.span_id]

    def metrics(self) -> dict[str, Any]:
        """Return the data points by metric."""
        data: Any = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture(scope="session")
def provider() -> TracerProvider:
    """Return the global provider, to which djanorm reports; a process can set it once."""
    found = TracerProvider()
    trace.set_tracer_provider(found)
    return found


@pytest.fixture
def telemetry(db: Database, provider: TracerProvider) -> Iterator[Telemetry]:
    made = Telemetry()
    Document.objects.bulk_create([Document(title=f"t{n}", embedding=[float(n), 0, 0]) for n in range(4)])
    processor = SimpleSpanProcessor(made.exporter)
    provider.add_span_processor(processor)
    meters = MeterProvider([made.reader])
    otel.instrument()
    instrument_otel(meter_provider=meters)
    # The plan of a slow search would be one more statement, outside the search.
    dorm.configure(DORM_VECTOR_SLOW_SEARCH_MS=None)
    yield made
    dorm.configure(DORM_VECTOR_SLOW_SEARCH_MS=500)
    uninstrument_otel()
    otel.uninstrument()
    meters.shutdown()
    processor.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_search_is_a_span_around_its_statements(db: Database, telemetry: Telemetry) -> None:
    found = Document.objects.nearest("embedding", QUERY)[:2]
    assert [row.title for row in found] == ["t0", "t1"]
    assert [row.title async for row in found] == ["t0", "t1"]
    assert len(found.values("title")) == len(found.values_list("title", flat=True)) == 2
    spans = telemetry.ours()
    assert [span.name for span in spans] == ["search tests_document"] * 4
    for span in spans:
        shown = attributes(span)
        assert shown["db.system.name"] == db.name
        assert (shown["db.collection.name"], shown["db.operation.name"]) == ("tests_document", "search")
        assert (shown["dorm.vector.field"], shown["dorm.vector.metric"]) == ("Document.embedding", "l2")
        assert (shown["dorm.vector.k"], shown["db.response.returned_rows"]) == (2, 2)
        assert shown["dorm.vector.plan"] in ("exact", "index", "client ranking")
        assert shown["dorm.vector.database_ms"] >= 0
        assert shown["dorm.vector.client_ms"] >= 0
        assert "SELECT" in telemetry.statements_in(span)
        assert "0.123" not in str(shown)
    metrics = telemetry.metrics()
    assert sum(point.count for point in metrics["dorm.vector.search.duration"]) == 4
    assert sum(point.sum for point in metrics["dorm.vector.search.rows"]) == 8
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_spans_nest_in_those_of_the_application(telemetry: Telemetry, provider: TracerProvider) -> None:
    found, sent = Document.objects.nearest("embedding", QUERY)[:2], list[str]()
    instrument_otel()  # it replaces the first call, so that no span is there twice
    post_query.connect(lambda sender, sql="", **_more: sent.append(sql), weak=False, dispatch_uid="nested")
    try:
        with provider.get_tracer("application").start_as_current_span("request"):
            assert len(list(found)) == len([row async for row in found]) == 2
            assert len(list(Document.objects.filter(title="t0"))) == 1
    finally:
        post_query.disconnect(dispatch_uid="nested")
    (request,) = [span for span in telemetry.exporter.get_finished_spans() if span.name == "request"]
    # The search has the spans of its statements, and the request has no other one of them.
    assert telemetry.children(request) == [*["search tests_document"] * 2, "SELECT tests_document"]
    inner = [name for span in telemetry.ours() for name in telemetry.children(span)]
    assert "SELECT tests_document" in inner
    assert len(inner) + 1 == len(sent)


async def test_rows_that_nobody_reads_end_the_span(telemetry: Telemetry) -> None:
    rows = Document.objects.nearest("embedding", QUERY)[:3].iterator()
    assert next(rows).title == "t0"
    assert trace.get_current_span() is trace.INVALID_SPAN
    rows.close()
    assert [attributes(span)["db.response.returned_rows"] for span in telemetry.ours()] == [1]


async def test_an_error_is_told_by_its_type(telemetry: Telemetry) -> None:
    with pytest.raises(dorm.exceptions.DatabaseError) as raised:
        list(Tableless.objects.nearest("embedding", QUERY)[:2])
    (span,) = telemetry.ours()
    assert (span.status.is_ok, span.status.description) == (False, type(raised.value).__name__)
    assert attributes(span)["error.type"] == type(raised.value).__name__


async def test_loads_and_embeddings_are_spans(
    db: Database, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dorm_vector")
    with memo_table(db):
        telemetry.exporter.clear()
        assert bulk_load(Memo, [{"title": f"secret {n}"} for n in range(4)]) == 4
        assert await abulk_load(Memo, [{"title": f"secret {n}"} for n in range(4)]) == 4
        spans = telemetry.ours()
        assert [row.title for row in Memo.objects.nearest("embedding", "secret 2")[:1]] == ["secret 2"]
    loads = [span for span in spans if span.name == "load tests_memo"]
    assert [attributes(span)["db.response.returned_rows"] for span in loads] == [4, 4]
    assert [attributes(span)["db.system.name"] for span in loads] == [db.name] * 2
    calls = [span for span in spans if span.name == "embed words-1"]
    assert sorted(attributes(span)["dorm.vector.batch_size"] for span in calls) == [1, 1, 3, 3]
    assert {span.parent.span_id for span in calls if span.parent} == {span.context.span_id for span in loads}
    assert "secret" not in str([attributes(span) for span in telemetry.ours()])
    metrics = telemetry.metrics()
    assert sum(point.sum for point in metrics["dorm.vector.embedding.batch_size"]) == 9
    assert sum(point.sum for point in metrics["dorm.vector.load.rows"]) == 8
    assert [
        sum(point.count for point in metrics[f"dorm.vector.{work}.duration"]) for work in ("load", "embedding")
    ] == [*(2, 5)]


async def test_the_log_names_searches_and_plans_of_slow_ones(
    db: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_explained", {})
    Document.objects.create(title="a", embedding=QUERY)
    found = Document.objects.filter(title="a").nearest("embedding", QUERY)[:2]
    caplog.set_level(logging.INFO, "dorm_vector")
    dorm.configure(DORM_VECTOR_SLOW_SEARCH_MS=None)
    assert len(list(found)) == len([row async for row in found]) == 1
    assert caplog.record_tuples == []
    caplog.set_level(logging.DEBUG, "dorm_vector")
    assert len(list(found.all())) == len([row async for row in found.all()]) == 1
    told = [message for name, _level, message in caplog.record_tuples if name == "dorm_vector"]
    assert [message.partition(" in ")[0] for message in told] == ["search Document.embedding: 1 rows"] * 2
    caplog.clear()
    for level in (logging.INFO, logging.DEBUG):
        caplog.set_level(level, "dorm_vector")
        dorm.configure(DORM_VECTOR_SLOW_SEARCH_MS=0)
        monkeypatch.setattr(watching, "_explained", {})
        assert len(list(found.all())) == 1
        monkeypatch.setattr(watching, "_explained", {})
        assert len([row async for row in found.all()]) == len(list(found.all())) == 1
    dorm.configure(DORM_VECTOR_SLOW_SEARCH_MS=500)
    slow = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    plan = str(found.explain_search())
    assert [message.startswith("Slow search of Document.embedding, k=2: ") for message in slow] == [True] * 6
    assert [message.endswith(plan) for message in slow] == [True, True, False] * 2
    assert "0.123" not in caplog.text


def has_vec0(db: Database) -> bool:
    return not isinstance(db.dialect.indexes["vec0"], Unsupported)


@contextmanager
def counting() -> Iterator[None]:
    prometheus.install()
    try:
        yield
    finally:
        prometheus.uninstall()


@contextmanager
def echoes(db: Database, vectors: Any) -> Iterator[None]:
    create_tables(db.connection, (Echo,))
    bulk_load(Echo, {"embedding": vectors})
    try:
        yield
    finally:
        drop_table(db, Echo)


async def test_recall_and_fallbacks_of_an_index(db: Database, telemetry: Telemetry) -> None:
    is_lossy, stored, queries = has_vec0(db), vectors(200, 12), vectors(4, 12, seed=5)
    shares = []
    with counting(), echoes(db, stored):
        with sample_recall(1) as sampler:
            for query in queries:
                search = Echo.objects.nearest("embedding", query, exact=False)
                found = [row.pk for row in (search.search_options(oversample=1) if is_lossy else search)[:10]]
                nearest = sorted(range(200), key=lambda n, query=query: distance(Metric.COSINE, stored[n], query))[:10]  # type: ignore[misc]
                shares.append(len({n + 1 for n in nearest} & {*found}) / 10)
                sampler.flush()
        mean = pytest.approx(sum(shares) / len(shares))
        assert (min(shares) < 1) is is_lossy
        assert sampler.recall == {"Echo.embedding": mean}
        assert [point.value for point in telemetry.metrics()["dorm.vector.recall"]] == [mean]
        assert "dorm.vector.search.fallbacks" not in telemetry.metrics()
        if is_lossy:
            db.connection.execute_write('DROP TABLE "echo_signs"')
            telemetry.exporter.clear()
            again = Echo.objects.nearest("embedding", queries[0], exact=False)[:10]
            assert len(list(again)) == len([row async for row in again.all()]) == 10
            reasons = [attributes(span)["dorm.vector.fallback"] for span in telemetry.ours()]
            assert reasons == ["the table of its index is not there. Run: dorm migrate."] * 2
            assert [point.value for point in telemetry.metrics()["dorm.vector.search.fallbacks"]] == [2]
            counted = 'dorm_vector_search_fallbacks_total{name="Echo.embedding"} 2'
            assert counted in prometheus.metrics_response().splitlines()


async def test_counters_of_prometheus(db: Database) -> None:
    with counting():
        assert bulk_load(Document, [{"title": "a", "embedding": QUERY}]) == 1
        with sample_recall(1) as sampler:
            assert len(Document.objects.nearest("embedding", QUERY)[:2]) == 1
            assert len([row async for row in Document.objects.nearest("embedding", QUERY)[:2]]) == 1
            sampler.flush()
            assert (sampler.recall, sampler.measured, sampler.failed) == ({"Document.embedding": 1.0}, 2, 0)
        lines = prometheus.metrics_response().splitlines()
    assert 'dorm_vector_load_rows_total{name="Document"} 1' in lines
    assert 'dorm_vector_search_rows_total{name="Document.embedding"} 2' in lines
    assert 'dorm_vector_recall{name="Document.embedding"} 1' in lines
    (total,) = [line for line in lines if line.startswith("dorm_vector_searches_total{")]
    assert total.endswith(',outcome="ok"} 2')
    assert "dorm_vector" not in prometheus.metrics_response()
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        sample_recall(0)
