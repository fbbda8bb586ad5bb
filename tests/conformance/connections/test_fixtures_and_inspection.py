"""What djanorm has besides queries: conflicts, LIKE, foreign keys, fixtures, schemas, inspection of vector tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dorm
import numpy as np
import pytest
from dorm import serialize
from dorm.contrib.pydantic import DormSchema, schema_for
from pydantic import ValidationError

import backends
from dorm_vector import L2Distance
from tests.databases import Database
from tests.helpers.project import Project
from tests.models import Author, Chunk, Document, Sample

NEAR, FAR = [1.0, 0.0, 0.0], [-1.0, 0.1, 5.0]
FAR32 = np.array(FAR, dtype="f4").tolist()


# bulk_create and conflicts


def stored() -> dict[int, tuple[str, Any]]:
    return {row.pk: (row.title, row.embedding) for row in Document.objects.all()}


def test_conflicts_are_ignored(db: Database) -> None:
    kept = Document.objects.create(title="kept", embedding=NEAR)
    rows = [Document(id=kept.pk, title="lost", embedding=FAR), Document(id=kept.pk + 1, title="new", embedding=FAR)]
    Document.objects.bulk_create(rows, ignore_conflicts=True)
    assert stored() == {kept.pk: ("kept", NEAR), kept.pk + 1: ("new", FAR32)}


def test_conflicts_update(db: Database) -> None:
    old = Document.objects.create(title="old", pages=3, embedding=NEAR, other=NEAR)
    rows = [
        Document(id=old.pk, title="changed", pages=4, embedding=FAR, other=None),
        Document(id=old.pk + 1, title="new", embedding=NEAR),
    ]
    Document.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["id"], update_fields=["title", "embedding", "other"]
    )
    assert stored() == {old.pk: ("changed", FAR32), old.pk + 1: ("new", NEAR)}
    changed = Document.objects.get(pk=old.pk)
    assert (changed.pages, changed.other) == (3, None)


async def test_conflicts_update_asynchronously(db: Database) -> None:
    old = await Document.objects.acreate(title="old", embedding=NEAR)
    rows = [Document(id=old.pk, title="changed", embedding=FAR)]
    await Document.objects.abulk_create(rows, ignore_conflicts=True)
    assert (await Document.objects.aget()).embedding == NEAR
    await Document.objects.abulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=["embedding"])
    assert (await Document.objects.aget()).embedding == FAR32


# LIKE


@pytest.mark.parametrize(
    "lookup, value, expected",
    [
        ("contains", "b_c", {"ab_cd"}),
        ("contains", "50%", {"50% off"}),
        ("contains", "back\\slash", {"back\\slash"}),
        ("contains", "it's", {"it's"}),
        ("startswith", "ab", {"ab_cd", "abXcd"}),
        ("istartswith", "AB", {"ab_cd", "abXcd", "ABBA"}),
        ("icontains", "XC", {"abXcd"}),
        ("iexact", "abba", {"ABBA"}),
        ("endswith", "off", {"50% off"}),
    ],
)
def test_like(db: Database, lookup: str, value: str, expected: set[str]) -> None:
    for title in ("ab_cd", "abXcd", "ABBA", "50% off", "500 off it", "back\\slash", "it's"):
        Document.objects.create(title=title, embedding=NEAR)
    queryset = Document.objects.annotate(distance=L2Distance("embedding", NEAR)).filter(distance__lt=1)
    found = {row.title for row in queryset.filter(**{f"title__{lookup}": value}).order_by("distance")}
    # Whether startswith minds the case is each database's own affair, as in Django.
    assert {title for title in found if title != "ABBA" or "ABBA" in expected} == expected
    assert queryset.filter(**{f"title__{lookup}": value}).count() == len(found)
    assert queryset.exclude(**{f"title__{lookup}": value}).count() == 7 - len(found)


# foreign keys


def test_a_foreign_key_to_a_model_with_vectors(db: Database) -> None:
    near, far = (Document.objects.create(title=str(vector), embedding=vector) for vector in (NEAR, FAR))
    chunks = [Chunk.objects.create(document=document, embedding=NEAR) for document in (near, near, far)]
    assert Chunk.objects.filter(document=near).count() == 2
    assert Chunk.objects.get(pk=chunks[2].pk).document.embedding == FAR32
    assert near.chunks.all().annotate(distance=L2Distance("embedding", FAR)).filter(distance__gt=1).count() == 2
    assert Chunk.objects.filter(document__embedding=NEAR).count() == 2
    near.delete()
    assert [chunk.pk for chunk in Chunk.objects.all()] == [chunks[2].pk]


def test_a_foreign_key_to_nothing_is_refused(db: Database) -> None:
    with pytest.raises(dorm.IntegrityError):
        Chunk.objects.create(document_id=987654, embedding=NEAR)
    assert Chunk.objects.count() == 0


# fixtures


def test_a_fixture_is_numbers_and_comes_back(db: Database) -> None:
    author = Author.objects.create(name="Ada")
    document = Document.objects.create(title="a", author=author, embedding=FAR, other=None)
    chunk = Chunk.objects.create(document=document, embedding=np.array(NEAR))
    Sample.objects.create(title="s", full=FAR, half=NEAR, sparse=[1.5, 0, 0], bits="101", unit=[3, 4, 0])
    samples = list(Sample.objects.values())
    text = serialize.dumps([Author, Document, Chunk, Sample])
    fields = {record["model"].partition(".")[2]: record["fields"] for record in json.loads(text)}
    assert fields["Document"]["embedding"] == FAR32
    assert fields["Document"]["other"] is None
    assert fields["Chunk"]["embedding"] == NEAR
    for model in (Chunk, Document, Author, Sample):
        model.objects.all().delete()
    assert serialize.load(text) == 4
    loaded = Chunk.objects.select_related("document").get()
    assert (loaded.pk, loaded.embedding.tolist()) == (chunk.pk, NEAR)
    assert (loaded.document.embedding, loaded.document.other) == (FAR32, None)
    assert list(Sample.objects.values()) == samples


def test_an_instance_that_was_never_read_is_written_as_numbers(db: Database) -> None:
    (record,) = serialize.serialize([[Document(title="a", embedding=NEAR)]])
    assert record["fields"]["embedding"] == NEAR


def test_a_fixture_with_a_wrong_vector_loads_nothing(db: Database) -> None:
    good, bad = (
        {"model": "tests.Document", "pk": None, "fields": {"title": "a", "embedding": vector}}
        for vector in (NEAR, [1, 2])
    )
    with pytest.raises(dorm.ValidationError, match="holds 3 dimensions; this vector has 2"):
        serialize.load(json.dumps([good, bad]))
    assert Document.objects.count() == 0


# pydantic


class ChunkSchema(DormSchema):
    class Meta:
        model = Chunk
        exclude = ("document",)


def test_a_schema_of_a_vector(db: Database) -> None:
    document = Document.objects.create(title="a", embedding=FAR)
    chunk = Chunk.objects.create(document=document, embedding=NEAR)
    properties = ChunkSchema.model_json_schema()["properties"]
    assert properties["embedding"]["type"] == "array"
    assert properties["embedding"]["items"] == {"type": "number"}
    assert (properties["embedding"]["minItems"], properties["embedding"]["maxItems"]) == (3, 3)
    schema = ChunkSchema.model_validate(Chunk.objects.get(pk=chunk.pk))
    assert json.loads(schema.model_dump_json())["embedding"] == NEAR
    made = Chunk.objects.create(document_id=document.pk, embedding=schema.model_dump()["embedding"])
    assert Chunk.objects.get(pk=made.pk).embedding.tolist() == NEAR
    assert schema_for(Document).model_validate(document).model_dump()["embedding"] == FAR32
    assert schema_for(Document).model_validate(Document(title="b")).model_dump()["embedding"] is None
    with pytest.raises(ValidationError, match="at least 3 items"):
        ChunkSchema(embedding=[1.0])


def test_a_schema_of_every_element(db: Database) -> None:
    Sample.objects.create(title="s", full=FAR, half=NEAR, sparse=[1.5, 0, 0], bits="101", unit=[3, 4, 0])
    dumped = json.loads(schema_for(Sample).model_validate(Sample.objects.get()).model_dump_json())
    assert (dumped["full"], dumped["half"], dumped["bits"]) == (FAR32, NEAR, "101")
    again = Sample.objects.create(**{key: value for key, value in dumped.items() if key != "id"})
    assert Sample.objects.get(pk=again.pk).sparse == Sample.objects.exclude(pk=again.pk).get().sparse


# inspectdb and diff

ITEM = """
class Item(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=4)
    other = VectorField(dimensions=7, null=True)
"""


@pytest.fixture
def project(running: backends.Running, tmp_path: Path) -> Iterator[Project]:
    settings = running.new_database()
    made = Project(tmp_path, settings)
    made.models(ITEM)
    made.dorm("makemigrations", "--enable-pgvector", "shop")
    made.dorm("makemigrations", "shop")
    made.dorm("migrate")
    yield made
    running.drop_database(settings)


def test_diff_finds_no_drift_and_then_the_missing_column(project: Project) -> None:
    assert "no drift detected" in project.dorm("diff")
    project.models(ITEM + "    third = VectorField(dimensions=2, null=True)\n")
    drift = project.try_dorm("diff")
    assert drift.returncode == 1
    assert "expects column 'third'" in drift.stdout


def test_fixtures_by_the_command(project: Project) -> None:
    project.python("Item.objects.create(name='a', embedding=[1, 2, 3, 4], other=[1] * 7)")
    (project.directory / "items.json").write_text(project.dorm("dumpdata", "shop"))
    project.python("Item.objects.all().delete()")
    project.dorm("loaddata", "items.json")
    assert project.python("print(Item.objects.get().embedding)") == "[1.0, 2.0, 3.0, 4.0]"
