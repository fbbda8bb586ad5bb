"""A column of rows that becomes one of another element type: its numbers are converted, or the change is refused."""

from __future__ import annotations

from typing import Any

import dorm
import numpy as np
import pytest
from dorm.fields import CompositePrimaryKey
from dorm.migrations.operations import AlterField, CreateModel, DeleteModel
from dorm.migrations.state import ProjectState

from dorm_vector import BitField, HalfVectorField, SparseVectorField, VectorField, VectorsWouldBeLost
from tests.databases import Database

FIELDS: dict[str, Any] = {
    "full": lambda: VectorField(3, null=True),
    "half": lambda: HalfVectorField(3, null=True),
    "sparse": lambda: SparseVectorField(3, null=True),
    "bits": lambda: BitField(3, null=True),
}
STORED: dict[str, list[list[float]]] = {
    "full": [[0.1, 1 / 3, 2049], [1, -2, 3]],
    "half": [[0.25, 0.5, 7], [1, -2, 3]],
    "sparse": [[0, 1.1, 0], [0, 0, 3]],
    "bits": [[1, 0, 1], [0, 0, 1]],
}


def model_with(name: str, kind: str, key: dict[str, Any]) -> Any:
    meta = type("Meta", (), {"app_label": "tests", "db_table": name.lower()})
    return type(name, (dorm.Model,), {"__module__": __name__, **key, "embedding": FIELDS[kind](), "Meta": meta})


def numbers(value: Any) -> Any:
    return value.to_list() if hasattr(value, "to_list") else value


def changed(database: Database, before: str, after: str, key: dict[str, Any]) -> list[Any]:
    """Return the stored vectors after the change, and how many rows are found by each."""
    # A table for each change, because psycopg has prepared statements of tables that are gone.
    name = f"ElementChange{len(key)}{before}{after}"
    connection, states = database.connection, [ProjectState(), ProjectState(), ProjectState()]
    create = CreateModel(name, [*key.items(), ("embedding", FIELDS[before]())], {"db_table": name.lower()})
    alter = AlterField(name, "embedding", FIELDS[after]())
    create.state_forwards("tests", states[1])
    create.state_forwards("tests", states[2])
    alter.state_forwards("tests", states[2])
    create.database_forwards("tests", connection, states[0], states[1])
    try:
        rows: Any = model_with(name, before, key).objects
        for number, vector in enumerate([*STORED[before], None]):
            rows.create(**dict.fromkeys(list(key)[:2], number), embedding=vector)
        alter.database_forwards("tests", connection, states[1], states[2])
        rows = model_with(name, after, key).objects
        read = [numbers(row.embedding) for row in rows.order_by(next(iter(key)))]
        return [*read, *(rows.filter(embedding=vector).count() for vector in STORED[before])]
    finally:
        DeleteModel(name).database_forwards("tests", connection, states[1], states[0])


def test_stored_numbers_are_converted(db: Database) -> None:
    for before, stored in STORED.items():
        for after in FIELDS:
            key = {"id": dorm.IntegerField(primary_key=True)}
            if before == after:
                continue
            if "bits" in (before, after):
                with pytest.raises(VectorsWouldBeLost, match="Nothing was changed"):
                    changed(db, before, after, key)
            else:
                rounded = np.array(stored, "f2" if after == "half" else "f4").astype("f4").tolist()
                assert changed(db, before, after, key) == [*rounded, None, 1, 1], (before, after)


def test_rows_with_keys_of_two_columns_are_converted(db: Database) -> None:
    key = {"hall": dorm.IntegerField(), "seat": dorm.IntegerField(), "pk": CompositePrimaryKey("hall", "seat")}
    rounded = np.array(STORED["full"], "f2").astype("f4").tolist()
    assert changed(db, "full", "half", key) == [*rounded, None, 1, 1]
