"""Where the time of one search goes, from the driver outwards."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from dorm.db.connection import get_connection
from dorm.transaction import atomic

from benchmarks.bench import COUNT, Bench
from dorm_vector import CosineDistance

ROUNDS, SECONDS = 100, 3
POOLED = """
djanorm asks a pooled connection whether it is alive before each statement outside of a transaction; `dorm_vector` lets
it ask one that was idle, or whose socket has news, so that a search is one round trip.
"""


def of(bench: Bench) -> str:
    """Return a table of the parts of one search of few rows, so that the server's part is small."""
    bench = bench.first(bench.sizes.growth[0])
    model = bench.filled()
    table = model._meta.db_table
    query = bench.query(0)

    def ranked() -> Any:
        return model.objects.annotate(distance=CosineDistance("embedding", query)).order_by("distance")[:COUNT]

    connection, made = get_connection(), ranked()
    sql, params = made._query.as_select(connection)
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("the bare driver", lambda: bench.bare.nearest(table, query, COUNT)),
        ("build the queryset", ranked),
        ("write its SQL", lambda: made._query.as_select(connection)),
        ("djanorm runs that SQL", lambda: connection.execute(sql, params)),
        ("all of it", lambda: list(ranked())),
    ]
    lines = [f"| {name} | {median(work):.0f} |" for name, work in steps]
    with atomic():
        lines.insert(-1, f"| djanorm runs that SQL, in atomic() | {median(steps[3][1]):.0f} |")
        lines.append(f"| all of it, in atomic() | {median(steps[4][1]):.0f} |")
    head = f"### Where one search of {len(bench.data):,} rows spends its time, {bench.running.title}\n\n"
    return head + "| | µs |\n|---|--:|\n" + "\n".join(lines) + "\n" + (POOLED if bench.name == "postgresql" else "")


def median(work: Callable[[], Any]) -> float:
    """Return the median in microseconds."""
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < SECONDS:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6
