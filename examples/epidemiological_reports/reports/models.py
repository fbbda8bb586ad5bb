"""One table: a report of an outbreak, with the index of its words and the index of its meaning."""

from __future__ import annotations

import dorm

from dorm_vector import EmbeddingField, HnswIndex, TextIndex
from examples.epidemiological_reports.embedding import DIMENSIONS, EMBEDDER


class Report(dorm.Model):
    """A report; its embedding is that of its title and text, and keeps itself."""

    code = dorm.CharField(max_length=20, unique=True)
    disease = dorm.CharField(max_length=40)
    region = dorm.CharField(max_length=40)
    reported_on = dorm.DateField()
    cases = dorm.IntegerField()
    title = dorm.CharField(max_length=120)
    text = dorm.TextField()
    embedding = EmbeddingField(DIMENSIONS, source=["title", "text"], embedder=EMBEDDER)

    class Meta:
        app_label = "reports"
        indexes = [
            TextIndex(fields=["title", "text"], name="report_words"),
            HnswIndex(fields=["embedding"], name="report_embedding", distance="cosine"),
            dorm.Index(fields=["disease", "region", "reported_on"], name="report_structure"),
        ]
