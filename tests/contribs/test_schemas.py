"""contrib.tenants: one schema for each tenant, on one pgvector, wherever that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dorm
import pytest
from dorm import inspect
from dorm.contrib.tenants import TenantContext, ensure_schema
from dorm.db.connection import get_async_connection, get_connection, reset_connections
from dorm.transaction import atomic

import backends
from dorm_vector import HnswIndex, VectorExtension, VectorField, VectorsUnavailable, bulk_load, to_matrix
from tests.conftest import started
from tests.databases import create_tables


class SchemaDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(2)

    class Meta:
        app_label = "tests"
        indexes = (HnswIndex(fields=["embedding"], name="schemadoc_embedding"),)


DOCUMENTS: Any = SchemaDoc.objects


@pytest.fixture
def fresh() -> Iterator[backends.Running]:
    """A database without pgvector."""
    running = started("postgresql")
    settings = running.new_database()
    reset_connections()
    dorm.configure(DATABASES={"default": settings}, INSTALLED_APPS=[])
    yield running
    reset_connections()
    running.drop_database(settings)


@contextmanager
def tenant(name: str) -> Iterator[Any]:
    ensure_schema(name)
    with atomic(), TenantContext(name):
        yield get_connection()


def schema_of_vectors() -> str:
    rows = get_connection().execute(
        "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'vector'"
    )
    return str(rows[0]["nspname"])


def test_every_tenant_has_its_own_table(fresh: backends.Running) -> None:
    for name, number in (("one", 1), ("two", 2)):
        with tenant(name) as connection:
            create_tables(connection, (SchemaDoc,))
            assert connection.table_exists("tests_schemadoc")
            bulk_load(SchemaDoc, [{"title": name, "embedding": [number, 0]}])
    assert schema_of_vectors() == "public"
    for name, number in (("one", 1), ("two", 2)):
        with tenant(name) as connection:
            assert [(row.title, row.embedding) for row in DOCUMENTS.nearest("embedding", [0, 0])[:5]] == [
                (name, [number, 0])
            ]
            assert to_matrix(SchemaDoc.objects.all(), "embedding")[1].tolist() == [[number, 0]]
            (table,) = inspect.introspect_tables(connection)
            assert [column["name"] for column in table["columns"]] == ["id", "title", "embedding"]
            assert "VectorField(dimensions=2" in inspect.render_models([table])
    get_connection().execute_script("DROP SCHEMA one CASCADE")
    with tenant("two"):
        assert DOCUMENTS.nearest("embedding", [0, 0]).count() == 1


async def test_a_table_of_another_schema_is_another_table(fresh: backends.Running) -> None:
    with tenant("one") as connection:
        create_tables(connection, (SchemaDoc,))
    ensure_schema("two")
    with tenant("two") as connection:
        assert not connection.table_exists("tests_schemadoc")
        assert connection.get_table_columns("tests_schemadoc") == []
    assert not await get_async_connection().table_exists("tests_schemadoc")
    assert await get_async_connection().get_table_columns("tests_schemadoc") == []


def test_pgvector_in_a_schema_of_its_own(fresh: backends.Running) -> None:
    connection = get_connection()
    connection.execute_script("CREATE SCHEMA extensions")
    connection.execute_script("CREATE EXTENSION vector SCHEMA extensions")
    with pytest.raises(VectorsUnavailable, match="search_path"):
        VectorExtension().database_forwards("tests", connection, None, None)
    with atomic():
        connection.execute_script("CREATE SCHEMA one")
        connection.execute_script("SET LOCAL search_path = one, extensions")
        create_tables(connection, (SchemaDoc,))
        bulk_load(SchemaDoc, [{"title": "a", "embedding": [1, 0]}])
        assert [row.embedding for row in DOCUMENTS.nearest("embedding", [0, 0])[:5]] == [[1, 0]]
    assert schema_of_vectors() == "extensions"
