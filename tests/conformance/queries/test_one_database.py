"""What is only about MySQL and MariaDB runs in their statements alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dorm_vector
from tests.databases import Database
from tests.models import Author, Document

PACKAGE = str(Path(dorm_vector.__file__).parent)
ABOUT_MYSQL = ("mysql", "mariadb")
QUERY = [1.0, 0.0, 0.0]


def row(number: int, title: str = "a_title") -> Document:
    return Document(id=number, title=title, embedding=QUERY)


def written() -> None:
    author = Author.objects.create(name="Ada")
    Document.objects.bulk_create([row(1), row(2)])
    Document.objects.bulk_create([row(1)], ignore_conflicts=True)
    Document.objects.upsert([row(1, "b_title")], unique_fields=["id"], update_fields=["title"])
    Document.objects.filter(pk=1).update(author=author)
    Document.objects.filter(author__name="Ada").update(pages=2)
    found = Document.objects.filter(title__contains="b_", pages=2).nearest("embedding", QUERY)[:1]
    assert [each.pk for each in found] == [1]
    Document.objects.filter(author__name="Ada").delete()
    assert [each.pk for each in Document.objects.filter(title__startswith="a_")] == [2]
    Document.objects.all().delete()


async def awritten() -> None:
    author = await Author.objects.acreate(name="Ada")
    await Document.objects.abulk_create([row(1), row(2)])
    await Document.objects.abulk_create([row(1)], ignore_conflicts=True)
    await Document.objects.filter(pk=1).aupdate(author=author)
    await Document.objects.filter(author__name="Ada").aupdate(pages=2)
    found = Document.objects.filter(title__contains="a_", pages=2).nearest("embedding", QUERY)[:1]
    assert [each.pk for each in await found] == [1]
    await Document.objects.filter(author__name="Ada").adelete()
    await Document.objects.all().adelete()


def files_run(work: Callable[[], Any]) -> set[str]:
    """Return the files of the package whose functions the work calls."""
    files: set[str] = set()
    sys.setprofile(lambda frame, _event, _argument: files.add(frame.f_code.co_filename))
    try:
        work()
    finally:
        sys.setprofile(None)
    return {file.removeprefix(PACKAGE) for file in files if file.startswith(PACKAGE)}


@pytest.mark.parametrize("work", [written, lambda: asyncio.run(awritten())], ids=["sync", "async"])
def test_mysql_runs_on_mysql_alone(db: Database, work: Callable[[], Any]) -> None:
    work()  # connections are opened
    files = files_run(work)
    assert "/models/rows.py" in files
    about_mysql = {file for file in files if any(name in file for name in ABOUT_MYSQL)}
    assert bool(about_mysql) is (db.name in ABOUT_MYSQL), about_mysql
