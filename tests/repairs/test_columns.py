"""Repairs of computed columns, arrays and aggregates, and the bugs that come back without them."""

from __future__ import annotations

import dorm
import pytest
from dorm import Avg
from dorm.db.connection import reset_connections

import backends
from dorm_vector import BitField, DimensionMismatch, SparseVector, SparseVectorField, VectorField
from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables
from tests.models import Author, Document
from tests.repairs.test_patches import sqlite

__all__ = ["sqlite"]


class Total(dorm.Model):
    price = dorm.IntegerField()
    double = dorm.GeneratedField(expression="price * 2", output_field=dorm.IntegerField())

    class Meta:
        db_table = "tests_total"


class Rack(dorm.Model):
    vectors = dorm.ArrayField(VectorField(dimensions=2))

    class Meta:
        db_table = "tests_rack"


class NestedRack(dorm.Model):
    vectors = dorm.ArrayField(dorm.ArrayField(VectorField(dimensions=2)), null=True)
    bits = dorm.ArrayField(dorm.ArrayField(BitField(length=2)), null=True)
    sparse = dorm.ArrayField(dorm.ArrayField(SparseVectorField(dimensions=2)), null=True)

    class Meta:
        db_table = "tests_nested_rack"


def test_vector_aggregates(sqlite: Database) -> None:
    author = Author.objects.create(name="Ada")
    Document.objects.create(title="a", author=author, embedding=[3, 4, 0])
    (row,) = Author.objects.annotate(center=Avg("documents__embedding"))
    assert vars(row)["center"] == [3, 4, 0]


def test_generated_fields(sqlite: Database) -> None:
    create_tables(sqlite.connection, (Total,))
    with repairs.switched_off("generated_fields"):
        with pytest.raises(dorm.DatabaseError, match="cannot INSERT into generated column"):
            Total.objects.create(price=1)
        with pytest.raises(dorm.DatabaseError, match="cannot INSERT into generated column"):
            Total.objects.bulk_create([Total(price=1)])
    total = Total.objects.create(price=1)
    Total.objects.bulk_create([Total(price=2)])
    with repairs.switched_off("generated_fields"), pytest.raises(dorm.DatabaseError, match="cannot UPDATE generated"):
        total.save()
    total.price = 5
    total.save()
    assert sorted(Total.objects.values_list("double", flat=True)) == [4, 10]


def test_vector_arrays() -> None:
    with backends.get("postgresql").start() as postgresql:
        database = Database(postgresql, postgresql.new_database())
        database.use()
        create_tables(database.connection, (Rack, NestedRack))
        Rack.objects.create(vectors=[[1, 2], [3, 4]])
        assert Rack.objects.get().vectors == [[1, 2], [3, 4]]
        nested = [[[1, 2], [3, 4]], [[5, 6], None]]
        sparse = [[SparseVector({1: 2.0}, 2), SparseVector({}, 2)]]
        NestedRack.objects.create(vectors=nested, bits=[["10", "01"]], sparse=sparse)
        row = NestedRack.objects.get()
        assert (row.vectors, row.bits, row.sparse) == (nested, [["10", "01"]], sparse)
        assert NestedRack.objects.values_list("vectors", flat=True)[0] == nested
        NestedRack.objects.update(vectors=[], bits=None)
        assert NestedRack.objects.values_list("vectors", "bits")[0] == ([], None)
        database.connection.execute_write("ALTER TABLE tests_nested_rack ALTER COLUMN vectors TYPE vector[]")
        database.connection.execute_write("UPDATE tests_nested_rack SET vectors = ARRAY[ARRAY['[1,2,3]'::vector]]")
        with pytest.raises(DimensionMismatch, match=r"holds 2 dimensions; a stored value has 3\."):
            NestedRack.objects.get()
        reset_connections()
