"""From an empty database to a searchable one; on one that is ready, nothing happens."""

from __future__ import annotations

from pathlib import Path

from dorm import transaction
from dorm.db.connection import get_connection
from dorm.migrations.executor import MigrationExecutor

from examples.epidemiological_reports.data import reports
from examples.epidemiological_reports.reports import models
from examples.epidemiological_reports.reports.models import Report

MIGRATIONS = Path(models.__file__).with_name("migrations")


def prepare() -> int:
    """Do what `dorm migrate reports` does, then load the reports into an empty table; return how many there are."""
    MigrationExecutor(get_connection()).migrate("reports", MIGRATIONS)
    if not Report.objects.exists():
        with transaction.atomic():
            Report.objects.bulk_create([Report(**fields) for fields in reports()])
    return Report.objects.count()
