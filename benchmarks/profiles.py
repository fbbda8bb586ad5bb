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
it ask one that was idle, or whose socket has news, so that a search is one round trip, and in `atomic()` no less.

On the client, a djanorm queryset of ten rows without vectors takes 2.4 times the CPU of the bare driver's vector
search, and `connection.execute()` of its SQL 1.3 times. The rest of a search with `dorm_vector` is the binding and the
reading of vectors, the search's plan, and the key of its cached SQL.
"""
PYTHON = """
What is above the bare driver is Python's, the same for a thousand rows and for a million: it weighs less in a search
that takes the server longer.
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
    rows = connection.execute(sql, params)
    steps: dict[str, Callable[[], Any]] = {
        "the bare driver": lambda: bench.bare.nearest(table, query, COUNT),
        "build the queryset": ranked,
        "write its SQL, as for each new shape": lambda: made._query.clone().select(connection),
        "write its SQL, as for each other query": lambda: made._query.as_select(connection),
        "djanorm runs that SQL": lambda: connection.execute(sql, params),
        f"make {COUNT} instances of its rows": lambda: [made._instance(row, connection) for row in rows],
        "all of it": lambda: list(ranked()),
    }
    lines = [f"| {name} | {median(work):.0f} |" for name, work in steps.items()]
    with atomic():
        lines.append(f"| all of it, in atomic() | {median(steps['all of it']):.0f} |")
    head = f"### Where one search of {len(bench.data):,} rows spends its time, {bench.running.title}\n\n"
    return (
        head
        + "| | µs |\n|---|--:|\n"
        + "\n".join(lines)
        + "\n"
        + PYTHON
        + (POOLED if bench.name == "postgresql" else "")
    )


def median(work: Callable[[], Any]) -> float:
    """Return the median in microseconds."""
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < SECONDS:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6
