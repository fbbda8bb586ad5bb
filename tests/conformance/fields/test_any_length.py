"""Fields that hold vectors of several lengths: dimensions=None."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dorm
import pyarrow as pa
import pytest

import backends
from dorm_vector import (
    BitField,
    DimensionMismatch,
    EmbeddingField,
    HalfVectorField,
    HnswIndex,
    L2Distance,
    SparseVector,
    SparseVectorField,
    UnsupportedByDatabase,
    Vec0Index,
    VectorDims,
    VectorField,
    ato_matrix,
    bulk_load,
    to_matrix,
)
from tests.conformance.inside import Unsupported
from tests.databases import Database, create_tables, drop_table
from tests.helpers.project import Project


class AnyLength(dorm.Model):
    full = VectorField(null=True)
    half = HalfVectorField(dimensions=None, null=True)
    sparse = SparseVectorField(dimensions=None, null=True)
    array = VectorField(dimensions=None, null=True, as_numpy=True)

    class Meta:
        db_table = "tests_any_length"


LENGTHS = (1, 2, 3, 4, 5, 17)


@pytest.fixture
def table(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (AnyLength,))
    yield db
    drop_table(db, AnyLength)


@pytest.mark.not_on("mariadb", "mysql", reason="test_a_database_without_such_a_column_refuses_it")
def test_each_row_has_its_own_length(table: Database) -> None:
    for length in LENGTHS:
        values = [float(number) for number in range(length)]
        sparse = SparseVector({length - 1: 2.0}, length)
        AnyLength.objects.create(full=values, half=values, sparse=sparse, array=values)
    for row, length in zip(AnyLength.objects.order_by("id"), LENGTHS, strict=True):
        values = [float(number) for number in range(length)]
        assert (row.full, row.half, row.array.tolist()) == (values, values, values)
        assert row.sparse == SparseVector({length - 1: 2.0}, length)
        row.save()
    found = AnyLength.objects.order_by("id").values_list("full", flat=True)
    assert [len(value) for value in found] == list(LENGTHS)
    rows, frame = list(AnyLength.objects.order_by("id")), AnyLength.objects.order_by("id").to_arrow()
    assert frame.schema.field("full").type == pa.list_(pa.float32())
    assert frame.column("half").to_pylist() == [row.half for row in rows]
    AnyLength.objects.all().delete()
    assert bulk_load(AnyLength, frame) == len(rows)
    assert [(row.full, row.sparse) for row in AnyLength.objects.order_by("id")] == [
        (row.full, row.sparse) for row in rows
    ]


@pytest.mark.not_on("mariadb", "mysql", reason="test_a_database_without_such_a_column_refuses_it")
async def test_searches_and_matrices_are_of_one_length(table: Database) -> None:
    await AnyLength.objects.abulk_create([AnyLength(full=[n] * (2 + n % 2)) for n in range(1, 7)])
    pairs = AnyLength.objects.annotate(size=VectorDims("full")).filter(size=2)
    assert [row.full async for row in pairs.nearest("full", [4, 4])[:2]] in ([[4, 4], [2, 2]], [[4, 4], [6, 6]])
    rows = [row async for row in pairs.annotate(distance=L2Distance("full", [2, 2])).order_by("distance")]
    assert [row.full for row in rows] == [[2, 2], [4, 4], [6, 6]]
    assert [row.distance for row in rows] == pytest.approx([0, 8**0.5, 32**0.5])
    assert (await ato_matrix(pairs.order_by("id"), "full"))[1].tolist() == [[2, 2], [4, 4], [6, 6]]
    with pytest.raises(DimensionMismatch, match=r"AnyLength\.full have 2, 3 dimensions"):
        to_matrix(AnyLength.objects.all(), "full")


@pytest.mark.not_on("postgresql", "sqlite", "turso", "libsql", reason="they have such a column")
def test_a_database_without_such_a_column_refuses_it(db: Database) -> None:
    claim = db.dialect.any_length
    assert isinstance(claim, Unsupported)
    with pytest.raises(UnsupportedByDatabase, match=claim.reason):
        create_tables(db.connection, (AnyLength,))
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
        db.connection.execute(claim.probe)


@pytest.mark.parametrize("index", [HnswIndex(["e"], "any_hnsw"), Vec0Index(["e"], "any_vec0")])
def test_an_index_is_refused_at_definition(index: Any) -> None:
    with pytest.raises(ValueError, match="an index holds vectors of one length"):
        type(
            "Indexed",
            (dorm.Model,),
            {
                "__module__": __name__,
                "e": VectorField(None),
                "Meta": type("Meta", (), {"indexes": [index], "abstract": True}),
            },
        )


def test_what_needs_a_length_refuses_none() -> None:
    for field in (BitField, EmbeddingField):
        with pytest.raises(ValueError, match="want a whole number from 1"):
            field(None)
    assert VectorField(None).deconstruct()[3] == {"dimensions": None}


ITEM = """
class Item(dorm.Model):
    embedding = VectorField(dimensions={dimensions}, null=True)
"""


@pytest.fixture
def project(running: backends.Running, tmp_path: Path) -> Iterator[Project]:
    settings = running.new_database()
    made = Project(tmp_path, settings)
    made.models(ITEM.format(dimensions=3))
    made.dorm("makemigrations", "--enable-pgvector", "shop")
    made.dorm("makemigrations", "shop")
    made.dorm("migrate")
    yield made
    running.drop_database(settings)


@pytest.mark.not_on("mariadb", "mysql", reason="test_a_database_without_such_a_column_refuses_it")
def test_migrations_change_to_any_length_and_back(project: Project) -> None:
    project.python("Item.objects.create(embedding=[1, 2, 3])")
    project.models(ITEM.format(dimensions=None))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert "No changes" in project.dorm("makemigrations", "shop")
    project.python("Item.objects.create(embedding=[1, 2])")
    assert project.python("print([len(row.embedding) for row in Item.objects.order_by('id')])") == "[3, 2]"
    project.models(ITEM.format(dimensions=3))
    project.dorm("makemigrations", "shop")
    refused = project.try_dorm("migrate")
    assert "holds vectors of any dimensions; the migration requires 3" in refused.stdout + refused.stderr
    project.python("Item.objects.update(embedding=None)")
    project.dorm("migrate")
    assert "this vector has 2" in project.python(
        "from dorm_vector import DimensionMismatch\ntry: Item.objects.create(embedding=[1, 2])\n"
        "except DimensionMismatch as error: print(error)"
    )


@pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="a BLOB says nothing of vectors")
def test_inspectdb_reads_it(project: Project) -> None:
    project.models(ITEM.format(dimensions=None))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    with (project.directory / "settings.py").open("a") as settings:
        settings.write("import dorm_vector\n")
    assert "embedding = dorm_vector.VectorField(dimensions=None, null=True)" in project.dorm("inspectdb")
