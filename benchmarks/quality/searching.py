"""The rankings of one database for every query of a corpus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import dorm
from dorm.db.connection import get_connection, reset_connections

import backends
from benchmarks import bare
from benchmarks.quality.corpora import Corpus, Query
from benchmarks.quality.measures import COUNT, Ranked
from dorm_vector import TextIndex, VectorField, bulk_load, create_tables, hybrid_search, text_search

CANDIDATES = 50
"""What ``hybrid_search(limit=10)`` takes of each branch."""
COMPARED = 5
"""The queries for which the scores of ``hybrid_search()`` are compared with its formula."""


class Text(dorm.Model):
    """A document of a corpus."""

    body = dorm.TextField()
    embedding = VectorField(dimensions=384)

    class Meta:
        app_label = "quality"
        indexes = [TextIndex(fields=["body"], name="quality_body", language="english")]


@dataclass(frozen=True)
class Rankings:
    """What words and vectors find, for each query, and the version of the server."""

    server: str
    words: list[Ranked]
    near: list[Ranked]


def rankings(running: backends.Running, corpus: Corpus) -> Rankings:
    """Fill a new database with the documents, and search it for each query."""
    settings = running.new_database()
    reset_connections()
    dorm.configure(DATABASES={"default": settings}, INSTALLED_APPS=[], SLOW_QUERY_MS=None)
    create_tables(Text)
    keys = list(range(1, len(corpus.texts) + 1))
    bulk_load(Text, {"id": keys, "body": corpus.texts, "embedding": corpus.vectors})
    if running.name == "postgresql":
        get_connection().execute_script(f'ANALYZE "{Text._meta.db_table}"')
    driver = bare.get(running.name, settings)
    server = driver.version()
    driver.close()
    found = Rankings(server, [_words(query) for query in corpus.queries], [_near(query) for query in corpus.queries])
    for query, near in zip(corpus.queries[:COMPARED], found.near, strict=False):
        _compare(query, [key for key, _distance in near])
    reset_connections()
    running.drop_database(settings)
    return found


def _rows(query: Query) -> Any:
    return Text.objects.all() if query.itself is None else Text.objects.exclude(pk=query.itself)


def _words(query: Query) -> Ranked:
    rows: Any = text_search(_rows(query), text=query.text, limit=CANDIDATES)
    return [(row.pk, row.text_score) for row in rows]


def _near(query: Query) -> Ranked:
    rows = _rows(query).nearest("embedding", query.vector, distance="cosine", exact=True, as_="distance")
    return [(row.pk, -row.distance) for row in rows[:CANDIDATES]]


def _compare(query: Query, near: list[int]) -> None:
    """Raise RuntimeError unless the scores of ``hybrid_search()`` are those of ``Rrf``."""
    rows: Any = hybrid_search(
        _rows(query), text=query.text, vector=query.vector, distance="cosine", exact=True, limit=COUNT
    )
    for row in rows:
        place = near.index(row.pk) + 1 if row.pk in near else None
        score = sum(1 / (60 + rank) for rank in (row.text_rank, place) if rank is not None)
        if row.vector_rank != place or not math.isclose(row.score, score, rel_tol=1e-6):
            raise RuntimeError(f"hybrid_search() gives row {row.pk} {row.score} for {query.text[:60]!r}; want {score}.")
