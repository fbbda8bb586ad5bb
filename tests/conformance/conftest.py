"""Compile every SELECT that comes from the statement cache a second time, and require the same SQL.

The real packages are loaded once for all tests that only read them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.inside import written_as_new
from tests.databases import Database
from tests.helpers.real_data import real_table


@pytest.fixture(autouse=True)
def _compared_with_uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    written_as_new(monkeypatch)


@pytest.fixture(scope="session")
def _loaded(database: Database) -> Iterator[Database]:
    database.use()
    with real_table(database):
        yield database
        database.use()


@pytest.fixture
def real(_loaded: Database) -> Database:
    """A database with the 2,000 packages, which nobody changes."""
    _loaded.use()
    return _loaded
