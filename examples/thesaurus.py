"""A text to a vector, without a model to fetch: words that mean the same share a direction.

It stands in for a real model, so that the examples run anywhere; a thesaurus is all that it knows. Put
``as_embedder("all-MiniLM-L6-v2")``, and 384, in its place, and nothing else changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 64
_WORDS = re.compile(r"\b[a-z]{2,}(?:-[a-z]+)?\b")
_IGNORED = frozenset(re.findall(r"\w+", "a an and are at by for from has in is it of on or the their to was were with"))


class ThesaurusEmbedder:
    """Embed a text as the unit sum of the directions of its words; an Embedder of dorm_vector.

    Each line of ``thesaurus`` holds words of one meaning; ``name`` changes with it, so that old vectors are known.
    """

    dimensions = DIMENSIONS

    def __init__(self, name: str, thesaurus: str) -> None:
        self.name = name
        groups = [line.split() for line in thesaurus.strip().splitlines()]
        self.concepts = {word: group[0] for group in groups for word in group}

    def embed_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> NDArray[np.float32]:
        words = [word for word in _WORDS.findall(text.lower()) if word not in _IGNORED]
        total = np.sum([self._direction(word) for word in words] or [_direction(text)], axis=0)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)

    async def aembed_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> NDArray[np.float32]:
        return self.embed_query(text)

    def _direction(self, word: str) -> NDArray[np.float64]:
        # A word of the thesaurus says what a text is about; one that it does not know, hardly.
        return _direction(self.concepts[word]) if word in self.concepts else 0.25 * _direction(word)


@cache
def _direction(word: str) -> NDArray[np.float64]:
    """Return the direction of a word: the same in every run, and nearly at right angles to any other."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    direction = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return np.asarray(direction / np.linalg.norm(direction))
