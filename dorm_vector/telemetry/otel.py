"""Spans and metrics of OpenTelemetry. The statements are spans of djanorm's ``contrib.otel``, inside ours."""

from __future__ import annotations

from typing import Any

from ..exceptions import required
from .observers import Observer, Work, current, forget, observe


class _OpenTelemetry(Observer):
    def __init__(self, tracer: Any, meter: Any) -> None:
        self._tracer = tracer
        self._durations = {
            "search": meter.create_histogram("dorm.vector.search.duration", "s", "Time of a search"),
            "load": meter.create_histogram("dorm.vector.load.duration", "s", "Time of a bulk load"),
            "embed": meter.create_histogram("dorm.vector.embedding.duration", "s", "Time of a call of an embedder"),
        }
        self._rows = {
            "search": meter.create_histogram("dorm.vector.search.rows", "{row}", "Rows that a search returned"),
            "load": meter.create_histogram("dorm.vector.load.rows", "{row}", "Rows that a load wrote"),
            "embed": meter.create_histogram("dorm.vector.embedding.batch_size", "{text}", "Texts of one call"),
        }
        self._fallbacks = meter.create_counter(
            "dorm.vector.search.fallbacks", "{search}", "Searches that were repeated exactly"
        )
        self._recall = meter.create_gauge("dorm.vector.recall", "1", "Mean recall of sampled searches")

    def begin(self, work: Work) -> None:
        from opentelemetry import context, trace

        name = work.attributes.get("db.collection.name") or work.attributes.get("gen_ai.request.model", work.name)
        span = self._tracer.start_span(f"{work.operation} {name}", attributes=work.attributes)
        work.held[self] = span, context.attach(trace.set_span_in_context(span))

    def pause(self, work: Work) -> None:
        from opentelemetry import context

        if self in work.held:
            context.detach(work.held[self][1])

    def end(self, work: Work) -> None:
        if self not in work.held:
            return  # it began before this observer did
        span, _token = work.held.pop(self)
        span.set_attributes(_outcome(work))
        if work.error is not None:
            from opentelemetry.trace import StatusCode

            # Only the type: a message may contain values of rows.
            span.set_status(StatusCode.ERROR, type(work.error).__name__)
        span.end(work.ended)
        labels = _labels(work)
        self._durations[work.operation].record(work.seconds, labels)
        self._rows[work.operation].record(work.rows, labels)
        if work.fallback:
            self._fallbacks.add(1, labels)

    def measured_recall(self, name: str, value: float) -> None:
        self._recall.set(value, {"dorm.vector.field": name})


_KEPT = ("db.system.name", "db.collection.name", "db.operation.name", "gen_ai.request.model", "dorm.vector.field")


def _labels(work: Work) -> dict[str, Any]:
    """Return the attributes that have few values."""
    labels = {name: work.attributes[name] for name in _KEPT if name in work.attributes}
    if work.plan:
        labels["dorm.vector.plan"] = work.plan
    if work.error is not None:
        labels["error.type"] = type(work.error).__name__
    return labels


def _outcome(work: Work) -> dict[str, Any]:
    rows = "dorm.vector.batch_size" if work.operation == "embed" else "db.response.returned_rows"
    fallback = {"dorm.vector.fallback": work.fallback} if work.fallback else {}
    database = work.held.get("database_ms")
    times = {} if database is None else _times(work, database)
    return {rows: work.rows, **work.attributes, **_labels(work), **fallback, **times}


def _times(work: Work, database: float) -> dict[str, float]:
    return {"dorm.vector.database_ms": database, "dorm.vector.client_ms": max(0.0, 1e3 * work.seconds - database)}


_installed: list[_OpenTelemetry] = []


def instrument_otel(tracer_provider: Any = None, meter_provider: Any = None) -> None:
    """Report searches, loads and embeddings to OpenTelemetry, as spans and metrics; a second call replaces the first.

    Args:
        tracer_provider: Where the spans go; by default, the global provider.
        meter_provider: Where the metrics go; by default, the global provider.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """
    with required("otel"):
        from opentelemetry import metrics, trace
    from dorm.signals import post_query

    uninstrument_otel()
    tracer = trace.get_tracer("dorm_vector", tracer_provider=tracer_provider)
    observer = _OpenTelemetry(tracer, metrics.get_meter("dorm_vector", meter_provider=meter_provider))
    _installed.append(observer)
    observe(observer)
    post_query.connect(_add_time, weak=False)


def uninstrument_otel() -> None:
    """Undo ``instrument_otel()``."""
    from dorm.signals import post_query

    while _installed:
        forget(_installed.pop())
        post_query.disconnect(_add_time)


def _add_time(sender: Any, elapsed_ms: float = 0.0, **_statement: Any) -> None:
    work = current()
    if work is not None:
        work.held["database_ms"] = work.held.get("database_ms", 0.0) + elapsed_ms
