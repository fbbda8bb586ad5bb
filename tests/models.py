"""The models of the conformance suite."""

from __future__ import annotations

import dorm

from dorm_vector import BitField, HalfVectorField, HnswIndex, SparseVectorField, TextIndex, VectorField
from dorm_vector.models.fields import TextKeyField

DIMENSIONS = 3


class Author(dorm.Model):
    name = dorm.CharField(max_length=50)


class Document(dorm.Model):
    title = dorm.CharField(max_length=50)
    pages = dorm.IntegerField(default=1)
    author = dorm.ForeignKey(Author, on_delete=dorm.CASCADE, null=True, related_name="documents")
    embedding = VectorField(dimensions=DIMENSIONS, null=True)
    other = VectorField(dimensions=DIMENSIONS, null=True, db_column="other_vector")

    class Meta:
        ordering = ["id"]


class Chunk(dorm.Model):
    document = dorm.ForeignKey(Document, on_delete=dorm.CASCADE, related_name="chunks")
    embedding = VectorField(dimensions=DIMENSIONS, as_numpy=True)


class Package(dorm.Model):
    """Enough dimensions, and an index, for searches that a plan can serve."""

    section = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=16)

    class Meta:
        indexes = [HnswIndex(fields=["embedding"], name="package_embedding_hnsw", distance="cosine")]


class Sample(dorm.Model):
    """A column of every element type."""

    title = dorm.CharField(max_length=50)
    full = VectorField(dimensions=DIMENSIONS, null=True)
    half = HalfVectorField(dimensions=DIMENSIONS, null=True)
    sparse = SparseVectorField(dimensions=DIMENSIONS, null=True)
    bits = BitField(length=DIMENSIONS, null=True)
    unit = VectorField(dimensions=DIMENSIONS, null=True, normalize=True)


class Note(dorm.Model):
    """A document of somebody's own, in columns and in JSON."""

    slug = TextKeyField(max_length=255, unique=True)
    body = dorm.TextField(null=True)
    source = dorm.CharField(max_length=50, null=True)
    pages = dorm.IntegerField(null=True)
    price = dorm.FloatField(null=True)
    urgent = dorm.BooleanField(null=True)
    written = dorm.DateField(null=True)
    labels = dorm.JSONField(null=True)
    metadata = dorm.JSONField(null=True)
    embedding = VectorField(dimensions=6)


class Article(dorm.Model):
    """Texts to search together with the vectors."""

    headline = dorm.CharField(max_length=100, db_column="head")
    body = dorm.TextField(null=True)
    pages = dorm.IntegerField(default=1)
    author = dorm.ForeignKey(Author, on_delete=dorm.CASCADE, null=True, related_name="articles")
    embedding = VectorField(dimensions=DIMENSIONS, null=True)

    class Meta:
        indexes = [TextIndex(fields=["headline", "body"], name="article_words")]


MODELS = (Author, Document, Chunk, Package, Sample, Note, Article)
