"""Draw the rows of `data/` from the 40,000 of the full set: python -m examples.package_search.build_data SOURCE.

Seeded, so that the same source gives the same files. Needs the extra `embed`, for the one row that the source lacks.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.package_search.corpus import COLUMNS, DATA, Corpus, Questions, corpus, questions
from examples.package_search.embedding import embed

ROWS = 2_000
QUESTIONS = 20  # the lines of the source's queries.txt that are plain questions; the rest are package summaries
PER_QUESTION = 80  # nearest neighbours of each question; at 100 they would fill the set and leave nothing to chance
SHIPPED_NEIGHBORS = 10
LIKE_VIM = 50
SEED = 12

# "Packages like vim" is an obvious thing to ask, and the draw of the 40,000 missed vim. This is its row in Debian 12.
VIM = ["vim", "editors", "3650", "Vi IMproved - enhanced vi editor"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="the folder with the 40,000 packages")
    build(parser.parse_args().source, DATA)


def build(source: Path, target: Path) -> None:
    full, asked = with_vim(corpus(source)), first_questions(questions(source))
    chosen = choose(full, asked)
    part = Corpus([full.rows[i] for i in chosen], full.embeddings[chosen])
    neighbors = np.searchsorted(chosen, asked.neighbors[:, :SHIPPED_NEIGHBORS]).astype(np.int32)
    distances = asked.distances[:, :SHIPPED_NEIGHBORS]
    check(part, asked.embeddings, neighbors)
    write(target, part, Questions(asked.texts, asked.embeddings, neighbors, distances))


def with_vim(full: Corpus) -> Corpus:
    name, _section, _size, summary = VIM
    vector = embed([f"{name}: {summary}"]).astype(np.float16).astype(np.float32)
    return Corpus([*full.rows, VIM], np.concatenate([full.embeddings, vector]))


def first_questions(every: Questions) -> Questions:
    n = QUESTIONS
    return Questions(every.texts[:n], every.embeddings[:n], every.neighbors[:n], every.distances[:n])


def choose(full: Corpus, asked: Questions) -> NDArray[np.int64]:
    """Return ROWS row numbers of the full set, ascending: what the questions and vim need, then a random fill."""
    vim = len(full.rows) - 1
    wanted = np.union1d(asked.neighbors[:, :PER_QUESTION], nearest(full.embeddings, full.embeddings[vim], LIKE_VIM))
    others = np.setdiff1d(np.arange(vim), wanted)
    fill = np.random.default_rng(SEED).choice(others, ROWS - len(wanted), replace=False)
    return np.union1d(wanted, fill)


def nearest(embeddings: NDArray[np.float32], vector: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
    """Return the row numbers of the nearest by cosine distance, nearest first, computed in float64."""
    exact = embeddings.astype(np.float64)
    cosine = exact @ vector.astype(np.float64) / np.linalg.norm(exact, axis=1)
    return np.argsort(-cosine, kind="stable")[:limit]


def check(part: Corpus, vectors: NDArray[np.float32], neighbors: NDArray[np.int32]) -> None:
    """Refuse to ship neighbours of the full set that are not those of the part as well."""
    for i, vector in enumerate(vectors):
        found = nearest(part.embeddings, vector, SHIPPED_NEIGHBORS)
        if not np.array_equal(found, neighbors[i]):
            raise ValueError(f"Question {i} has other neighbours among the chosen rows: {found}, not {neighbors[i]}.")


def write(folder: Path, part: Corpus, asked: Questions) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "packages.tsv").open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, dialect="excel-tab", lineterminator="\n").writerows([COLUMNS, *part.rows])
    (folder / "queries.txt").write_text("\n".join(asked.texts) + "\n", encoding="utf-8")
    np.save(folder / "embeddings.npy", part.embeddings.astype(np.float16))
    np.save(folder / "queries.npy", asked.embeddings.astype(np.float16))
    np.save(folder / "neighbors_cosine_ids.npy", asked.neighbors)
    np.save(folder / "neighbors_cosine_distances.npy", asked.distances)


if __name__ == "__main__":
    main()
