"""Measure retrieval quality: python -m benchmarks.quality [--backend NAME] [--data DIR] [--out DIR].

The databases are measured one after another. The page and the JSON are written after each; ``--keep`` keeps what an
earlier run wrote of other databases.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import backends
from benchmarks import bare, machine
from benchmarks.quality import page
from benchmarks.quality.corpora import CORPORA, SEED, Corpus, corpora
from benchmarks.quality.measures import Fusion, Rrf, Weighted, ndcg, recall
from benchmarks.quality.searching import Rankings, rankings

ORDER = ("postgresql", "sqlite", "turso", "libsql", "mariadb", "mysql")
FUSIONS: tuple[Rrf | Weighted, ...] = (
    *(Rrf(constant) for constant in (1, 5, 10, 20, 40, 60, 100)),
    *(Rrf(60, 1, vector) for vector in (0.5, 2, 3, 5)),
    *(Rrf(10, 1, vector) for vector in (2, 3, 5)),
    *(Weighted(1, vector) for vector in (0.5, 1, 2, 3, 5, 9)),
)


def main() -> None:
    options = _parsed()
    chosen = corpora(options.data, options.corpus or CORPORA)
    if not chosen:
        raise SystemExit("There is no corpus: give --data, or install what the page names.")
    kept = json.loads((options.out / "quality.json").read_text()) if options.keep else {"results": {}}
    results: dict[str, Any] = kept["results"]
    described = kept.get("corpora", {}) | {
        each.title: {"documents": len(each.texts), "queries": len(each.queries), "about": each.about} for each in chosen
    }
    for name in options.backend or ORDER:
        backend = backends.get(name)
        with backend.start() as running:
            for corpus in chosen:
                found = rankings(running, corpus)
                server = found.server if found.server.startswith(backend.title) else f"{backend.title} {found.server}"
                measured = {"title": backend.title, "server": server, **_measured(corpus, found)}
                results.setdefault(corpus.title, {})[name] = measured
                print(
                    backend.title,
                    corpus.title,
                    {key: measured[key] for key in ("full-text", "vector", "rrf")},
                    flush=True,
                )
        about = {
            "date": datetime.now(UTC).date().isoformat(),
            "commits": _commits(kept),
            "seed": str(SEED),
            **{package: version(package) for package in ("dorm-vector", "djanorm", "numpy")},
        }
        written = {"about": about, "corpora": described, "results": results}
        (options.out / "quality.json").write_text(json.dumps(written, indent=1) + "\n")
        (options.out / "quality.md").write_text(page.document(about, described, results))


def _commits(kept: dict[str, Any]) -> str:
    """Return the commits that the results were measured at, those of kept results first."""
    earlier = kept.get("about", {}).get("commits", "").split(", ")
    return ", ".join(dict.fromkeys(each for each in (*earlier, machine.commit()) if each))


def _measured(corpus: Corpus, found: Rankings) -> dict[str, Any]:
    def keys(ranked: Any) -> list[int]:
        return [key for key, _score in ranked]

    default = _fused(Rrf(), found)
    fusions = {}
    for fusion in FUSIONS:
        fused = _fused(fusion, found)
        differences = [new - old for new, old in zip(_ndcgs(corpus, fused), _ndcgs(corpus, default), strict=True)]
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        fusions[str(fusion)] = {
            **_judged(corpus, fused),
            "difference": statistics.fmean(differences),
            "error": error,
        }
    return {
        "full-text": _judged(corpus, [keys(ranked) for ranked in found.words]),
        "vector": _judged(corpus, [keys(ranked) for ranked in found.near]),
        "rrf": _judged(corpus, default),
        "weighted": _judged(corpus, _fused(Weighted(), found)),
        "fusions": fusions,
    }


def _fused(fusion: Fusion, found: Rankings) -> list[list[int]]:
    return [fusion(words, near) for words, near in zip(found.words, found.near, strict=True)]


def _ndcgs(corpus: Corpus, found: Sequence[Sequence[int]]) -> list[float]:
    return [ndcg(keys, query.gains) for keys, query in zip(found, corpus.queries, strict=True)]


def _judged(corpus: Corpus, found: Sequence[Sequence[int]]) -> dict[str, float]:
    recalls = [recall(keys, query.gains) for keys, query in zip(found, corpus.queries, strict=True)]
    known = [each for each in recalls if each is not None]
    return {"ndcg": statistics.fmean(_ndcgs(corpus, found)), "recall": statistics.fmean(known)}


def _parsed() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    made.add_argument("--backend", action="append", choices=bare.names(), help="repeatable; all of them")
    made.add_argument("--corpus", action="append", choices=CORPORA, help="repeatable; all of them")
    made.add_argument("--data", type=Path, help="folder with packages.tsv, embeddings.npy, queries.txt and queries.npy")
    made.add_argument("--out", type=Path, default=Path("docs"), help="where the JSON and the page are written")
    made.add_argument("--keep", action="store_true", help="keep what an earlier run wrote there of other databases")
    return made.parse_args()


if __name__ == "__main__":
    main()
