"""What a search costs the client: the Python functions that are called for it, which no load of the machine changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from dorm.signals import post_query, pre_query

from dorm_vector import CosineDistance
from tests.databases import Database
from tests.models import Document

MOST = {"sqlite": 280, "postgresql": 355, "turso": 800, "libsql": 560, "mariadb": 900, "mysql": 2_480, "citus": 360}
"""The calls of a warm search of ten rows: up to 8 % more than there are."""
FILTERED = {
    "sqlite": 345,
    "postgresql": 730,
    "turso": 865,
    "libsql": 575,
    "mariadb": 1_120,
    "mysql": 2_560,
    "citus": 900,
}
"""The calls of ``nearest()`` with a filter, which has to choose a plan."""
ROWS = 12
ONE = [1.0, 0.5, 0.0]


def calls(work: Callable[[], Any]) -> int:
    """Return how many Python functions the work calls."""
    found = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal found
        found += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def test_a_warm_search_calls_few_functions(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without what compares every cached statement with a new one.
    monkeypatch.undo()
    # Earlier tests may have left receivers, for which djanorm logs each statement.
    for signal in (pre_query, post_query):
        monkeypatch.setattr(signal, "_receivers", [])
    Document.objects.bulk_create([Document(title="a", embedding=[1.0, number, 0.0]) for number in range(ROWS)])
    searches = {
        "filtered": lambda: [
            row.id
            for row in Document.objects.filter(pages=1).annotate(d=CosineDistance("embedding", ONE)).order_by("d")[:10]
        ],
        "nearest, filtered": lambda: [
            row.id for row in Document.objects.filter(pages=1).nearest("embedding", ONE)[:10]
        ],
        "nearest": lambda: [row.id for row in Document.objects.nearest("embedding", ONE)[:10]],
        "annotate": lambda: [
            row.id for row in Document.objects.annotate(d=CosineDistance("embedding", ONE)).order_by("d")[:10]
        ],
    }
    found = {}
    for name, search in searches.items():
        for _warming in range(8):
            assert len(search()) == 10
        # The fewest: now and then a pool looks after its connections.
        found[name] = min(calls(search) for _time in range(5))
    name = db.running.name
    assert found["nearest, filtered"] <= FILTERED[name], found
    del found["nearest, filtered"]
    assert max(found.values()) <= MOST[name], found
