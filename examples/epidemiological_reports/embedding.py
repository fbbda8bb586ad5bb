"""A text to a vector, without a model to fetch: words that mean the same share a direction.

It stands in for a real model, so that the example runs anywhere: ``THESAURUS`` is all that it knows. Put
``as_embedder("all-MiniLM-L6-v2")``, and 384, in its place in models.py, and nothing else changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 64
THESAURUS = """
cholera vibrio rice-water
diarrhoea diarrhea stools gastroenteritis dehydration
water wells drinking tap flood flooding sanitation latrines
dengue breakbone
mosquito mosquitoes aedes larvae bites
measles rubeola koplik
rash exanthem spots
vaccine vaccines vaccination unvaccinated immunization immunisation doses
children infants toddlers pupils school schools
influenza flu grippe
cough coughing respiratory breathing pneumonia
fever febrile pyrexia temperature
malaria plasmodium falciparum
nets bednets anopheles spraying
meningitis meningococcal
neck stiffness headache
typhoid salmonella
food meals eating canteen market
death deaths died fatal fatalities
rise rising increase surge more
fall falling decline fewer waning
"""
_WORDS = re.compile(r"\b[a-z]{2,}(?:-[a-z]+)?\b")
_IGNORED = frozenset(re.findall(r"\w+", "a an and are at by for from has in is it of on or the their to was were with"))


class ThesaurusEmbedder:
    """Embed a text as the unit sum of the directions of its words; an Embedder of dorm_vector."""

    name = "thesaurus-1"
    dimensions = DIMENSIONS

    def embed_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> NDArray[np.float32]:
        words = [word for word in _WORDS.findall(text.lower()) if word not in _IGNORED]
        total = np.sum([_direction(_concepts().get(word, word)) for word in words] or [_direction(text)], axis=0)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)

    async def aembed_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> NDArray[np.float32]:
        return self.embed_query(text)


@cache
def _concepts() -> dict[str, str]:
    groups = [line.split() for line in THESAURUS.strip().splitlines()]
    return {word: group[0] for group in groups for word in group}


@cache
def _direction(word: str) -> NDArray[np.float64]:
    """Return the direction of a word: the same in every run, and nearly at right angles to any other."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    # A word of the thesaurus says what a text is about; one that it does not know, hardly.
    weight = 1.0 if word in _concepts() else 0.25
    direction = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return np.asarray(weight * direction / np.linalg.norm(direction))
