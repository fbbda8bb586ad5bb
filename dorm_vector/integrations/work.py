"""The steps of a store that are no query, and how steps are taken, sync and async."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from ..djanorm.steps import Step, Steps, arun, run
from ..embedders import Embedder
from ..hybrid import ahybrid_search, atext_search, hybrid_search, text_search

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class EmbedDocuments(Step):
    """Embed texts."""

    embedder: Embedder
    texts: list[str]

    def run(self, wrapper: Any) -> Any:
        return self.embedder.embed_documents(self.texts)

    async def arun(self, wrapper: Any) -> Any:
        return await self.embedder.aembed_documents(self.texts)


@dataclass(frozen=True)
class SearchBoth(Step):
    """Search a queryset by words and by a vector."""

    queryset: Any
    options: dict[str, Any]

    def run(self, wrapper: Any) -> list[Any]:
        return hybrid_search(self.queryset, **self.options)

    async def arun(self, wrapper: Any) -> list[Any]:
        return await ahybrid_search(self.queryset, **self.options)


@dataclass(frozen=True)
class SearchText(Step):
    """Search a queryset by words."""

    queryset: Any
    options: dict[str, Any]

    def run(self, wrapper: Any) -> list[Any]:
        return text_search(self.queryset, **self.options)

    async def arun(self, wrapper: Any) -> list[Any]:
        return await atext_search(self.queryset, **self.options)


@dataclass(frozen=True)
class EmbedQuery(Step):
    """Embed a question."""

    embedder: Embedder
    text: str

    def run(self, wrapper: Any) -> Any:
        return self.embedder.embed_query(self.text)

    async def arun(self, wrapper: Any) -> Any:
        return await self.embedder.aembed_query(self.text)


def done(steps: Steps[_Result]) -> _Result:
    """Take the steps, and return what they return."""
    return run(None, steps)


async def adone(steps: Steps[_Result]) -> _Result:
    """Take the steps, waiting for each."""
    return await arun(None, steps)
