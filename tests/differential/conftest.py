"""The tallies of a run, which its summary shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.differential.tally import Tally

TALLIES: dict[str, Tally] = {}


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for the queries that run asynchronously."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def tally(backend_name: str) -> Tally:
    return TALLIES.setdefault(backend_name, Tally())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, found in TALLIES.items():
        terminalreporter.write_line(
            f"differential, {name}: {found.models} models, {found.queries} queries, {found.refusals} refused,"
            f" {found.uncertain} that Python cannot decide"
        )
