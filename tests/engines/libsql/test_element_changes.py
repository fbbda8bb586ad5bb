"""A column whose element type changes: its stored vectors are converted."""

from __future__ import annotations

from typing import Any

import dorm
import pytest
from dorm.migrations.operations import AlterField, CreateModel, DeleteModel
from dorm.migrations.state import ProjectState

import backends
from dorm_vector import BitField, HalfVectorField, VectorField, VectorsWouldBeLost
from tests.databases import Database


class Changing(dorm.Model):
    embedding = HalfVectorField(3, null=True)

    class Meta:
        app_label = "tests"
        db_table = "tests_changing"


VALUES = [[1.0, 2.0, 3.0], [0.5, -0.25, 8.0], None]


def test_stored_vectors_are_converted() -> None:
    with backends.get("libsql").start() as running:
        database = Database(running, running.new_database())
        database.use()
        states = [ProjectState()]

        def apply(operation: Any) -> None:
            states.append(states[-1].clone())
            operation.state_forwards("tests", states[-1])
            operation.database_forwards("tests", database.connection, *states[-2:])

        key = dorm.BigAutoField(primary_key=True)
        wide, half = VectorField(3, null=True), HalfVectorField(3, null=True)
        apply(CreateModel("Changing", [("id", key), ("embedding", wide)], {"db_table": "tests_changing"}))
        for value in VALUES:
            literal = None if value is None else str(value)
            database.connection.execute_write(
                'INSERT INTO "tests_changing" ("embedding") VALUES (vector32(%s))'
                if value is not None
                else 'INSERT INTO "tests_changing" ("embedding") VALUES (%s)',
                [literal],
            )
        apply(AlterField("Changing", "embedding", half))
        rows: Any = Changing.objects
        assert [row.embedding for row in rows.order_by("id")] == VALUES
        assert [row.embedding for row in rows.nearest("embedding", [1, 2, 3])[:1]] == VALUES[:1]
        stored = database.connection.execute('SELECT vector_extract("embedding") AS v FROM "tests_changing" LIMIT 1')
        assert "1" in stored[0]["v"]
        forwards = AlterField("Changing", "embedding", half)
        forwards.database_backwards("tests", database.connection, states[-1], states[-2])
        found = database.connection.execute('SELECT length("embedding") AS bytes FROM "tests_changing" WHERE "id" = 1')
        assert found[0]["bytes"] == 12
        states[-1] = states[-2]
        with pytest.raises(VectorsWouldBeLost):
            apply(AlterField("Changing", "embedding", BitField(3, null=True)))
        DeleteModel("Changing").database_forwards("tests", database.connection, states[-1], ProjectState())
