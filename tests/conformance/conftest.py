"""Every SELECT of the suite that was written before for its shape is written anew, too, and has to be the same.

Real packages are loaded once for all that only read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dorm_vector.query import compiler as sql
from dorm_vector.query import statement_cache
from tests.databases import Database
from tests.helpers.real_data import real_table


@pytest.fixture(autouse=True)
def _written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    written_once = statement_cache.written

    def compared(query: Any, connection: Any, purpose: Any) -> Any:
        found = written_once(query, connection, purpose)
        anew = query.clone().select(connection, purpose)
        assert found == anew
        assert [type(param) for param in found[1]] == [type(param) for param in anew[1]]
        return found

    monkeypatch.setattr(sql, "written", compared)


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
