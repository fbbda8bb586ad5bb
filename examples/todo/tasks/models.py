"""One table: tasks, each with the embedding of its text."""

from __future__ import annotations

from typing import ClassVar

import dorm

from dorm_vector import EmbeddingField, HnswIndex, VectorManager
from examples.todo.embedding import DIMENSIONS, EMBEDDER


class Task(dorm.Model):
    """Something to do; saving it with another text embeds that."""

    text = dorm.CharField(max_length=300)
    done = dorm.BooleanField(default=False)
    embedding = EmbeddingField(DIMENSIONS, source="text", embedder=EMBEDDER)

    objects: ClassVar[VectorManager[Task]] = VectorManager()  # for type checkers

    class Meta:
        app_label = "tasks"
        indexes = [HnswIndex(fields=["embedding"], name="task_embedding", distance="cosine")]
