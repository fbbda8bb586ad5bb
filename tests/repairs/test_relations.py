"""Repairs of the managers of relations, on real databases."""

from __future__ import annotations

from collections.abc import Iterator

import dorm
import pytest

from dorm_vector.patching import registry
from tests.databases import Database, create_tables, drop_table
from tests.models import Document


class Folder(dorm.Model):
    documents = dorm.ManyToManyField(Document, related_name="folders")
    name = dorm.CharField(max_length=20, default="folder")

    class Meta:
        app_label = "tests"


@pytest.fixture
def folder(db: Database) -> Iterator[Folder]:
    create_tables(db.connection, (Folder,))
    made = Folder.objects.create()
    made.documents.add(Document.objects.create(title="old"))
    yield made
    db.use()
    drop_table(db, Folder)


async def test_whole_relations(folder: Folder) -> None:
    """The bug that the repair is for: what set() removes is gone although it fails."""
    missing = Document(id=10**6, title="never stored")
    with pytest.raises(dorm.IntegrityError):
        folder.documents.set([missing])
    with pytest.raises(dorm.IntegrityError):
        await folder.documents.aset([missing])
    assert [row.title for row in folder.documents.all()] == ["old"]
    with registry.switched_off("whole_relations"):
        with pytest.raises(dorm.IntegrityError):
            folder.documents.set([missing])
        assert list(folder.documents.all()) == []
