"""Stored vectors go only where the migration allows it; the real ``dorm`` command writes what allows it."""

from __future__ import annotations

import re

import pytest

from tests.helpers.catalogue import indexes_of
from tests.helpers.project import Project

ITEM = """
class Item(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=2, null=True)
"""
BOTH = (
    ITEM
    + """

class Note(dorm.Model):
    first = VectorField(dimensions=2, db_column="one")
    second = VectorField(dimensions=2, null=True)
"""
)
FILL = """
for place in (1, 2, 3): Item.objects.create(name="x", embedding=[place, 0] if place > 1 else None)
Note.objects.create(first=[1, 1])
"""
WITHOUT = BOTH.replace("    embedding = VectorField(dimensions=2, null=True)\n", "")
HELD = "print(*[item.embedding for item in Item.objects.order_by('id')])"


@pytest.fixture
def project(empty_project: Project) -> Project:
    empty_project.begin(BOTH)
    empty_project.python(FILL)
    return empty_project


def write(project: Project, number: int, operation: str) -> None:
    """Write a migration by hand."""
    previous = project.migrations()[number - 2]
    (project.directory / "shop" / "migrations" / f"{number:04d}_by_hand.py").write_text(
        "import dorm_vector\nfrom dorm.migrations.operations import *\n"
        f"dependencies = [('shop', {previous!r})]\noperations = [{operation}]\n"
    )


def refused(project: Project) -> str:
    """Return the message of a refused migration, which ends with the operation that is not."""
    run = project.try_dorm("migrate")
    assert run.returncode != 0
    (message,) = re.findall(r"VectorsWouldBeLost: (.+)", run.stderr)
    return str(message)


def test_what_nobody_allowed_is_refused(project: Project) -> None:
    allowed = ""
    for operation, held in (
        ("DeleteModel('Note')", "Note.first holds 1 vector, and DeleteModel drops them."),
        (
            "SeparateDatabaseAndState(database_operations=[RemoveField('Note', 'first')])",
            "Note.first holds 1 vector, and RemoveField drops them.",
        ),
        ("RemoveField('Item', 'embedding')", "Item.embedding holds 2 vectors, and RemoveField drops them."),
    ):
        write(project, 3, operation)
        message = refused(project)
        assert message.startswith(held)
        assert project.python(HELD + "; print(Note.objects.get().first)").split("\n") == [
            "None [2.0, 0.0] [3.0, 0.0]",
            "[1.0, 1.0]",
        ]
        # The message ends with the operation to write instead.
        allowed = message.rpartition("in the migration: ")[2]
        assert allowed.endswith(", allow_vector_loss=True)")
    write(project, 3, "RemoveField('Note', 'second')")
    project.dorm("migrate")  # it holds none
    write(project, 4, allowed)
    project.dorm("migrate")
    # Taking a migration back asks nobody, whatever the column holds.
    project.dorm("migrate", "shop", "3")
    assert project.python(HELD) == "None None None"
    project.dorm("migrate", "shop", "zero")


INDEXED = """
class Tag(dorm.Model):
    word = dorm.CharField(max_length=20)

class Item(dorm.Model):
    name = dorm.CharField(max_length=20, db_index=True)
    tag = dorm.ForeignKey("Tag", on_delete=dorm.CASCADE, null=True)
    pages = dorm.IntegerField(default=1)
    embedding = VectorField(dimensions=2)

    class Meta:
        unique_together = [("name", "pages")]
        constraints = [dorm.CheckConstraint(check=Q(pages__gte=0), name="item_pages")]
        indexes = [
            HnswIndex(fields=["embedding"], name="item_hnsw", distance="l2"),
            Vec0Index(fields=["embedding"], name="item_vec0", distance="l2", metadata=["pages"]),
            Index(fields=["tag", "pages"], name="item_both"),
        ]
"""
ONE_ROW = "row = Item.objects.create(name='a', pages=2, embedding=[1, 2])\n"
USED = "print(Item.objects.nearest('embedding', [1, 2])[:1].explain_search().index)"


def test_what_indexes_a_removed_field_goes_and_comes_back(empty_project: Project) -> None:
    """As somebody writes it by hand who does not use RenameField."""
    project = empty_project
    project.begin(INDEXED)
    used = project.python(ONE_ROW + USED)
    before = {table: indexes_of(project.database, f"shop_{table}") for table in ("item", "tag")}
    gone = ["embedding", "tag", "pages"]
    removed = [f"RemoveField('Item', {name!r}{', allow_vector_loss=True' * (name == 'embedding')})" for name in gone]
    added = "AddField('Item', 'vector', dorm_vector.VectorField(dimensions=2, null=True))"
    write(project, 3, ", ".join([*removed, added]))
    project.dorm("migrate")
    assert not {"item_hnsw", "item_both"} & indexes_of(project.database, "shop_item").keys()
    left = "class Item(dorm.Model):\n    name = dorm.CharField(max_length=20, db_index=True)\n"
    project.models(INDEXED.partition("class Item")[0] + left + "    vector = VectorField(dimensions=2, null=True)\n")
    assert "No changes" in project.dorm("makemigrations", "shop")
    plan = "rows = Item.objects.nearest('vector', [1, 2])[:1]; print(rows[0].vector, rows.explain_search().index)"
    assert project.python("Item.objects.update(vector=[1, 2])\n" + plan) in ("[1.0, 2.0] None", "[1.0, 2.0] ")
    project.python("Item.objects.all().delete()")
    project.dorm("migrate", "shop", "2")
    project.models(INDEXED)
    assert {table: indexes_of(project.database, f"shop_{table}") for table in ("item", "tag")} == before
    assert project.python(ONE_ROW + USED) == used


def test_what_makemigrations_writes_is_applied(project: Project) -> None:
    project.models(WITHOUT.partition("\n\nclass Note")[0])
    project.dorm("makemigrations", "shop")
    source = project.source(3)
    assert "RemoveField(model_name='Item', name='embedding', allow_vector_loss=True)" in source
    assert "DeleteModel(name='Note', allow_vector_loss=True)" in source
    assert "protects_vectors = True" in source
    # It is loaded by what has not imported the package: the file does.
    loaded = project.directory / "shop" / "migrations" / f"{project.migrations()[-1]}.py"
    project.python(f"import runpy; print(runpy.run_path({str(loaded)!r})['operations'])")
    project.dorm("migrate")
    assert "No changes" in project.dorm("makemigrations", "shop")
    project.dorm("squashmigrations", "shop", "1", "3")
    assert "protects_vectors = True" in project.source(4)
    project.dorm("migrate", "shop", "zero")


def test_migrations_of_before_only_warn(project: Project) -> None:
    for path in (project.directory / "shop" / "migrations").glob("0*.py"):
        path.write_text(path.read_text().replace("protects_vectors = True", ""))
    write(project, 3, "RemoveField('Item', 'embedding')")
    run = project.try_dorm("migrate")
    assert run.returncode == 0
    assert "VectorsDropped: Item.embedding holds 2 vectors, and RemoveField drops them." in run.stderr
    project.models(WITHOUT)
    assert project.python("print(Item.objects.count(), Note.objects.get().first)") == "3 [1.0, 1.0]"
