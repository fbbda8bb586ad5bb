"""A vector field that is renamed keeps its indexes, there and back."""

from __future__ import annotations

import pytest

from tests.helpers.project import Project

ITEM = """
class Item(dorm.Model):
    active = dorm.BooleanField(default=True)
    place = dorm.IntegerField(default=0)
    embedding = VectorField(dimensions=2)

    class Meta:
        indexes = [
            HnswIndex(fields=["embedding"], name="item_hnsw", distance="l2"),
            IvfflatIndex(fields=["embedding"], name="item_ivf", distance="l2", lists=1, condition=Q(active=True)),
            Vec0Index(fields=["embedding"], name="item_vec0", distance="l2", metadata=["place"]),
            Vec0Index(fields=["embedding"], name="item_bytes", distance="cosine", precision="int8", metadata=["place"]),
            HnswIndex(fields=["embedding"], name="item_graph", distance="cosine", precision="int8"),
            Index(fields=["place"], name="item_number"),
        ]
"""


@pytest.fixture
def project(empty_project: Project) -> Project:
    empty_project.begin(ITEM)
    empty_project.python("for place in (1, 2, 3): Item.objects.create(place=place, embedding=[place, 0])")
    return empty_project


def rename(project: Project, old: str, new: str) -> None:
    (project.directory / "shop" / "migrations" / "0003_rename.py").write_text(
        "from dorm.migrations.operations import RenameField\n"
        "dependencies = [('shop', '0002_initial')]\n"
        f"operations = [RenameField('Item', {old!r}, {new!r})]\n"
    )
    project.dorm("migrate")


def nearest(project: Project, place: str = "place", field: str = "embedding") -> str:
    """Return the places of the two nearest, and the index that found them."""
    rows = f"Item.objects.filter({place}__gt=1).nearest({field!r}, [0, 0], distance='l2')[:2]"
    return project.python(f"rows = {rows}; print(*[item.{place} for item in rows], rows.explain_search().index)")


def with_int8(project: Project, place: str = "place", field: str = "embedding") -> str:
    """Return how many rows an approximate search by cosine distance finds, and the index that found them."""
    rows = f"Item.objects.filter({place}__gt=0).nearest({field!r}, [1, 1], distance='cosine', exact=False)[:2]"
    return project.python(f"rows = {rows}; print(len(rows), rows.explain_search().index)")


@pytest.mark.parametrize(
    "old, new",
    [("embedding", "vector"), ("place", "spot"), ("active", "shown")],
    ids=["vector", "metadata", "condition"],
)
def test_it_keeps_its_indexes_there_and_back(project: Project, old: str, new: str) -> None:
    names = {name: new if name == old else name for name in ("place", "embedding")}
    index, small = nearest(project).split()[-1], with_int8(project)
    rename(project, old, new)
    project.models(ITEM.replace(old, new))
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    assert nearest(project, *names.values()) == f"2 3 {index}"
    assert with_int8(project, *names.values()) == small
    project.python(f"Item.objects.create({names['place']}=4, {names['embedding']}=[0, 0])")
    assert nearest(project, *names.values()) == f"4 2 {index}"
    project.dorm("migrate", "shop", "2")
    project.models(ITEM)
    project.python("Item.objects.create(place=5, embedding=[0, 0.5])")
    assert nearest(project) == f"4 5 {index}"
    project.dorm("migrate", "shop", "zero")
