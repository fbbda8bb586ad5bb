"""Models that documents are stored in, and what embeds their text."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import dorm
import pytest

from dorm_vector import EmbeddingField, VectorField
from dorm_vector.models.fields import TextKeyField
from tests.databases import Database, create_tables
from tests.models import Author

WORDS = ("cholera", "dengue", "measles", "school", "delta", "capital")
TEXTS = [
    "cholera in the delta",
    "dengue in the capital",
    "measles at school",
    "cholera at school and school",
    "cholera cholera",
]
METADATA: list[dict[str, Any]] = [{"source": "ministry", "pages": at, "year": 2020 + at} for at in range(len(TEXTS))]


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return how often each word is in a text."""
    return [[float(len(re.findall(word, text.lower()))) for word in WORDS] for text in texts]


def vector_of(text: str) -> list[float]:
    return embed([text])[0]


def cosine_distance(left: Sequence[float], right: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return 1 - product / math.sqrt(sum(a * a for a in left) * sum(b * b for b in right))


def by_distance(question: str) -> list[tuple[str, float]]:
    """Return the texts and their distances from the question, nearest first."""
    found = [(text, cosine_distance(vector_of(text), vector_of(question))) for text in TEXTS]
    return sorted(found, key=lambda each: each[1])


class Leaflet(dorm.Model):
    """A model with a key of numbers, without JSON, that embeds by itself."""

    text = dorm.TextField()
    topic = dorm.CharField(max_length=30, null=True)
    owner = dorm.CharField(max_length=30, default="nobody")
    embedding = EmbeddingField(len(WORDS), source="text", embedder=embed)


class Sheet(dorm.Model):
    """A model whose primary key is a UUID that it makes itself."""

    id = dorm.UUIDField(primary_key=True, default=uuid.uuid4)
    text = dorm.TextField()
    metadata = dorm.JSONField(default=dict)
    embedding = VectorField(len(WORDS))


class Entry(dorm.Model):
    """A model whose primary key is a text."""

    name = TextKeyField(max_length=60, primary_key=True)
    text = dorm.TextField()
    # Else deleting an author asks for a table that only these tests have.
    author = dorm.ForeignKey(Author, on_delete=dorm.DO_NOTHING, null=True)
    embedding = VectorField(len(WORDS))


@pytest.fixture
def keyed(db: Database) -> Iterator[None]:
    create_tables(db.connection, (Sheet, Entry))
    yield
    db.use()
    for model in (Sheet, Entry):
        db.connection.execute_write(f'DELETE FROM "{model._meta.db_table}"')


@pytest.fixture
def leaflets(db: Database) -> None:
    create_tables(db.connection, (Leaflet,))
    db.connection.execute_write(f'DELETE FROM "{Leaflet._meta.db_table}"')
