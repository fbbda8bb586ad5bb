"""Several databases of different vendors in one process."""

from __future__ import annotations

from collections.abc import Iterator

import dorm
import pytest
from dorm.db.connection import get_connection, reset_connections

from tests.databases import Database
from tests.models import MODELS


@pytest.fixture
def aliases(several: dict[str, Database]) -> Iterator[list[str]]:
    """An alias for each database; "default" is the first of them."""
    reset_connections()
    databases = {name: database.settings for name, database in several.items()}
    dorm.configure(DATABASES={"default": next(iter(databases.values())), **databases}, INSTALLED_APPS=[])
    for alias in databases:
        for model in reversed(MODELS):
            get_connection(alias).execute_write(f'DELETE FROM "{model._meta.db_table}"')
    yield list(databases)
    reset_connections()
    dorm.configure(DATABASE_ROUTERS=[])
