"""From an empty database to a searchable one; on one that is ready, nothing happens."""

from __future__ import annotations

from pathlib import Path

from dorm import transaction
from dorm.db.connection import get_connection
from dorm.migrations.executor import MigrationExecutor
from rich.console import Console
from rich.progress import track

from examples.package_search.corpus import Corpus, corpus
from examples.package_search.packages import models
from examples.package_search.packages.models import Package

MIGRATIONS = Path(models.__file__).with_name("migrations")
BATCH = 100


def prepare(console: Console) -> None:
    """Do what `dorm migrate packages` does, then load the packages into an empty table."""
    MigrationExecutor(get_connection()).migrate("packages", MIGRATIONS)
    if not Package.objects.exists():
        load(corpus(), console)


def load(packages: Corpus, console: Console) -> None:
    starts = range(0, len(packages.rows), BATCH)
    # All or none: the next run takes a table with any row in it for a loaded one.
    with transaction.atomic():
        for start in track(starts, f"Loading {len(packages.rows):,} packages", console=console):
            Package.objects.bulk_create(models_of(packages, slice(start, start + BATCH)))


def models_of(packages: Corpus, part: slice) -> list[Package]:
    pairs = zip(packages.rows[part], packages.embeddings[part], strict=True)
    return [
        Package(name=name, section=section, installed_size_kib=int(size), summary=summary, embedding=embedding)
        for (name, section, size, summary), embedding in pairs
    ]
