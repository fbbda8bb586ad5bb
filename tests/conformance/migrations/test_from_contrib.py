"""A project of dorm.contrib.pgvector moves here: its migration changes nothing in the database."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import backends
from tests.databases import SPEAKS
from tests.helpers.catalogue import rows_of
from tests.helpers.project import Project

pytestmark = pytest.mark.not_on("turso", "libsql", "mariadb", "mysql", reason="dorm.contrib.pgvector knows neither")

MODELS = """
import dorm
from dorm.contrib.pgvector import VectorField

class Category(dorm.Model):
    name = dorm.CharField(max_length=40)

class Product(dorm.Model):
    name = dorm.CharField(max_length=40)
    category = dorm.ForeignKey("Category", on_delete=dorm.CASCADE)
    embedding = VectorField(dimensions=3)
    image = VectorField(dimensions=2, null=True)
"""
# djanorm's own writer puts the models of one migration in any order.
MIGRATIONS = {
    "0001_enable_pgvector": """
from dorm.contrib.pgvector import VectorExtension

dependencies = []
operations = [VectorExtension()]
""",
    "0002_initial": """
from dorm.contrib.pgvector.fields import VectorField
from dorm.fields import BigAutoField, CharField, ForeignKey
from dorm.migrations.operations import CreateModel

dependencies = [("shop", "0001_enable_pgvector")]
key = ("id", BigAutoField(primary_key=True))
name = ("name", CharField(max_length=40))
operations = [
    CreateModel(name="Category", fields=[key, name], options={"db_table": "shop_category"}),
    CreateModel(
        name="Product",
        fields=[
            key,
            name,
            ("category", ForeignKey("shop.Category", on_delete="CASCADE")),
            ("embedding", VectorField(dimensions=3)),
            ("image", VectorField(dimensions=2, null=True)),
        ],
        options={"db_table": "shop_product"},
    ),
]
""",
}
FILL = """
toys = Category.objects.create(name="toys")
for name, vector in (("cat", [1, 2, 3]), ("carp", [3, 2, 1])):
    Product.objects.create(name=name, category=toys, embedding=vector, image=vector[:2])
"""
READ = """
import json
rows = Product.objects.select_related("category").order_by("id")
print(json.dumps([[row.name, row.category.name, list(row.embedding), list(row.image)] for row in rows]))
"""
ROWS = [["cat", "toys", [1, 2, 3], [1, 2]], ["carp", "toys", [3, 2, 1], [3, 2]]]
BY_HAND = {
    "sqlite": [
        "CREATE INDEX by_hand ON shop_product (name) WHERE image IS NOT NULL",
        "CREATE TRIGGER by_hand_too AFTER DELETE ON shop_product BEGIN SELECT 1; END",
    ],
    "postgresql": ["CREATE INDEX by_hand ON shop_product (name) WHERE image IS NOT NULL"],
}
# The rowid of a rebuilt table's entry differs, and so does the file of a rewritten one.
SCHEMA = {
    "sqlite": "SELECT type, name, sql, rootpage FROM sqlite_master WHERE tbl_name = 'shop_product' ORDER BY name",
    "postgresql": "SELECT relname, relfilenode FROM pg_class"
    " WHERE relname IN ('shop_product', 'shop_product_pkey', 'by_hand') ORDER BY relname",
}
REWRITE = r"""grep -rl --include="*.py" "dorm\.contrib\.pgvector" . |
    xargs sed -i.bak "s/from dorm\.contrib\.pgvector[.a-z_]* import/from dorm_vector import/" """


@pytest.fixture
def project(running: backends.Running, tmp_path: Path) -> Iterator[Project]:
    settings = running.new_database()
    yield Project(tmp_path, settings, installed_apps=["shop"], is_new=True)
    running.drop_database(settings)


def test_the_move_changes_nothing_in_the_database(project: Project, backend_name: str) -> None:
    folder, name = project.directory / "shop", SPEAKS.get(backend_name, backend_name)
    write(project, "0001_enable_pgvector")
    # On SQLite it only loads sqlite-vec, for which this Python may have no loadable extensions.
    project.dorm("migrate", "shop", *["--fake"] * (backend_name == "sqlite"))
    write(project, "0002_initial")
    project.dorm("migrate", "shop")
    assert project.python(FILL + "import sys\nprint('dorm_vector' in sys.modules)") == "False"
    for statement in BY_HAND[name]:
        project.python(f"from dorm.db.connection import get_connection\nget_connection().execute_write({statement!r})")
    before = schema(project, name)
    assert before

    project.is_new, project.installed_apps = False, ["dorm_vector", "shop"]
    (folder / "models.py").write_text(MODELS.replace("dorm.contrib.pgvector", "dorm_vector"))
    project.dorm("makemigrations", "shop")
    assert "dorm_vector.VectorField" in project.source(3)
    for target in ([], ["0002"], []):
        project.dorm("migrate", "shop", *target)
        assert schema(project, name) == before
        assert json.loads(project.python(READ)) == ROWS

    project.dorm("squashmigrations", "shop", "1", "3")
    assert "No changes" in project.dorm("makemigrations", "shop")
    assert "squashed" in project.dorm("showmigrations", "shop")
    project.dorm("migrate", "shop")
    assert (schema(project, name), json.loads(project.python(READ))) == (before, ROWS)

    subprocess.run(["/bin/sh", "-c", REWRITE], check=True, cwd=project.directory)
    assert "contrib" not in "".join(path.read_text() for path in project.directory.rglob("*.py"))
    assert "No changes" in project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop", "zero")
    assert "squashed" in project.dorm("migrate", "shop")
    project.python(FILL)
    assert json.loads(project.python(READ)) == ROWS


def write(project: Project, *names: str) -> None:
    """Write the app as it was before the move, with these of its migrations."""
    (project.directory / "shop" / "models.py").write_text(MODELS)
    folder = project.directory / "shop" / "migrations"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    for name in names:
        (folder / f"{name}.py").write_text(MIGRATIONS[name])


def schema(project: Project, name: str) -> list[dict[str, Any]]:
    return rows_of(project.database, SCHEMA[name])
