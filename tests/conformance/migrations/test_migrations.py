"""The real command, from the first model to zero: what is declared is what the database has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection

from tests.conformance.inside import Unsupported, dialect_for
from tests.helpers.project import Project

PRODUCT = """
class Product(dorm.Model):
    name = dorm.CharField(max_length=50)
    active = dorm.BooleanField(default=True)
    embedding = VectorField(dimensions={dimensions}, null={null})
    {more}

    class Meta:
        indexes = [{indexes}]
"""
HNSW = 'HnswIndex(fields=["embedding"], name="product_hnsw", opclass="vector_cosine_ops", m={m}, ef_construction=80)'
PARTIAL = (
    'IvfflatIndex(fields=["embedding"], name="product_ivf", distance="l2", lists=7, condition=Q(active=True)),'
    ' Index(fields=["name"], name="product_name")'
)

# How a database says what PostgreSQL's catalogue does.
SPELLED = {
    "libsql": {
        "USING hnsw": "libsql_vector_idx(",
        "embedding vector_cosine_ops": "'metric=cosine'",
        "m='12'": "'max_neighbors=24'",
        "m='24'": "'max_neighbors=48'",
        "ef_construction='80'": "'insert_l=80'",
    },
    "mariadb": {
        "USING hnsw": "",
        "embedding vector_cosine_ops": '"DISTANCE"=cosine',
        "m='12'": '"M"=12 ',
        "m='24'": '"M"=24 ',
        "ef_construction='80'": "",
    },
}


def product(dimensions: int = 4, more: str = "", *indexes: str) -> str:
    # Not every database indexes a column that may be NULL.
    return PRODUCT.format(dimensions=dimensions, null=not indexes, more=more, indexes=", ".join(indexes))


INDEXES = {
    "postgresql": "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE tablename = 'shop_product'",
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'shop_product'",
    "mariadb": 'SHOW CREATE TABLE "shop_product"',
    "mysql": 'SHOW CREATE TABLE "shop_product"',
}


class Catalogue:
    """What the database itself says it holds. Hangs up after each question: Turso lets in one process at a time."""

    def __init__(self, project: Project) -> None:
        self.connection: Any = _create_sync_connection("catalogue", project.database)
        self.dialect = dialect_for(self.connection)

    def has_table(self) -> bool:
        with closing(self.connection):
            return bool(self.connection.table_exists("shop_product"))

    def columns(self) -> set[str]:
        with closing(self.connection):
            return {column["name"] for column in self.connection.get_table_columns("shop_product")}

    def indexes(self) -> dict[str, str]:
        """Return the definition of each index of the table, by name."""
        with closing(self.connection):
            rows = self.connection.execute(INDEXES.get(self.dialect.name, INDEXES["sqlite"]))
        if rows and "Create Table" in rows[0]:
            # From 11.8.9 on, MariaDB quotes an index's options.
            return dict(re.findall(r'KEY "(\w+)" (.*)', rows[0]["Create Table"].replace("'", "")))
        return {row["name"]: row["sql"] or "" for row in rows}

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def catalogue(project: Project) -> Iterator[Catalogue]:
    opened = Catalogue(project)
    yield opened
    opened.close()


def assert_vector_index(catalogue: Catalogue, name: str, kind: str, *parts: str) -> None:
    """Where the database has such an index it is there with those parts; elsewhere nothing is."""
    found = catalogue.indexes().get(name)
    if isinstance(catalogue.dialect.indexes[kind], Unsupported):
        assert found is None
        return
    assert found is not None
    words = SPELLED.get(catalogue.dialect.name, {})
    for part in (f"USING {kind}", *parts):
        assert words.get(part, part) in found


def test_the_whole_way_and_back(project: Project, catalogue: Catalogue) -> None:
    project.models(product(4, "", HNSW.format(m=12), PARTIAL))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    assert "from dorm_vector import VectorExtension" in project.source(1)
    project.dorm("makemigrations", "shop")
    source = project.source(2)
    assert "embedding', dorm_vector.VectorField(dimensions=4)" in source
    assert "opclass='vector_cosine_ops', m=12, ef_construction=80" in source
    assert "distance='l2', lists=7, condition=(dorm.Q(active=True))" in source
    project.dorm("migrate")
    assert_vector_index(
        catalogue, "product_hnsw", "hnsw", "embedding vector_cosine_ops", "m='12'", "ef_construction='80'"
    )
    assert_vector_index(catalogue, "product_ivf", "ivfflat", "embedding", "lists='7'", "WHERE")
    assert "product_name" in catalogue.indexes()
    assert "No changes detected" in project.dorm("makemigrations", "shop")

    project.models(product(4, "", HNSW.format(m=24), PARTIAL))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert_vector_index(catalogue, "product_hnsw", "hnsw", "m='24'")

    project.models(product(6, "extra = VectorField(dimensions=2, null=True, db_column='extra_vector')"))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert "extra_vector" in catalogue.columns()
    assert {"product_hnsw", "product_ivf", "product_name"}.isdisjoint(catalogue.indexes())
    project.python("Product.objects.create(name='a', embedding=[1] * 6, extra=[1, 2])")
    assert project.python("print(Product.objects.get().extra)") == "[1.0, 2.0]"
    project.python("Product.objects.all().delete()")

    project.models(product(6))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert "extra_vector" not in catalogue.columns()

    for target in ("4", "3", "2"):
        project.dorm("migrate", "shop", target)
    assert_vector_index(catalogue, "product_hnsw", "hnsw", "m='12'")
    assert_vector_index(catalogue, "product_ivf", "ivfflat", "lists='7'")
    project.python("Product(embedding=[1] * 4, name='x')")
    project.dorm("migrate", "shop", "zero")
    assert not catalogue.has_table()
    project.dorm("migrate")
    assert catalogue.has_table()


def test_a_squash_loads_and_runs(project: Project, catalogue: Catalogue) -> None:
    project.models(product(4, "", HNSW.format(m=12)))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    project.models(product(4, "extra = VectorField(dimensions=2, default=[1, 2])", HNSW.format(m=24), PARTIAL))
    project.dorm("makemigrations", "shop")
    project.dorm("squashmigrations", "shop", "1", "3")
    assert project.migrations()[-1] == "0004_squashed"
    for number in (1, 2, 3):
        next((project.directory / "shop" / "migrations").glob(f"{number:04d}_*.py")).unlink()
    project.dorm("migrate")
    assert_vector_index(catalogue, "product_hnsw", "hnsw", "m='24'")
    assert_vector_index(catalogue, "product_ivf", "ivfflat", "lists='7'")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    project.dorm("squashmigrations", "shop", "4", "4", "--squashed-name", "again")
    project.dorm("migrate", "shop", "zero")
    assert not catalogue.has_table()


def test_other_dimensions_are_refused_while_vectors_are_there(project: Project, catalogue: Catalogue) -> None:
    project.models(product(4))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    project.python("Product.objects.create(name='a', embedding=[1, 2, 3, 4])")
    project.models(product(6))
    project.dorm("makemigrations", "shop")
    refused = project.try_dorm("migrate")
    assert refused.returncode != 0
    message = "Product.embedding holds vectors of 4 dimensions; the migration requires 6. Nothing was changed."
    assert message in refused.stdout + refused.stderr
    project.models(product(4))
    assert project.python("print(Product.objects.get().embedding)") == "[1.0, 2.0, 3.0, 4.0]"
    project.python("Product.objects.update(embedding=None)")
    project.models(product(6))
    project.dorm("migrate")
    project.python("Product.objects.update(embedding=[1] * 6)")
    refused = project.try_dorm("migrate", "shop", "2")
    assert "holds vectors of 6 dimensions; the migration requires 4" in refused.stdout + refused.stderr
    assert project.python("print(len(Product.objects.get().embedding))") == "6"


def test_options_of_a_field_survive(project: Project, catalogue: Catalogue) -> None:
    start = "def start():\n    return [0.0, 1.0]\n"
    project.models(
        start
        + product(
            2,
            "first = VectorField(dimensions=2, default=[1, 2], db_column='first_vector', help_text='why')\n"
            "    second = VectorField(dimensions=2, default=start, as_numpy=True, unique=False)",
        )
    )
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    source = project.source(2)
    assert "VectorField(dimensions=2, default=[1, 2], help_text='why', db_column='first_vector')" in source
    assert "VectorField(dimensions=2, as_numpy=True, default=shop.models.start)" in source
    project.dorm("migrate")
    project.python("Product.objects.create(name='a')")
    assert project.python("p = Product.objects.get(); print(p.first, p.second.tolist())") == "[1.0, 2.0] [0.0, 1.0]"
    insert = (
        'INSERT INTO "shop_product" ("name", "active", "second") SELECT \'b\', "active", "second" FROM "shop_product"'
    )
    project.python(f"from dorm.db.connection import get_connection\nget_connection().execute_write('''{insert}''')")
    assert project.python("print(Product.objects.get(name='b').first)") == "[1.0, 2.0]"
    project.python("Product.objects.all().delete()")
    project.models(start + product(2))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert "first_vector" not in catalogue.columns()
    project.dorm("migrate", "shop", "2")
    assert "first_vector" in catalogue.columns()


def test_the_extension_is_ours_when_only_a_model_imports_it(project: Project) -> None:
    (project.directory / "settings.py").write_text(
        f"DATABASES = {{'default': {project.database!r}}}\nINSTALLED_APPS = ['shop']\n"
    )
    project.is_new = True
    project.models(product(2))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    assert "from dorm_vector import VectorExtension" in project.source(1)
    project.dorm("migrate")


def test_a_dry_run_changes_nothing(project: Project, catalogue: Catalogue) -> None:
    project.models(product(4, "", HNSW.format(m=12)))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    assert 'CREATE TABLE IF NOT EXISTS "shop_product"' in project.dorm("migrate", "--dry-run")
    assert not catalogue.has_table()


def test_a_new_process_that_never_migrated_can_search(project: Project) -> None:
    project.is_new = True
    project.models(product(2))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    project.python("Product.objects.create(name='a', embedding=[3, 4])")
    search = (
        "from dorm_vector import L2Distance\nprint(Product.objects.annotate(d=L2Distance('embedding', [0, 0])).get().d)"
    )
    assert project.python(search) == "5.0"
