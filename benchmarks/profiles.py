"""Where the time of one search goes, from the driver outwards."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from dorm.db.connection import get_connection
from dorm.db.utils import log_query
from dorm.transaction import atomic

from benchmarks.bench import COUNT, Bench
from dorm_vector import CosineDistance
from dorm_vector.models.instances import instance_builder

ROUNDS, SECONDS = 100, 3
AIM = 1.7
"""The client CPU of a search, as a multiple of the bare driver's."""
BARE, ALL = "the bare driver", "all of it"
POOL = "take a connection from the pool, check it, and return it"
LOG = "djanorm's log and signals of one statement"
BUILD, CACHED, RUN = "build the queryset", "take its statement from the cache", "djanorm runs that SQL"
ROWS = f"make {COUNT} instances of its rows"
KEYS = f"read their {COUNT} keys"

POOLED = """
djanorm asks a pooled connection whether it is alive before each statement outside of a transaction; `dorm_vector` lets
it ask one that was idle, or whose socket has news, so that a search is one round trip, and in `atomic()` no less.
"""
PYTHON = """
What is above the bare driver is Python's, the same for a thousand rows and for a million: it weighs less in a search
that takes the server longer. The parts are measured one after the other, with a warm cache of the processor; in a whole
search, which waits for the server in between, each takes longer.
"""

Times = tuple[float, float]
"""Microseconds: how long it takes, and the client's CPU of it."""


def of(bench: Bench) -> str:
    """Return a table of the parts of one search of few rows, so that the server's part is small."""
    bench = bench.first(bench.sizes.growth[0])
    steps = steps_of(bench, bench.filled())
    measured = {name: medians(work) for name, work in steps.items()}
    with atomic():
        measured[f"{ALL}, in atomic()"] = medians(steps[ALL])
    head = f"### Where one search of {len(bench.data):,} rows spends its time, {bench.running.title}\n\n"
    lines = [f"| {name} | {took:.0f} | {cpu:.0f} |" for name, (took, cpu) in measured.items()]
    return (
        f"{head}| | µs | CPU, µs |\n|---|--:|--:|\n"
        + "\n".join(lines)
        + f"\n{PYTHON}{budget({name: cpu for name, (_took, cpu) in measured.items()})}"
        + (POOLED if bench.name == "postgresql" else "")
    )


def steps_of(bench: Bench, model: Any) -> dict[str, Callable[[], Any]]:
    table, query, connection = model._meta.db_table, bench.query(0), get_connection()

    def ranked() -> Any:
        return model.objects.annotate(distance=CosineDistance("embedding", query)).order_by("distance")[:COUNT]

    made = ranked()
    sql, params = made._query.as_select(connection)
    rows = connection.execute(sql, params)
    found = list(made)
    pool = {POOL: lambda: checked_out(connection)} if bench.name == "postgresql" else {}
    return {
        BARE: lambda: bench.bare.nearest(table, query, COUNT),
        **pool,
        LOG: lambda: logged(connection, sql, params),
        BUILD: ranked,
        "write its SQL, as for each new shape": lambda: made._query.clone().select(connection),
        CACHED: lambda: made._query.as_select(connection),
        RUN: lambda: connection.execute(sql, params),
        ROWS: lambda: list(map(instance_builder(made, rows[0], connection), map(unused, rows))),
        KEYS: lambda: [row.pk for row in found],
        ALL: lambda: [row.pk for row in ranked()],
    }


def unused(row: Any) -> Any:
    """Return a row that no instance has taken as its attributes."""
    return row.copy() if isinstance(row, dict) else row


def checked_out(connection: Any) -> None:
    with connection._get_pool().connection():
        pass


def logged(connection: Any, sql: str, params: Any) -> None:
    with log_query(connection.vendor, sql, params):
        pass


def budget(cpu: dict[str, float]) -> str:
    """Return why the CPU of a whole search cannot be nearer to the bare driver's; empty where it is near enough."""
    bare, allowed = cpu[BARE], (AIM - 1) * cpu[BARE]
    if cpu[ALL] <= AIM * bare:
        return ""
    own = {name: cpu[name] for name in (POOL, LOG, BUILD, CACHED, ROWS, KEYS) if name in cpu}
    return (
        f"\nA search takes {cpu[ALL] / bare:.1f} times the CPU of the bare driver. The aim of {AIM} allows"
        f" {allowed:.0f} µs for all that the driver does not do. Its parts take {sum(own.values()):.0f} µs with a warm"
        f" cache: a chain of querysets that each may be kept and changed, one look at the cache of statements, a"
        " connection that is checked, signals that somebody may listen to, and an instance with a state, attributes and"
        " a vector for each row. The rest is what is loaded into the processor's cache again after each wait.\n"
    )


def medians(work: Callable[[], Any]) -> Times:
    """Return the medians in microseconds."""
    times: list[Times] = []
    while len(times) < ROUNDS and sum(took for took, _cpu in times) < SECONDS:
        start, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - start, time.process_time() - cpu))
    took, used = zip(*times, strict=True)
    return statistics.median(took) * 1e6, statistics.median(used) * 1e6
