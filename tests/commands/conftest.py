"""One project per database, with rows, for the tests of commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection

import backends
from dorm_vector.dialects.base import Dialect
from dorm_vector.engines import dialect_for
from tests.helpers.project import Project

MODELS = '''
from dorm_vector import BitField, EmbeddingField, HalfVectorField, LongTextField, SparseVector, SparseVectorField
from dorm_vector import TextIndex, as_embedder


def embed(texts):
    """One direction for each word that a text has of these."""
    words = ["red", "green", "blue", "shoe", "hat", "coat", "old", "new"]
    return [[1.0 + 9 * (word in text.split()) for word in words] for text in texts]


class Product(dorm.Model):
    title = dorm.CharField(max_length=80)
    price = dorm.IntegerField(default=0)
    in_stock = dorm.BooleanField(default=True)
    embedding = EmbeddingField(
        8, source="title", embedder=as_embedder(embed, name="words-1", dimensions=8), record_model=True, null=False
    )

    class Meta:
        indexes = [
            HnswIndex(fields=["embedding"], name="product_hnsw", distance="cosine"),
            Vec0Index(["embedding"], "product_vec0", distance="cosine", metadata=["price"]),
            TextIndex(["title"], "product_words"),
        ]


class Photo(dorm.Model):
    product = dorm.ForeignKey(Product, on_delete=dorm.CASCADE, null=True)
    picture = VectorField(dimensions=4, null=True)
    small = HalfVectorField(dimensions=4, null=True)
    words = SparseVectorField(dimensions=2000, null=True)
    bits = BitField(length=8, null=True)
    rating = dorm.FloatField(default=0)
    notes = LongTextField(default="")

    class Meta:
        indexes = [
            Vec0Index(["picture"], "photo_vec0"),
            Vec0Index(["picture"], "photo_bytes", distance="cosine", precision="int8"),
        ]
'''
ROWS = """
colors, things, ages = ["red", "green", "blue"], ["shoe", "hat", "coat"], ["old", "new"]
titles = [f"{age} {color} {thing}" for age in ages for color in colors for thing in things]
for number, title in enumerate(titles):
    Product.objects.create(title=title, price=number, in_stock=number % 2 == 0)
for number in range(6):
    vectors = {"small": [number, 0.5, 1, 2], "words": SparseVector({number: 1.5}, 2000), "bits": "10100000"}
    Photo.objects.create(picture=[number, 1, 2, 3] if number else None, **(vectors if number < 3 else {}))
"""
MAIN = "import sys; from dorm_vector.commands.main import main; sys.exit(main())"


@dataclass
class Shop:
    """A project with 18 products, and the command."""

    project: Project
    dialect: Dialect

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run ``dorm-vector`` and return what it prints to stdout."""
        run = self.project._run(MAIN, *arguments)
        assert run.returncode == code, f"dorm-vector {' '.join(arguments)}\n{run.stdout}\n{run.stderr}"
        return run.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code))

    def findings(self) -> dict[str, Any]:
        """Return the problems that the doctor finds, by check."""
        run = self.project._run(MAIN, "doctor", "--json")
        found = json.loads(run.stdout)
        assert run.returncode == int(bool(found["problems"])), run.stderr
        return {each["check"]: each for each in found["findings"] if each["severity"] == "problem"}

    def diagnosis(self, *arguments: str) -> list[Any]:
        """Return all findings of the doctor, of any severity."""
        found = json.loads(self.project._run(MAIN, "doctor", *arguments, "--json").stdout)
        return list(found["findings"])

    def fix(self, finding: Any) -> None:
        """Run the command that a finding names: one of ``dorm-vector`` or ``dorm``, or SQL."""
        _, is_sql, sql = finding["fix"].partition("dorm dbshell: ")
        if is_sql:
            self.write(sql.rstrip(";"))
            return
        for command in finding["fix"].split(" && "):
            program, *arguments = command.split()
            if program == "dorm":
                self.project.dorm(*arguments)
            else:
                assert program == "dorm-vector"
                self.run(*arguments)

    def write(self, *statements: str) -> None:
        with connected(self.project.database) as connection:
            for statement in statements:
                connection.execute_script(statement)

    def read(self, query: str) -> list[Any]:
        with connected(self.project.database) as connection:
            return list(connection.execute(query))

    @contextmanager
    def settings(self, database: dict[str, Any], **others: Any) -> Iterator[None]:
        """Run commands with another ``default`` database, and with further ones."""
        path = self.project.directory / "settings.py"
        before, databases = path.read_text(), {"default": database, **others}
        path.write_text(f"DATABASES = {databases!r}\nINSTALLED_APPS = {self.project.installed_apps!r}\n")
        try:
            yield
        finally:
            path.write_text(before)

    @property
    def has_index(self) -> bool:
        """Whether the database has an index for the products' embeddings."""
        return any(index["state"] != "unsupported" for index in self.indexes().values() if index["kind"] != "text")

    def indexes(self) -> dict[str, Any]:
        (database,) = self.json("status", "--database", "default")["databases"]
        (product,) = (table for table in database["tables"] if table["model"] == "shop.Product")
        return {index["name"]: index for index in product["indexes"]}


@contextmanager
def connected(settings: dict[str, Any]) -> Iterator[Any]:
    """A connection that is closed at once: only one process may have a file of Turso open."""
    connection = _create_sync_connection("shop", settings)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture(scope="session")
def shop(running: backends.Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    settings = running.new_database()
    project = Project(tmp_path_factory.mktemp("shop"), settings)
    project.begin(MODELS)
    project.python(ROWS)
    with connected(settings) as connection:
        dialect = dialect_for(connection)
    yield Shop(project, dialect)
    running.drop_database(settings)
