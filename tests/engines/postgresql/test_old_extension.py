"""A pgvector below the minimum, as a database that another tool made may have: no migration begins."""

from __future__ import annotations

import pytest

from tests.helpers.catalogue import tables_of
from tests.helpers.project import Project

pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="it is PostgreSQL's extension")


def test_an_extension_below_the_minimum_is_refused_before_anything_changes(project: Project) -> None:
    sql = "from dorm.db.connection import get_connection\nget_connection().execute_script({!r})"
    project.models("class Plain(dorm.Model):\n    name = dorm.CharField(max_length=9)\n")
    project.python(sql.format("CREATE EXTENSION vector"))
    # The server has one version only, so the catalogue says that it is another.
    project.python(sql.format("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'"))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop")
    project.models("class Doc(dorm.Model):\n    embedding = VectorField(dimensions=3)\n")
    project.dorm("makemigrations", "shop")
    for options in ([], ["--fake"]):
        refused = project.try_dorm("migrate", "shop", *options)
        assert refused.returncode
        assert "needs vectors 0.7.0 or newer; this one has 0.6.2" in refused.stderr
        assert "shop_plain" in tables_of(project.database)
    project.python(sql.format("UPDATE pg_extension SET extversion = '0.7.0' WHERE extname = 'vector'"))
    migrated = project.try_dorm("migrate", "shop")
    assert "shop_doc" in tables_of(project.database)
    assert migrated.stderr.count("PgvectorTooOld: This database has pgvector 0.7.0, older than 0.8.3.") == 1
