"""Measure the recall of live searches in the background: a small share of them runs again, as it was and exactly."""

from __future__ import annotations

import queue
import random
import statistics
import threading
from collections import defaultdict, deque
from typing import Any, Self

from ..telemetry.observers import Observer, Work, forget, log, observe, report_recall, unobserved
from .recall import count_as_near

_WAITING = 8
"""The most searches that wait to be measured; further ones are skipped."""

_KEPT = 1000
"""The number of measured searches of a field over which its recall is averaged."""


class RecallSampler(Observer):
    """Measures a share of the live searches until ``stop()``; also a context manager.

    ``recall`` is the mean of the last 1,000 measured searches of each field, by its name: ``{"Document.embedding":
    0.98}``. ``measured`` is how many searches were measured in all, and ``failed`` how many could not be.
    """

    def __init__(self, rate: float) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1:
            raise ValueError(f"sample_recall(rate={rate!r}): want a share of the searches, above 0 and up to 1.")
        self.rate, self.measured, self.failed = float(rate), 0, 0
        self._found: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._waiting: queue.Queue[Any] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._measure_all, name="dorm-vector-recall", daemon=True)
        self._thread.start()
        observe(self)

    @property
    def recall(self) -> dict[str, float]:
        return {name: statistics.fmean(values) for name, values in list(self._found.items())}

    def end(self, work: Work) -> None:
        if work.operation != "search" or work.error is not None or random.random() >= self.rate:  # noqa: S311
            return
        query = work.source._query
        if query.limit_val is None or query.search.exact or query.group_by_fields or query.is_combined:
            return
        try:
            self._waiting.put_nowait((work.name, work.source._clone()))
        except queue.Full:
            log.debug("A search of %s is not measured: %d others wait.", work.name, _WAITING)

    def flush(self) -> None:
        """Wait until all searches that were sampled so far are measured."""
        self._waiting.join()

    def stop(self) -> None:
        """Measure the waiting searches, and end the thread."""
        forget(self)
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _measure_all(self) -> None:
        with unobserved():
            while (sampled := self._waiting.get()) is not None:
                self._measure(*sampled)
                self._waiting.task_done()
            self._waiting.task_done()

    def _measure(self, name: str, queryset: Any) -> None:
        try:
            value = _recall(queryset)
        except Exception as error:  # noqa: BLE001  # the next search may be measured; a message may contain values
            self.failed += 1
            log.warning("The recall of a search of %s could not be measured: %s.", name, type(error).__name__)
            return
        if value is not None:
            self._found[name].append(value)
            self.measured += 1
            report_recall(name, statistics.fmean(self._found[name]))


def _recall(queryset: Any) -> float | None:
    """Return the share of the exact nearest neighbors that a search finds; None if it has none."""
    name = queryset._query.search.name
    distances = queryset.values_list(name, flat=True)
    found = list(distances)
    exactly = distances._clone()
    exactly._query = exactly._query.exactly()
    truth = [each for each in exactly if each is not None]
    if not truth:
        return None
    return min(1.0, count_as_near(found, max(truth)) / len(truth))


def sample_recall(rate: float = 0.001) -> RecallSampler:
    """Measure the recall of a share of the live searches in a background thread, and report it as a gauge.

    The thread runs each sampled search again, as it was and without an index, on a sync connection of its own. The
    gauge is ``dorm.vector.recall`` of OpenTelemetry and ``dorm_vector_recall`` of Prometheus. Searches without a limit
    and exact ones are not sampled.

    Args:
        rate: The share of the searches to measure, above 0 and up to 1.

    Raises:
        ValueError: The rate is out of range.
    """
    return RecallSampler(rate)
