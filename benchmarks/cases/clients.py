"""Searches by 1, 8 and 32 clients at once: how many a second, and how long one of them takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, local
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks import bare, peers
from benchmarks.bench import COUNT, Bench
from benchmarks.measuring import Contestant, Group

CLIENTS = (1, 8, 32)
ROWS = 10_000
SECONDS, FEWEST, MOST = 0.8, 32, 1_024
"""About how long the bare driver takes for the searches of a round, and how many they are."""
JUDGED = 20
"""The searches of a round whose recall is computed."""

Search = Callable[[int], list[int]]
Done = tuple[int, list[int], float]
"""The number of a search, what it found, and the seconds that it took."""


def groups(bench: Bench) -> Iterator[Group]:
    bench = bench.first(min(ROWS, bench.sizes.searched))
    model = bench.filled(indexed=bench.dialect.is_approximate)
    table = model._meta.db_table
    driver = Driver(bench, table)
    others = [peer for peer in peers.of(bench, table, indexed=True) if hasattr(peer, "nearest")]
    searches: dict[str, Search] = {"bare driver": driver, "dorm_vector": bench.ours(model).work}
    searches |= {peer.name: searching(bench, peer) for peer in others}
    leaving = [driver.leave, *(peer.leave for peer in others if hasattr(peer, "leave"))]
    closing = [peer.disconnect for peer in others if hasattr(peer, "disconnect")]
    many, kind = enough(bench, table), "index" if bench.dialect.is_approximate else "exact"
    for clients in CLIENTS:
        with Crowd(clients, leaving, closing) as crowd:
            yield Group(
                "clients",
                f"{many} searches ({kind}) by {clients} client{'s' * (clients > 1)},"
                f" k={COUNT} with vectors, {len(bench.data):,} x {bench.data.dimensions}",
                [crowd.contestant(bench, *each, many) for each in searches.items()],
                bench.rounds(3),
                {"dorm_vector": 1.25},
                setting=[str(clients)],
            )


def searching(bench: Bench, peer: Any) -> Search:
    return lambda number: list(peer.nearest(bench.query(number), COUNT))


def enough(bench: Bench, table: str) -> int:
    """Return how many searches are worth a round, by the time that one takes the bare driver."""
    bench.bare.nearest(table, bench.query(0), COUNT)
    start = time.perf_counter()
    bench.bare.nearest(table, bench.query(1), COUNT)
    taken = time.perf_counter() - start
    return CLIENTS[-1] if bench.quick else min(MOST, max(FEWEST, round(SECONDS / taken / FEWEST) * FEWEST))


class Driver:
    """A search by the bare driver, with a connection for each thread."""

    def __init__(self, bench: Bench, table: str) -> None:
        self.bench, self.table, self.mine = bench, table, local()

    def __call__(self, number: int) -> list[int]:
        if not hasattr(self.mine, "connection"):
            self.mine.connection = bare.get(self.bench.name, self.bench.settings)
        return [row[0] for row in self.mine.connection.nearest(self.table, self.bench.query(number), COUNT)]

    def leave(self) -> None:
        if hasattr(self.mine, "connection"):
            self.mine.connection.close()
            del self.mine.connection


class Crowd:
    """Threads that are clients, each with connections of its own until all of them leave."""

    def __init__(
        self, clients: int, leaving: Sequence[Callable[[], Any]], closing: Sequence[Callable[[], Any]]
    ) -> None:
        self.clients, self.leaving, self.closing = clients, leaving, closing
        self.pool = ThreadPoolExecutor(clients)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()
        self.pool.shutdown()

    def leave(self) -> None:
        self.all_together(lambda _client: [leave() for leave in self.leaving])
        for close in self.closing:
            close()

    def all_together(self, work: Callable[[int], Any]) -> list[Any]:
        """Let each thread do it once, all beginning at the same time."""
        gate = Barrier(self.clients)

        def begun(client: int) -> Any:
            gate.wait()
            return work(client)

        return list(self.pool.map(begun, range(self.clients)))

    def contestant(self, bench: Bench, name: str, search: Search, many: int) -> Contestant:
        def work(round_: int) -> list[Done]:
            first = round_ * many
            each = self.all_together(lambda client: done(search, range(first + client, first + many, self.clients)))
            return [search for searches in each for search in searches]

        def connected() -> None:
            """Let each client connect, once the others of the table are gone: a server has places for few of them."""
            self.leave()
            self.all_together(search)

        judge = bench.judge()

        def recall(_round: int, found: list[Done]) -> float:
            return float(np.mean([judge(number, rows) for number, rows, _seconds in found[:JUDGED]]))

        return Contestant(name, work, connected, recall=recall, figures=figures)


def done(search: Search, numbers: range) -> list[Done]:
    """Search one after the other, as a client does that needs each answer."""
    made = []
    for number in numbers:
        start = time.perf_counter()
        found = search(number)
        made.append((number, found, time.perf_counter() - start))
    return made


def figures(rounds: Sequence[list[Done]], times: Sequence[float]) -> dict[str, float]:
    seconds = [taken for searches in rounds for _number, _rows, taken in searches]
    middle, slow = np.percentile(seconds, (50, 99)) * 1e3
    return {"searches/s": len(seconds) / sum(times), "p50 ms": float(middle), "p99 ms": float(slow)}
