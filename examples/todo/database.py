"""The configured database, with its table."""

from __future__ import annotations

from pathlib import Path

import dorm
from dorm.db.connection import get_connection
from dorm.migrations.executor import MigrationExecutor

from examples.todo import settings
from examples.todo.tasks import models

MIGRATIONS = Path(models.__file__).with_name("migrations")


def prepare() -> None:
    """Do what `dorm migrate tasks` does."""
    dorm.configure(DATABASES=settings.DATABASES, INSTALLED_APPS=settings.INSTALLED_APPS)
    MigrationExecutor(get_connection(), verbosity=0).migrate("tasks", MIGRATIONS)
