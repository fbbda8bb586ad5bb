"""Repairs of djanorm's side modules, and the bug that comes back without each."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from dorm import inspect, serialize
from dorm.contrib.pydantic import schema_for

import backends
from tests.databases import Database, create_tables
from tests.helpers.project import ROOT
from tests.models import Chunk, Document


def test_vectors_in_fixtures() -> None:
    read, never_read = Chunk(embedding=np.ones(3)), Document(title="a", embedding=[1, 1, 1])
    assert read.embedding is not None
    assert json.loads(serialize.dumps([[read]]))[0]["fields"]["embedding"] == [1, 1, 1]
    assert json.loads(serialize.dumps([[never_read]]))[0]["fields"]["embedding"] == [1, 1, 1]


def test_vectors_in_schemas() -> None:
    chunk = Chunk(embedding=np.ones(3))
    dumped = schema_for(Chunk, only=("embedding",)).model_validate(chunk).model_dump_json()
    assert json.loads(dumped) == {"embedding": [1, 1, 1]}
    schema = schema_for(Chunk, only=("embedding",)).model_json_schema()["properties"]["embedding"]
    assert '"type": "array"' in json.dumps(schema)


def test_inspect_vectors() -> None:
    with backends.get("turso").start() as running:
        database = Database(running, running.new_database())
        database.use()
        create_tables(database.connection)

        def source() -> str:
            return inspect.render_models(inspect.introspect_tables(database.connection))

        assert "other_vector = dorm_vector.VectorField(dimensions=3, null=True)" in source()


@pytest.mark.parametrize("first", ["dorm_vector", "dorm.contrib.pydantic"])
def test_a_module_is_repaired_whenever_it_is_imported(first: str) -> None:
    program = (
        f"import {first}, sys\n"
        "print('dorm.contrib.pydantic' in sys.modules)\n"
        "import dorm_vector, dorm.contrib.pydantic as schemas\n"
        "import inspect\n"
        "print(schemas._base_type_for.dorm_vector_patch, schemas.__spec__.name, len(inspect.getsource(schemas)) > 1)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    imported, rest = run.stdout.splitlines()
    assert imported == str(first != "dorm_vector")
    assert rest == "vectors_in_schemas dorm.contrib.pydantic True"
