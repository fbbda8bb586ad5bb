"""contrib.streaming, contrib.serializers and contrib.pydantic: vectors as numbers, embeddings made by the server."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pydantic
import pytest
from dorm.contrib import serializers, streaming
from dorm.contrib.pydantic import create_schema_for, schema_for, update_schema_for

from dorm_vector import BitField, EmbeddingField, SparseVector, SparseVectorField, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, is_of


class ExportedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    vector = VectorField(3, null=True)
    array = VectorField(1_500, as_numpy=True)
    sparse = SparseVectorField(4)
    bits = BitField(3)

    class Meta:
        app_label = "tests"


class EmbeddedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(WORDS.dimensions, source="title", embedder=WORDS)

    class Meta:
        app_label = "tests"


LONG = [number / 8 for number in range(1_500)]
EXPECTED = {"title": "a", "vector": [1, 2, 3], "array": LONG, "sparse": "{1:2.0}/4", "bits": "101"}


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (ExportedDoc, EmbeddedDoc))
    sparse = SparseVector([2, 0, 0, 0])
    ExportedDoc.objects.create(title="a", vector=[1, 2, 3], array=np.array(LONG), sparse=sparse, bits="101")
    yield db
    drop_table(db, ExportedDoc)
    drop_table(db, EmbeddedDoc)


def exported(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    return {name: row[name] for name in EXPECTED}


async def test_json_lines(tables: Database) -> None:
    rows, values = ExportedDoc.objects.all(), ExportedDoc.objects.values(*EXPECTED)
    for source in (rows, values, list(rows)):
        assert [exported(line) for line in streaming.stream_jsonl(source)] == [EXPECTED]
        (row,) = json.loads(b"".join(streaming.stream_json(source)))
        assert row["array"] == LONG
    assert [exported(line) async for line in streaming.astream_jsonl(rows)] == [EXPECTED]
    # An instance that was never read back.
    made = ExportedDoc(title="a", vector=[1, 2, 3], array=LONG, sparse=[2, 0, 0, 0], bits="101")
    assert [exported(line) for line in streaming.stream_jsonl([made])] == [EXPECTED]


async def test_csv(tables: Database) -> None:
    columns = list(EXPECTED)
    chunks = [b"".join(streaming.stream_csv(ExportedDoc.objects.all(), columns=columns))]
    chunks.append(b"".join([part async for part in streaming.astream_csv(ExportedDoc.objects.all(), columns=columns)]))
    for data in chunks:
        (row,) = csv.DictReader(io.StringIO(data.decode()))
        assert json.loads(row["array"]) == LONG
        assert json.loads(row["vector"]) == [1, 2, 3]
        assert (row["sparse"], row["bits"]) == ("{1:2.0}/4", "101")


def test_schemas_describe_arrays(tables: Database) -> None:
    properties = serializers.openapi_schema_for(ExportedDoc)["properties"]
    assert properties["vector"] == {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
    assert properties["sparse"]["type"] == properties["bits"]["type"] == "string"
    types = {field["name"]: field["type"] for field in serializers.avro_schema_for(ExportedDoc)["fields"]}
    assert types["array"] == {"type": "array", "items": "float"}
    assert types["vector"] == ["null", {"type": "array", "items": "float"}]
    assert types["sparse"] == "string"


def test_a_request_needs_no_embedding_and_gives_no_hash(tables: Database) -> None:
    create, update = create_schema_for(EmbeddedDoc), update_schema_for(EmbeddedDoc)
    assert set(create.model_fields) == set(update.model_fields) == {"title", "embedding"}
    asked = create.model_validate({"title": "a", "embedding_hash": EmbeddedDoc.embedding.hash("a")})
    made = EmbeddedDoc.objects.create(**asked.model_dump())
    assert is_of(made, "a")
    change = update.model_validate({"title": "b"}).model_dump(exclude_unset=True)
    for name, value in change.items():
        setattr(made, name, value)
    made.save()
    assert is_of(made, "b")
    assert "embedding_hash" in schema_for(EmbeddedDoc).model_fields
    with pytest.raises(pydantic.ValidationError):
        create.model_validate({"title": "a", "embedding": [1, 2]})


def test_a_row_whose_text_will_be_embedded_is_clean(tables: Database) -> None:
    document = EmbeddedDoc(title="a")
    document.full_clean()
    document.save()
    document.full_clean()
    with pytest.raises(dorm.ValidationError, match="embedding"):
        EmbeddedDoc(title="").full_clean()
