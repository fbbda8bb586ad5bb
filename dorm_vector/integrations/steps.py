"""Steps for hybrid search, full-text search and query embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..embeddings.embedders import Embedder
from ..retrieval.hybrid import ahybrid_search, atext_search, hybrid_search, text_search
from ..steps import Step
from ..telemetry.observers import embedding


@dataclass(frozen=True)
class SearchBoth(Step):
    """Run a hybrid search on a queryset."""

    queryset: Any
    options: dict[str, Any]

    def run(self, wrapper: Any) -> list[Any]:
        return hybrid_search(self.queryset, **self.options)

    async def arun(self, wrapper: Any) -> list[Any]:
        return await ahybrid_search(self.queryset, **self.options)


@dataclass(frozen=True)
class SearchText(Step):
    """Run a full-text search on a queryset."""

    queryset: Any
    options: dict[str, Any]

    def run(self, wrapper: Any) -> list[Any]:
        return text_search(self.queryset, **self.options)

    async def arun(self, wrapper: Any) -> list[Any]:
        return await atext_search(self.queryset, **self.options)


@dataclass(frozen=True)
class EmbedQuery(Step):
    """Embed the text of a query."""

    embedder: Embedder
    text: str

    def run(self, wrapper: Any) -> Any:
        with embedding(self.embedder.name, 1):
            return self.embedder.embed_query(self.text)

    async def arun(self, wrapper: Any) -> Any:
        with embedding(self.embedder.name, 1):
            return await self.embedder.aembed_query(self.text)
