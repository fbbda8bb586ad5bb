"""Embed texts while they are loaded and embedded again: how much of the time the embedder works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from threading import Lock
from typing import Any

import dorm
import numpy as np

from benchmarks.bench import Bench
from benchmarks.measuring import Contestant, Group
from benchmarks.models import APP
from benchmarks.reembed_worker import ReembedWorker
from dorm_vector import EmbeddingField, bulk_load, reembed

ROWS, DIMENSIONS, AT_A_TIME = 6_000, 384, 64


class Sleeper:
    """An embedder that takes ``seconds`` for 64 texts, as one on another machine does."""

    name = "sleeper"
    dimensions = DIMENSIONS
    seconds = 0.0

    def __init__(self) -> None:
        self.busy = 0.0
        self._counting = Lock()
        self._vectors = np.random.default_rng(5).standard_normal((AT_A_TIME, DIMENSIONS), np.float32)

    def embed_documents(self, texts: Sequence[str]) -> Any:
        start = time.perf_counter()
        time.sleep(self.seconds * len(texts) / AT_A_TIME)
        with self._counting:
            self.busy += time.perf_counter() - start
        return np.resize(self._vectors, (len(texts), DIMENSIONS))

    def embed_query(self, text: str) -> Any:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: Sequence[str]) -> Any:
        raise NotImplementedError

    async def aembed_query(self, text: str) -> Any:
        raise NotImplementedError


EMBEDDER = Sleeper()


@cache
def note() -> Any:
    class Note(dorm.Model):
        title = dorm.TextField()
        embedding = EmbeddingField(DIMENSIONS, source="title", embedder=EMBEDDER, null=True)

        class Meta:
            app_label = APP
            db_table = "benchmark_notes"

    return Note


def groups(bench: Bench) -> Iterator[Group]:
    model, count = note(), 1_000 if bench.quick else ROWS
    bench.create(model)
    titles = [f"text {number}" for number in range(count)]
    with ExitStack() as stack:
        shares = bench.dialect.loading.no_claim is None
        workers = [stack.enter_context(ReembedWorker(bench.settings)) for _ in range(2 if shares else 0)]
        for seconds in (0.005, 0.04):
            yield group(bench, seconds, titles if seconds < 0.01 else titles[: count // 4], workers)


def group(bench: Bench, seconds: float, texts: list[str], workers: list[ReembedWorker]) -> Group:
    contestants = [
        embedding(name, work, seconds, texts, prepare, embedders)
        for name, work, prepare, embedders in pipelines(bench, texts, workers)
    ]
    return Group(
        "embedding",
        f"embed {len(texts):,} texts, at {1e3 * seconds:.0f} ms for {AT_A_TIME}",
        contestants,
        bench.rounds(3),
        {each.name: 1 / 0.9 / (2 if "two" in each.name else 1) for each in contestants[1:]},
        setting=[f"{1e3 * seconds:.0f} ms"],
    )


Pipeline = tuple[str, Callable[[], Any], Callable[[], Any], int]
"""Its name, the work, what prepares it, and how many embedders work at once."""


def pipelines(bench: Bench, texts: list[str], workers: list[ReembedWorker]) -> Iterator[Pipeline]:
    model = note()

    def clear() -> None:
        EMBEDDER.seconds = 0.0
        bench.bare.clear(model._meta.db_table)

    def forget() -> None:
        clear()
        bulk_load(model, {"title": texts})
        model.objects.update(embedding_hash=None)

    def shared() -> None:
        for worker in workers:
            worker.begin(EMBEDDER.seconds)
        rows, busy = zip(*(worker.end() for worker in workers), strict=True)
        if sum(rows) != len(texts):
            raise RuntimeError(f"The workers embedded {rows} of {len(texts)} rows: one of them twice, or not at all.")
        EMBEDDER.busy = sum(busy)

    yield "the embedder alone", lambda: alone(texts), clear, 1
    yield "bulk_load", lambda: bulk_load(model, {"title": texts}), clear, 1
    yield "reembed", lambda: reembed(model), forget, 1
    if workers:
        yield "reembed, two workers", shared, forget, len(workers)


def embedding(
    name: str, work: Callable[[], Any], seconds: float, texts: list[str], prepare: Callable[[], Any], workers: int
) -> Contestant:
    """Return the contestant, which reports how much of the time its embedders were busy."""

    def run(_: int) -> float:
        EMBEDDER.seconds, EMBEDDER.busy = seconds, 0.0
        work()
        return EMBEDDER.busy

    def figures(busy: Sequence[float], times: Sequence[float]) -> dict[str, float]:
        return {"texts/s": len(texts) * len(times) / sum(times), "busy %": 100 * sum(busy) / sum(times) / workers}

    return Contestant(name, run, prepare, figures=figures)


def alone(texts: list[str]) -> None:
    for start in range(0, len(texts), AT_A_TIME):
        EMBEDDER.embed_documents(texts[start : start + AT_A_TIME])
