"""Query texts; async code embeds them before it compiles the query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from dorm.expressions import Q
from dorm.functions import When
from dorm.query import SQLQuery
from dorm.queryset import QuerySet


class QueryText:
    """A query text, embedded once, when the search first needs its vector."""

    def __init__(self, field: Any, text: str) -> None:
        self.field, self.text = field, text
        self._vector: Any = None

    def vector(self) -> Any:
        if self._vector is None:
            with _observed(self.field.embedder):
                vector = self.field.embedder.embed_query(self.text)
            self._vector = self.field.to_vector(vector)
        return self._vector

    async def aembed(self) -> None:
        if self._vector is None:
            with _observed(self.field.embedder):
                vector = await self.field.embedder.aembed_query(self.text)
            self._vector = self.field.to_vector(vector)


def _observed(embedder: Any) -> AbstractContextManager[None]:
    # Imported late, because a process may only declare models.
    from ..telemetry.observers import embedding

    return embedding(embedder.name, 1)


_PLAIN = (str, bytes, int, float, type(None))
"""Values that hold no text to embed; vectors are bytes."""


def texts_in(part: Any) -> Iterator[Any]:
    """Yield the texts to embed before a part of a query (queryset, condition, expression) can be compiled."""
    if hasattr(part, "aembed"):
        yield part
        return
    for inner in _inside(part):
        yield from texts_in(inner)


def has_texts(part: Any) -> bool:
    return next(texts_in(part), None) is not None


def searches_by_text(query: Any) -> bool:
    """Return whether an annotation of the query is measured from a text."""
    for expression in query.annotations.values():
        is_of_vector = isinstance(getattr(expression, "__dict__", {}).get("vector"), bytes)
        # The usual distance, from a vector, holds nothing else.
        if not is_of_vector and has_texts(expression):
            return True
    return False


def needs_embedding(query: Any) -> bool:
    """Return whether any part of a query has a text to embed."""
    # The usual search has no other part than its distance.
    is_usual = not (query.where_nodes or query.having_nodes or query.ctes or getattr(query, "parts", ()))
    return searches_by_text(query) if is_usual else has_texts(query)


async def embed_texts(part: Any) -> None:
    """Embed the texts in a part of a query, without blocking the event loop."""
    for text in texts_in(part):
        await text.aembed()


def _inside(part: Any) -> Iterable[Any]:
    if isinstance(part, QuerySet):
        return (part._query,)
    if isinstance(part, SQLQuery):
        queries = [*getattr(part, "parts", ()), *(query for _name, query in part.ctes)]
        return *part.annotations.values(), *map(_compared, (*part.where_nodes, *part.having_nodes)), *queries
    if isinstance(part, Q):
        return map(_compared, part.children)
    if isinstance(part, (list, tuple)):
        return part
    if not (isinstance(part, When) or hasattr(part, "as_sql")):
        return ()
    return [value for value in vars(part).values() if not isinstance(value, _PLAIN)]


def _compared(node: Any) -> Any:
    """Return the value of a condition, or None for a list of values, which may be long and contains no search."""
    value = node[-1] if isinstance(node, tuple) else node
    return None if isinstance(value, (list, tuple)) else value
