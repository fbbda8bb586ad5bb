"""Memos that embed their text, and an embedder that says which text a vector is of."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dorm
import pytest

from dorm_vector import EmbeddingField
from tests.databases import Database, create_tables

DIMENSIONS = 4


class Words:
    """An embedder whose vectors say which text they are of; it counts what it is asked."""

    name = "words-1"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.threads: set[int] = set()
        self.seconds = 0.0
        """How long it takes, for each batch."""

    def vector(self, text: str) -> list[float]:
        return [byte / 255 for byte in hashlib.sha256(f"{self.name} {text}".encode()).digest()[:DIMENSIONS]]

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls.append(list(texts))
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        return [self.vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        return (await self.aembed_documents([text]))[0]


WORDS = Words()


class Memo(dorm.Model):
    title = dorm.CharField(max_length=50)
    body = dorm.TextField(null=True)
    embedding = EmbeddingField(DIMENSIONS, source=["title", "body"], embedder=WORDS, null=True, batch_size=3)

    class Meta:
        app_label = "tests"


@contextmanager
def memo_table(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (Memo,))
    yield database
    database.use()
    database.connection.execute_script('DROP TABLE "tests_memo"')


@contextmanager
def empty_memos(database: Database) -> Iterator[Database]:
    database.use()
    database.connection.execute_write('DELETE FROM "tests_memo"')
    WORDS.calls.clear()
    WORDS.threads.clear()
    yield database
    WORDS.name, WORDS.seconds = "words-1", 0.0


def is_of(note: Any, text: str) -> bool:
    model = type(note)
    stored: Any = model.objects.get(pk=note.pk)
    right: bool = stored.embedding == pytest.approx(WORDS.vector(text))
    return bool(right and stored.embedding_hash == model.embedding.hash(text))


def embedded() -> list[str]:
    texts = [text for call in WORDS.calls for text in call]
    WORDS.calls.clear()
    return texts
