"""From files to rows: what is new is saved, what has changed is embedded again, and nothing else is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dorm import transaction
from dorm.db.connection import get_connection
from dorm.migrations.executor import MigrationExecutor

from examples.rag_over_own_models.manual import models
from examples.rag_over_own_models.manual.models import Page, Section

DOCS = Path(__file__).parents[2] / "docs"
MIGRATIONS = Path(models.__file__).with_name("migrations")

NOT_PROSE = re.compile(r"<!--.*?-->|^ *```.*?^ *```$|^\|.*?$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass
class Changes:
    """How many sections a refresh has written, deleted, and left as they were."""

    new: int = 0
    changed: int = 0
    gone: int = 0
    kept: int = 0


def migrate() -> None:
    """Do what `dorm migrate manual` does."""
    MigrationExecutor(get_connection()).migrate("manual", MIGRATIONS)


def refresh(folder: Path = DOCS) -> Changes:
    """Make the rows what the Markdown files of a folder say, all of them or none."""
    changes, files = Changes(), {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.md"))}
    with transaction.atomic():
        for name, path in files.items():
            page, _created = Page.objects.get_or_create(path=name, defaults={"area": area_of(name)})
            refresh_page(page, dict(sections(path.read_text(encoding="utf-8"))), changes)
        gone = Page.objects.exclude(path__in=list(files))
        changes.gone += Section.objects.filter(page__in=gone).count()
        gone.delete()
    return changes


def refresh_page(page: Page, wanted: dict[str, str], changes: Changes) -> None:
    for section in Section.objects.filter(page=page):
        body = wanted.pop(section.heading, None)
        if body is None:
            section.delete()
            changes.gone += 1
        elif body != section.body:
            section.body = body
            section.save()
            changes.changed += 1
        else:
            changes.kept += 1
    rows = [Section(page=page, area=page.area, heading=heading, body=body) for heading, body in wanted.items()]
    Section.objects.bulk_create(rows)
    changes.new += len(rows)


def sections(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield the headings of a page and the prose below each, where there is any."""
    text = LINK.sub(r"\1", NOT_PROSE.sub("", markdown))
    _before, *parts = HEADING.split(text)
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        prose = re.sub(r"\n{3,}", "\n\n", body).strip()
        if prose:
            yield heading.strip(), prose


def area_of(name: str) -> str:
    return name.partition("/")[0] if "/" in name else "start"
