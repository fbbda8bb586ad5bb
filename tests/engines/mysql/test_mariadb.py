"""The traps of MariaDB's vectors: each as the server sets it, and how a query of ours walks past it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dorm
import pytest
from dorm.db.connection import _create_sync_connection, get_async_connection
from dorm.migrations import operations
from dorm.migrations.state import ProjectState

import backends
from dorm_vector import (
    CosineDistance,
    DimensionMismatch,
    IndexMissed,
    L1Distance,
    L2Distance,
    Vector,
    VectorField,
)
from tests.databases import Database
from tests.helpers.oracle import vectors
from tests.helpers.project import Project
from tests.models import Document, Package

pytestmark = pytest.mark.not_on("sqlite", "postgresql", "turso", "libsql", "mysql", reason="they are MariaDB's")
INDEX = "package_embedding_hnsw"
STORED, QUERY = vectors(3000, 16), vectors(1, 16, seed=8)[0]
ZERO = [0.0, 0.0, 0.0]


@pytest.fixture
def packages(db: Database) -> Database:
    Package.objects.bulk_create([Package(section=f"s{n % 50}", embedding=vector) for n, vector in enumerate(STORED)])
    return db


def plan(db: Database, order: str) -> str:
    sql = f"EXPLAIN SELECT id, VEC_DISTANCE_COSINE(embedding, %s) AS d FROM tests_package ORDER BY {order} LIMIT 10"
    return str(db.connection.execute(sql, [Vector(QUERY)]))


def nearest(**options: Any) -> Any:
    return Package.objects.nearest("embedding", QUERY, **options)


def test_a_distance_of_two_lengths_is_null(db: Database) -> None:
    (row,) = db.connection.execute("SELECT VEC_DISTANCE_EUCLIDEAN(%s, %s) AS d", [Vector([1, 2, 3]), Vector([1, 2])])
    assert row["d"] is None
    Document.objects.create(title="a", embedding=[1, 2, 3])
    for expression in (L2Distance("embedding", [1, 2]), CosineDistance("embedding", [1, 2]), L1Distance("other", [1])):
        with pytest.raises(DimensionMismatch):
            list(Document.objects.annotate(distance=expression))


def test_a_vector_of_another_length_finds_rows_by_the_index(packages: Database) -> None:
    sql = "SELECT id FROM tests_package ORDER BY VEC_DISTANCE_COSINE(embedding, %s) LIMIT 3"
    assert len(packages.connection.execute(sql, [Vector([1, 2])])) == 3
    with pytest.raises(DimensionMismatch):
        list(Package.objects.nearest("embedding", [1, 2])[:3])


def test_a_zero_vector_is_a_perfect_match_by_cosine(db: Database) -> None:
    (row,) = db.connection.execute("SELECT VEC_DISTANCE_COSINE(%s, %s) AS d", [Vector(ZERO), Vector([1, 2, 3])])
    assert row["d"] == 0
    Document.objects.create(title="zero", embedding=ZERO)
    Document.objects.create(title="near", embedding=[1, 2, 4])
    ranked = Document.objects.annotate(distance=CosineDistance("embedding", [1, 2, 3])).order_by("distance")
    assert [(row.title, row.distance is None) for row in ranked] == [("near", False), ("zero", True)]


def test_a_second_sort_key_loses_the_index(packages: Database) -> None:
    assert INDEX in plan(packages, "d")
    assert f"'key': '{INDEX}'" not in plan(packages, "d, id")
    (reason,) = nearest().order_by("distance", "id")[:10].explain_search().reasons
    assert (reason.code, reason.remedy) == ("second-key", "Sort by the distance alone.")
    assert nearest()[:10].explain_search().index == INDEX


def test_another_metric_loses_the_index(packages: Database) -> None:
    sql = "EXPLAIN SELECT id FROM tests_package ORDER BY VEC_DISTANCE_EUCLIDEAN(embedding, %s) LIMIT 10"
    assert INDEX not in str(packages.connection.execute(sql, [Vector(QUERY)]))
    with pytest.warns(IndexMissed, match="measures l2"):
        (reason,) = nearest(distance="l2", exact=False)[:10].explain_search().reasons
    assert reason.code == "other-distance"


def test_an_index_gives_its_rows_unsorted(packages: Database) -> None:
    sql = (
        "SELECT VEC_DISTANCE_COSINE(embedding, %s) AS d FROM tests_package"
        " ORDER BY VEC_DISTANCE_COSINE(embedding, %s) LIMIT 500"
    )
    raw = [
        [row["d"] for row in packages.connection.execute(sql, [Vector(query)] * 2)] for query in vectors(10, 16, seed=8)
    ]
    assert any(found != sorted(found) for found in raw)
    for query in vectors(10, 16, seed=8):
        for queryset in (Package.objects.all(), Package.objects.filter(section__lt="s3")):
            found = [row.distance for row in queryset.nearest("embedding", query)[:500]]
            assert found == sorted(found)


def test_another_length_of_a_column_fills_up_with_zeros(db: Database) -> None:
    db.connection.execute_script("CREATE TABLE grown (id INT PRIMARY KEY, e VECTOR(3))")
    try:
        db.connection.execute_write("INSERT INTO grown VALUES (1, %s)", [Vector([1, 2, 3])])
        db.connection.execute_script("ALTER TABLE grown MODIFY e VECTOR(4)")
        assert db.connection.execute("SELECT e FROM grown")[0]["e"] == Vector([1, 2, 3, 0])
    finally:
        db.connection.execute_script("DROP TABLE grown")
    Document.objects.create(title="a", embedding=[1, 2, 3])
    before, after = ProjectState.from_apps(), ProjectState.from_apps()
    alter = operations.AlterField("Document", "embedding", VectorField(dimensions=4, null=True))
    alter.state_forwards("tests", after)
    with pytest.raises(Exception, match="vectors"):
        alter.database_forwards("tests", db.connection, before, after)
    assert Document.objects.get().embedding == [1, 2, 3]


async def test_without_strict_mode_another_length_is_stored_as_zeros(db: Database) -> None:
    insert = "INSERT INTO tests_document (title, pages, embedding) VALUES ('a', 1, %s)"
    db.connection.execute_script("SET SESSION sql_mode = 'ANSI_QUOTES'")
    db.connection.execute_write(insert, [Vector([1, 2])])
    assert Document.objects.get().embedding == ZERO
    db.use()
    with pytest.raises(dorm.DatabaseError, match="Incorrect vector value"):
        db.connection.execute_write(insert, [Vector([1, 2])])
    with pytest.raises(dorm.DatabaseError, match="Incorrect vector value"):
        await get_async_connection().execute_write(insert, [Vector([1, 2])])


def test_text_loses_digits(db: Database) -> None:
    value = [0.123456789, 1 / 3, 16777217.0]
    Document.objects.create(title="a", embedding=value)
    (row,) = db.connection.execute("SELECT VEC_FromText(VEC_ToText(embedding)) AS again FROM tests_document")
    assert row["again"] != Vector(value)
    assert Vector(Document.objects.get().embedding) == Vector(value)


IMPOSSIBLE = {
    "null": ("VectorField(3, null=True)", ["distance='l2'"], "without null=True"),
    "second": ("VectorField(3)", ["distance='l2'", "distance='cosine'"], "Keep one of them"),
    "l1": ("VectorField(3)", ["distance='l1'"], 'Declare it with distance="l2" or "cosine"'),
    "condition": ("VectorField(3)", ["distance='l2', condition=Q(id__gt=1)"], "Declare it without one"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_it_cannot_build_is_refused_before_anything_is_changed(
    running: backends.Running, tmp_path: Path, name: str
) -> None:
    field, indexes, remedy = IMPOSSIBLE[name]
    settings = running.new_database()
    project = Project(tmp_path, settings)
    declared = ", ".join(f"HnswIndex(['e'], 'i_{at}', {index})" for at, index in enumerate(indexes))
    project.models(f"class Item(dorm.Model):\n    e = {field}\n\n    class Meta:\n        indexes = [{declared}]\n")
    project.dorm("makemigrations", "shop")
    refused = project.try_dorm("migrate")
    assert refused.returncode != 0
    assert remedy in refused.stderr
    assert "Nothing was changed." in refused.stderr
    opened = _create_sync_connection("catalogue", settings)
    assert not opened.table_exists("shop_item")
    opened.close()
    running.drop_database(settings)


@pytest.mark.parametrize(
    "column, indexes, error",
    [
        ("e VECTOR(3)", "VECTOR INDEX (e)", "NOT NULL"),
        ("e VECTOR(3) NOT NULL", "VECTOR INDEX (e), VECTOR INDEX (e)", "multiple"),
    ],
)
def test_the_server_refuses_in_the_middle(db: Database, column: str, indexes: str, error: str) -> None:
    with pytest.raises(dorm.DatabaseError, match=error):
        db.connection.execute_script(f"CREATE TABLE impossible ({column}, {indexes})")
