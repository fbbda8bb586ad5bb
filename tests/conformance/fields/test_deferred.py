"""A row that only() or defer() read in part is saved without losing what was not read."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dorm_vector import as_vector
from tests.conformance.inside import switched_off
from tests.databases import Database
from tests.models import Author, Document

NEAR, FAR = [1.0, 0.5, 0.25], [0.0, 0.0, 1.0]


@pytest.fixture
def document(db: Database) -> Document:
    ada = Author.objects.create(name="Ada")
    return Document.objects.create(title="whole", pages=7, author=ada, embedding=NEAR, other=FAR)


def stored(document: Document) -> tuple[Any, ...]:
    row: Any = Document.objects.select_related("author").get(pk=document.pk)
    return row.title, row.pages, row.author and row.author.name, row.embedding, row.other


PARTS = {
    "only": lambda: Document.objects.only("title"),
    "defer": lambda: Document.objects.defer("pages", "author", "embedding"),
    "nearest": lambda: Document.objects.only("title").nearest("embedding", NEAR),
    "as_vector": lambda: as_vector(Document.objects.all()).only("title"),
    "related": lambda: Author.objects.get().documents.all().only("title"),
}


@pytest.mark.parametrize("part", PARTS)
async def test_a_save_keeps_what_was_not_read(document: Document, part: str) -> None:
    row: Any = PARTS[part]()[0]
    row.title = "once"
    row.save()
    assert stored(document) == ("once", 7, "Ada", NEAR, FAR)
    [row] = [row async for row in PARTS[part]()]
    row.title = "twice"
    await row.asave()
    assert stored(document) == ("twice", 7, "Ada", NEAR, FAR)


def test_what_is_assigned_is_saved_even_none(document: Document) -> None:
    row: Any = Document.objects.only("title").get()
    row.pages, row.author = 9, None
    row.save()
    assert stored(document) == ("whole", 9, None, NEAR, FAR)


def test_update_fields_name_what_is_written(document: Document) -> None:
    row: Any = Document.objects.only("title", "pages").get()
    row.title, row.pages = "x", 8
    row.save(update_fields=["title", "author"])
    assert stored(document) == ("x", 7, "Ada", NEAR, FAR)
    row.save(update_fields=["author_id"])
    assert stored(document) == ("x", 7, "Ada", NEAR, FAR)


def test_a_column_that_was_left_out_reads_as_none_and_comes_back(document: Document) -> None:
    row: Any = Document.objects.only("title").get()
    assert (row.pages, row.author_id, row.author, row.embedding) == (None, None, None, None)
    with pytest.raises(AttributeError, match="'Document' object has no attribute 'nothing'"):
        row.nothing  # noqa: B018  # reading it is the test
    again = copy.copy(row)
    again.save()
    row.refresh_from_db()
    assert (row.pages, row.author.name, row.embedding) == (7, "Ada", NEAR)


def test_without_the_repair_the_columns_are_lost(document: Document) -> None:
    with switched_off("deferred_columns"):
        row: Any = Document.objects.defer("author").get()
        row.save()
    assert stored(document) == ("whole", 7, None, NEAR, FAR)
