"""One table: a Debian package, and where the meaning of its summary lies."""

from __future__ import annotations

import dorm

from dorm_vector import HnswIndex, VectorField

EMBEDDING_INDEX = "package_embedding_hnsw"


class Package(dorm.Model):
    """A package of Debian 12; its embedding is that of the text `"{name}: {summary}"`."""

    name = dorm.CharField(max_length=100, unique=True)
    section = dorm.CharField(max_length=40)
    installed_size_kib = dorm.IntegerField()
    summary = dorm.TextField()
    embedding = VectorField(dimensions=384)

    class Meta:
        app_label = "packages"
        indexes = [
            HnswIndex(fields=["embedding"], name=EMBEDDING_INDEX, opclass="vector_cosine_ops"),
            # With it, PostgreSQL measures all of a section; an HNSW index filters the 40 that it found.
            dorm.Index(fields=["section"], name="package_section"),
        ]
