"""An embedder that needs nothing but numpy: each word, and each run of four letters in it, adds to one dimension."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 512
WORD = re.compile(r"[^\W_]+")
LETTERS = 4


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return n texts as an (n, 512) array of unit vectors, by feature hashing.

    It knows words and not meanings: "vectors" is near "vector", and "car" is not near "automobile". For that, put a
    model in its place: whatever `as_embedder` takes. Source: Weinberger et al., "Feature Hashing for Large Scale
    Multitask Learning", ICML 2009.
    """
    return np.stack([_vector(text) for text in texts])


def _vector(text: str) -> NDArray[np.float32]:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for feature, count in Counter(_features(text)).items():
        # crc32 is the same in every process, which hash() is not.
        code = zlib.crc32(feature.encode())
        vector[code % DIMENSIONS] += math.copysign(math.sqrt(count), (code >> 16) % 2 - 0.5)
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def _features(text: str) -> Iterator[str]:
    for word in WORD.findall(text.lower()):
        yield word
        marked = f"<{word}>"
        yield from (marked[at : at + LETTERS] for at in range(len(marked) - LETTERS + 1))
