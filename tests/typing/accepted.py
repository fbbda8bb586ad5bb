"""What a user writes and `mypy --strict` has to accept; it is checked, never run."""

from __future__ import annotations

from array import array
from typing import assert_type

import dorm
import numpy as np

from dorm_vector import (
    CosineDistance,
    L2Distance,
    MaxInnerProduct,
    TextIndex,
    VectorExtension,
    VectorField,
    VectorManager,
    ahybrid_search,
    as_vector,
    hybrid_search,
)


class Document(dorm.Model):
    title = dorm.CharField(max_length=80)
    embedding = VectorField(dimensions=3)

    class Meta:
        indexes = [TextIndex(fields=["title"], name="document_words", language="german")]


class Draft(dorm.Model):
    embedding = VectorField(dimensions=3, null=True, as_numpy=True)

    objects = VectorManager()


def search(question: list[float]) -> list[str]:
    nearest = Document.objects.annotate(distance=CosineDistance("embedding", question)).order_by("distance")
    return [document.title for document in nearest.filter(distance__lt=0.5)[:10]]


def search_drafts(question: list[float]) -> list[Draft]:
    return list(Draft.objects.order_by(L2Distance("embedding", question))[:10])


async def search_any_queryset(question: list[float]) -> list[Document]:
    documents = as_vector(Document.objects.exclude(title=""))
    return [document async for document in documents.order_by(L2Distance("embedding", question))]


async def by_words_and_meaning(question: list[float]) -> list[str]:
    weights = {"text": 0.3, "vector": 0.7}
    found = hybrid_search(Document.objects, text="a word", vector=question, fusion="weighted", weights=weights)
    later = await ahybrid_search(Document.objects.filter(title="x"), text="a word", vector=question, limit=3)
    return [document.title for document in (*found, *later)]


def question_forms() -> list[object]:
    return [
        MaxInnerProduct("embedding", (1, 2, 3)),
        MaxInnerProduct("embedding", array("f", [1, 2, 3])),
        MaxInnerProduct("embedding", np.zeros(3)),
        MaxInnerProduct("embedding", dorm.F("other")),
        MaxInnerProduct("document__embedding", [1.0, 2.0, 3.0]),
        1 - CosineDistance("embedding", [1.0, 2.0, 3.0]),
    ]


def one(document: Document) -> str:
    assert_type(document.title, str)
    return document.title


operations = [VectorExtension()]
