"""Vectors need no repair of djanorm: they are stored, searched and migrated with all of them switched off."""

from __future__ import annotations

from collections.abc import Iterator

import dorm
import pytest
from dorm import Min
from dorm.db.connection import get_async_connection
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.migrations.state import ProjectState

from dorm_vector import HnswIndex, L2Distance
from tests.databases import Database
from tests.models import Author, Document

# One of the bugs that is back: djanorm passes PyMySQL an argument by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:'db' is deprecated:DeprecationWarning")
ORIGIN = [0.0, 0.0, 0.0]


@pytest.fixture(autouse=True)
def _without_repairs(db: Database) -> Iterator[None]:
    dorm.configure(DORM_VECTOR_REPAIRS=False)
    # On connections that no repair has seen.
    db.use()
    yield
    dorm.configure(DORM_VECTOR_REPAIRS=True)
    db.use()


def test_vectors_are_stored_and_searched(db: Database) -> None:
    author = Author.objects.create(name="Ada")
    for number in range(4):
        Document.objects.create(title=str(number), author=author, embedding=[number, 0, 0])
    assert Document.objects.get(title="3").embedding == [3, 0, 0]
    assert [row.title for row in Document.objects.nearest("embedding", [3.2, 0, 0], distance="l2")[:2]] == ["3", "2"]
    measured = Document.objects.annotate(distance=L2Distance("embedding", ORIGIN))
    near = measured.filter(distance__lt=1.5).order_by("-distance")
    assert [(row.title, row.distance) for row in near] == [("1", 1), ("0", 0)]
    (found,) = Author.objects.annotate(nearest=Min(L2Distance("documents__embedding", [5, 0, 0])))
    assert found.nearest == 2


async def test_vectors_are_stored_and_searched_in_async_code(db: Database) -> None:
    for number in range(4):
        await Document.objects.acreate(title=str(number), embedding=[number, 0, 0])
    found = await Document.objects.nearest("embedding", [3.2, 0, 0], distance="l2")[:2]
    assert [(row.title, row.embedding) for row in found] == [("3", [3, 0, 0]), ("2", [2, 0, 0])]
    measured = Document.objects.annotate(distance=L2Distance("embedding", ORIGIN))
    assert [(row.title, row.distance) for row in await measured.filter(distance__gt=2)] == [("3", 3)]
    await get_async_connection().close()


def test_vector_indexes_are_migrated(db: Database) -> None:
    state, index = ProjectState.from_apps(), HnswIndex(["embedding"], "chunk_without", distance="l2")
    for operation in (AddIndex("Chunk", index), RemoveIndex("Chunk", index)):
        operation.database_forwards("tests", db.connection, state, state)
        operation.database_backwards("tests", db.connection, state, state)
