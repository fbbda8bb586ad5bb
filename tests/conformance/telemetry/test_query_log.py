"""djanorm's log and signals of a statement, which are left out while nobody receives them."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from dorm.signals import post_query, pre_query

from dorm_vector import L2Distance
from tests.databases import Database
from tests.models import Document


async def search() -> None:
    near = Document.objects.annotate(d=L2Distance("embedding", [1, 2, 3])).order_by("d")
    assert [row.title for row in near[:3]] == [row.title async for row in near[:3]] == ["a"]


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    """Return what was logged, without its times."""
    found = [
        (record.name, record.levelno, re.sub(r"\d+\.\d+ms", "ms", record.getMessage()))
        for record in caplog.records
        if record.name.startswith("dorm.db.backends")
    ]
    caplog.clear()
    return found


async def test_a_slow_statement_is_logged_alike_whether_anybody_listens_or_not(
    db: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DORM_SLOW_QUERY_MS", "0")
    Document.objects.create(title="a", embedding=[1, 2, 3])
    heard: list[Any] = []

    def receive(sender: Any, **sent: Any) -> None:
        heard.append(sent["sql"])

    await search()
    told(caplog)
    with caplog.at_level(logging.WARNING, logger="dorm.db"):
        await search()
        quiet = told(caplog)
        for signal in (pre_query, post_query):
            signal.connect(receive)
        try:
            await search()
        finally:
            for signal in (pre_query, post_query):
                signal.disconnect(receive)
        loud = told(caplog)
    assert len([line for line in quiet if "slow query" in line[2]]) >= 2
    assert quiet == loud
    assert len(heard) >= 4
    with caplog.at_level(logging.DEBUG, logger="dorm.db"):
        await search()
        assert any(level == logging.DEBUG and "params=" in line for _name, level, line in told(caplog))
