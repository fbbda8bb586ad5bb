"""Embed texts while they are loaded and embedded again: how much of the time the embedder works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import dorm
import numpy as np

from benchmarks.bench import Bench
from benchmarks.measuring import Contestant, Group
from benchmarks.models import APP
from dorm_vector import EmbeddingField, bulk_load, reembed

ROWS, DIMENSIONS, AT_A_TIME = 12_000, 384, 64


class Sleeper:
    """An embedder that takes ``seconds`` for 64 texts, as one on another machine does."""

    name = "sleeper"
    dimensions = DIMENSIONS
    seconds = 0.0

    def __init__(self) -> None:
        self._vectors = np.random.default_rng(5).standard_normal((AT_A_TIME, DIMENSIONS), np.float32)

    def embed_documents(self, texts: Sequence[str]) -> Any:
        time.sleep(self.seconds * len(texts) / AT_A_TIME)
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

    def clear() -> None:
        EMBEDDER.seconds = 0.0
        bench.bare.clear(model._meta.db_table)

    def forget(texts: list[str]) -> None:
        clear()
        bulk_load(model, {"title": texts})
        model.objects.update(embedding_hash=None)

    for seconds in (0.005, 0.04):
        texts = titles if seconds < 0.01 else titles[: count // 4]

        def timed(work: Any, texts: list[str] = texts, seconds: float = seconds) -> Any:
            def run(_: int) -> Any:
                EMBEDDER.seconds = seconds
                return work(texts)

            return run

        contestants = [
            Contestant("the embedder alone", timed(alone)),
            Contestant("bulk_load", timed(lambda texts: bulk_load(model, {"title": texts})), clear),
            Contestant("reembed", timed(lambda _texts: reembed(model)), partial(forget, texts)),
        ]
        if bench.dialect.loading.no_claim is None:
            two = timed(lambda _texts: in_two_workers(lambda: reembed(model, shared=True)))
            contestants.append(Contestant("reembed, two workers", two, partial(forget, texts)))
        yield Group(
            "embedding",
            f"embed {len(texts):,} texts, at {1e3 * seconds:.0f} ms for {AT_A_TIME}",
            contestants,
            bench.rounds(3),
            {each.name: 1 / 0.9 / (2 if "two" in each.name else 1) for each in contestants[1:]},
        )


def alone(texts: list[str]) -> None:
    for start in range(0, len(texts), AT_A_TIME):
        EMBEDDER.embed_documents(texts[start : start + AT_A_TIME])


def in_two_workers(work: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work) for _ in range(2)]:
            done.result()
