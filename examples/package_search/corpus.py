"""The files of `data/`: packages, questions, their embeddings, and the exact neighbours of each question."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
COLUMNS = ("name", "section", "installed_size_kib", "summary")


@dataclass(frozen=True)
class Corpus:
    """Row i of `rows`, COLUMNS wide, is embedded by row i of `embeddings`, unit length but for rounding."""

    rows: list[list[str]]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True)
class Questions:
    """Row i of each array belongs to question i; `neighbors` are rows of the corpus, nearest first."""

    texts: list[str]
    embeddings: NDArray[np.float32]
    neighbors: NDArray[np.int32]
    distances: NDArray[np.float32]


def corpus(folder: Path = DATA) -> Corpus:
    with (folder / "packages.tsv").open(encoding="utf-8", newline="") as lines:
        _header, *rows = csv.reader(lines, dialect="excel-tab")
    return Corpus(rows, vectors(folder / "embeddings.npy"))


def questions(folder: Path = DATA) -> Questions:
    return Questions(
        (folder / "queries.txt").read_text(encoding="utf-8").splitlines(),
        vectors(folder / "queries.npy"),
        np.load(folder / "neighbors_cosine_ids.npy"),
        np.load(folder / "neighbors_cosine_distances.npy"),
    )


def vectors(path: Path) -> NDArray[np.float32]:
    """Read float16, which is what the files hold to be small, as the float32 that a VectorField stores."""
    return np.asarray(np.load(path), dtype=np.float32)
