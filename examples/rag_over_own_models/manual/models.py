"""A manual of Markdown pages, and their sections, which embed themselves."""

from __future__ import annotations

import dorm

from dorm_vector import EmbeddingField, HnswIndex, TextIndex
from examples.rag_over_own_models.embedding import DIMENSIONS, embed


class Page(dorm.Model):
    """A file of the manual."""

    path = dorm.CharField(max_length=200, unique=True)
    area = dorm.CharField(max_length=40)

    class Meta:
        app_label = "manual"


class Section(dorm.Model):
    """What stands below one heading."""

    page = dorm.ForeignKey(Page, on_delete=dorm.CASCADE, related_name="sections")
    area = dorm.CharField(max_length=40)
    heading = dorm.CharField(max_length=200)
    body = dorm.TextField()
    embedding = EmbeddingField(DIMENSIONS, source=("heading", "body"), embedder=embed)

    class Meta:
        app_label = "manual"
        indexes = [
            HnswIndex(fields=["embedding"], name="section_embedding", distance="cosine"),
            TextIndex(fields=["heading", "body"], name="section_words", language="english"),
        ]
