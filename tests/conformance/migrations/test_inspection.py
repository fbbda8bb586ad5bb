"""``inspectdb``, ``dbcheck`` and ``lint-migrations`` know vectors, arrays of them and what belongs to indexes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection

import backends
from tests.conformance.inside import dialect_for
from tests.helpers.project import Project
from tests.helpers.support import ROOT

ITEM = """
from dorm_vector import GeneratedVectorField, HalfVectorField, L2Normalize, TextIndex


class Item(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=4)
    other = VectorField(dimensions=7, null=True)
    {more}

    class Meta:
        indexes = [
            HnswIndex(fields=["embedding"], name="item_hnsw", distance="l2"),
            Vec0Index(fields=["embedding"], name="item_vec0", distance="l2"),
            TextIndex(fields=["name"], name="item_text"),
        ]
"""
MORE = {
    "postgresql": (
        "pages = dorm.ArrayField(VectorField(dimensions=3), null=True)\n"
        "    half = HalfVectorField(dimensions=5, null=True)"
    ),
    "sqlite": (
        'unit = GeneratedVectorField(expression=L2Normalize("embedding"), output_field=VectorField(dimensions=4))'
    ),
}
WRITTEN = {
    "postgresql": [
        "id = dorm.BigAutoField(primary_key=True)",
        "pages = dorm.ArrayField(dorm_vector.VectorField(dimensions=3), null=True)",
        "half = dorm_vector.HalfVectorField(dimensions=5, null=True)",
    ],
    # Nothing declares its length, and no index holds it.
    "sqlite": ["other = dorm.BinaryField(null=True)"],
}


@pytest.fixture
def project(empty_project: Project, running: backends.Running) -> Project:
    empty_project.begin(ITEM.format(more=MORE.get(running.name, "")))
    empty_project.python("Item.objects.create(name='a', embedding=[1, 2, 3, 4])")
    return empty_project


def execute(project: Project, *statements: str) -> None:
    connection: Any = _create_sync_connection("inspected", project.database)
    with closing(connection):
        for statement in statements:
            connection.execute_script(statement)


def test_inspectdb_writes_models_that_work(project: Project, running: backends.Running) -> None:
    source = project.dorm("inspectdb")
    assert "embedding = dorm_vector.VectorField(dimensions=4)" in source
    for line in WRITTEN.get(running.name, ["other = dorm_vector.VectorField(dimensions=7, null=True)"]):
        assert line in source
    assert source.count("(dorm.Model)") == 1
    (project.directory / "legacy.py").write_text(source)
    row = "row = legacy.ShopItem.objects.nearest('embedding', [1, 2, 3, 4])[:1][0]"
    assert project.python(f"import legacy\n{row}\nprint(list(row.embedding), row.name)") == "[1.0, 2.0, 3.0, 4.0] a"
    made = "print(legacy.ShopItem.objects.create(name='b', embedding=[0] * 4).pk)"
    if "unit" not in MORE.get(running.name, ""):
        assert project.python(f"import legacy\n{made}") == "2"


def test_dbcheck_compares_vectors(project: Project, running: backends.Running) -> None:
    assert "All checked models match the database schema." in project.dorm("dbcheck")
    project.models(ITEM.format(more=MORE.get(running.name, "")).replace("dimensions=4", "dimensions=8"))
    checked = project.try_dorm("dbcheck")
    assert checked.returncode == 1
    drift = "embedding holds VectorField(dimensions=4), and embedding is declared as VectorField(dimensions=8)."
    assert f"  ✗ Item (shop_item): {drift}" in checked.stdout
    assert "All checked models match" not in checked.stdout
    project.models(ITEM.format(more=MORE.get(running.name, "")).replace("item_hnsw", "hnsw").replace("_vec0", "_v"))
    connection: Any = _create_sync_connection("asked", project.database)
    with closing(connection):
        dialect = dialect_for(connection)
    if dialect.planning.built_indexes and running.name != "turso":  # it keeps no index of this model
        assert "is not built. Run: dorm migrate." in project.try_dorm("dbcheck").stdout


@pytest.mark.not_on("postgresql", "turso", "libsql", "mariadb", "mysql", reason="vec0 is a table of sqlite-vec")
def test_a_file_of_vec0_tables(project: Project) -> None:
    execute(
        project,
        "CREATE VIRTUAL TABLE docs USING vec0(doc_id integer primary key, v float[4], tiny int8[8], kind text"
        " partition key, price float, +body text, chunk_size=8)",
        'create virtual table "plain" using vec0(embedding float[2] distance_metric=cosine)',
    )
    source = project.dorm("inspectdb")
    assert source.count("(dorm.Model)") == 3
    assert "v = dorm_vector.VectorField(dimensions=4, null=True)" in source
    assert "rowid = dorm.IntegerField(primary_key=True)" in source
    (project.directory / "legacy.py").write_text(source)
    execute(project, "INSERT INTO docs VALUES (7, '[1, 0, 0, 0]', vec_int8('[1,2,3,4,5,6,7,8]'), 'a', 1.5, 'x')")
    read = (
        "row = legacy.Docs.objects.nearest('v', [1, 0, 0, 0])[:1][0]\nprint(row.pk, list(row.v), row.kind, row.price)"
    )
    assert project.python(f"import legacy\n{read}") == "7 [1.0, 0.0, 0.0, 0.0] a 1.5"


def test_nobody_imports_the_package(project: Project) -> None:
    # Only the file that a wheel installs for Python's startup does; neither settings.py nor inspectdb imports anything.
    settings = project.directory / "settings.py"
    settings.write_text(settings.read_text().replace("'dorm_vector', ", ""))
    started = f"import site; site.addsitedir({str(ROOT / 'dorm_vector/_startup')!r}); from dorm.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{project.directory}"}
    run = subprocess.run(
        [sys.executable, "-c", started, "inspectdb"],
        cwd=project.directory,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "embedding = dorm_vector.VectorField(dimensions=4)" in run.stdout
