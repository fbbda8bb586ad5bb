"""The answer to a question, from the rows that LlamaIndex retrieves of our own model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llama_index.core import PromptTemplate, VectorStoreIndex
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from dorm_vector.integrations.llama_index import DormVectorStore
from examples.rag_over_own_models.embedding import WORD
from examples.rag_over_own_models.manual.models import Section

PROMPT = PromptTemplate("{query_str}\n\n{context_str}")
METADATA = ("area", "heading")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
LONG_ENOUGH = 3


class Extract(CustomLLM):
    """Answer with sentences of the context: a stand-in for a language model that needs no download and no key."""

    sentences: int = 2

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=100_000, num_output=500, model_name="extract")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        question, _, context = prompt.partition("\n\n")
        return CompletionResponse(text=" ".join(most_alike(question, context)[: self.sentences]))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield self.complete(prompt, formatted, **kwargs)


def most_alike(question: str, context: str) -> list[str]:
    """Return the sentences of a context by how many of the question's words they have, the most first."""
    asked = stems(question)
    found = [sentence for sentence in SENTENCE_END.split(context) if is_prose(sentence)]
    return sorted(dict.fromkeys(found), key=lambda sentence: -len(asked & stems(sentence)))


def is_prose(sentence: str) -> bool:
    # LlamaIndex puts the metadata of each node before its text.
    return len(sentence.split()) >= LONG_ENOUGH and not sentence.startswith(tuple(f"{name}: " for name in METADATA))


def stems(text: str) -> set[str]:
    return {word[:5] for word in WORD.findall(text.lower()) if len(word) >= LONG_ENOUGH}


@dataclass(frozen=True)
class Source:
    """A row that the answer is from."""

    section: Section
    similarity: float

    def __str__(self) -> str:
        return f"{self.section.page.path}: {self.section.heading}"


def ask(question: str, *, area: str | None = None, mode: str = "hybrid", limit: int = 3) -> tuple[str, list[Source]]:
    """Return the answer and its sources, best first."""
    response = query_engine(area, mode, limit).query(question)
    return str(response), list(sources(response.source_nodes))


def query_engine(area: str | None, mode: str, limit: int) -> Any:
    store = DormVectorStore(Section, metadata_columns=METADATA)
    index = VectorStoreIndex.from_vector_store(store, embed_model=store.embed_model)
    filters = MetadataFilters(filters=[MetadataFilter(key="area", value=area)]) if area else None
    return index.as_query_engine(
        llm=Extract(),
        text_qa_template=PROMPT,
        filters=filters,
        vector_store_query_mode=mode,
        similarity_top_k=limit,
    )


def sources(nodes: list[Any]) -> Iterator[Source]:
    """Yield the rows behind the nodes: a node's id is the row's key."""
    rows = {str(row.pk): row for row in Section.objects.filter(pk__in=[int(found.node_id) for found in nodes])}
    for found in nodes:
        yield Source(rows[found.node_id], found.score)
