"""Counters of searches, loads and embeddings in ``dorm.contrib.prometheus``, between its install and uninstall."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from ..patching.registry import hook
from .observers import Observer, Work, forget, observe

_HELP = {
    "dorm_vector_searches_total": ("counter", "Searches, by plan and outcome."),
    "dorm_vector_search_seconds_total": ("counter", "Time of searches."),
    "dorm_vector_search_rows_total": ("counter", "Rows that searches returned."),
    "dorm_vector_search_fallbacks_total": ("counter", "Searches that were repeated exactly."),
    "dorm_vector_loads_total": ("counter", "Bulk loads, by outcome."),
    "dorm_vector_load_seconds_total": ("counter", "Time of bulk loads."),
    "dorm_vector_load_rows_total": ("counter", "Rows that loads wrote."),
    "dorm_vector_embeddings_total": ("counter", "Calls of embedders, by outcome."),
    "dorm_vector_embedding_seconds_total": ("counter", "Time of calls of embedders."),
    "dorm_vector_embedding_texts_total": ("counter", "Texts that were embedded."),
    "dorm_vector_recall": ("gauge", "Mean recall of sampled searches."),
}

_NAMES = {
    "search": ("dorm_vector_searches_total", "dorm_vector_search_seconds_total", "dorm_vector_search_rows_total"),
    "load": ("dorm_vector_loads_total", "dorm_vector_load_seconds_total", "dorm_vector_load_rows_total"),
    "embed": (
        "dorm_vector_embeddings_total",
        "dorm_vector_embedding_seconds_total",
        "dorm_vector_embedding_texts_total",
    ),
}

Labels = tuple[tuple[str, str], ...]


class _Counters(Observer):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))

    def end(self, work: Work) -> None:
        of = (("model" if work.operation == "embed" else "name", work.name),)
        outcome = ("outcome", "ok" if work.error is None else "error")
        plan = (("plan", work.plan),) if work.plan else ()
        total, seconds, rows = _NAMES[work.operation]
        with self._lock:
            self._values[total][(*of, *plan, outcome)] += 1
            self._values[seconds][of] += work.seconds
            self._values[rows][of] += work.rows
            if work.fallback:
                self._values["dorm_vector_search_fallbacks_total"][of] += 1

    def measured_recall(self, name: str, value: float) -> None:
        with self._lock:
            self._values["dorm_vector_recall"][(("name", name),)] = value

    def lines(self) -> list[str]:
        with self._lock:
            return [line for name in _HELP if name in self._values for line in _lines(name, self._values[name])]

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


def _lines(name: str, values: dict[Labels, float]) -> list[str]:
    kind, text = _HELP[name]
    found = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in values.items():
        pairs = ",".join(f'{label}="{_escaped(each)}"' for label, each in labels)
        found.append(f"{name}{{{pairs}}} {value:.9g}")
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_COUNTERS = _Counters()


@hook("dorm.contrib.prometheus", "install", name="counters_of_vectors")
def _installing(original: Any) -> None:
    original()
    observe(_COUNTERS)


@hook("dorm.contrib.prometheus", "uninstall", name="counters_of_vectors")
def _uninstalling(original: Any) -> None:
    original()
    forget(_COUNTERS)
    _COUNTERS.clear()


@hook("dorm.contrib.prometheus", "metrics_response")
def counters_of_vectors(original: Any) -> str:
    """Add the counters of searches, loads and embeddings to djanorm's metrics."""
    return "\n".join([str(original()).rstrip("\n"), *_COUNTERS.lines()]).lstrip("\n") + "\n"
