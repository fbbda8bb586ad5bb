"""The built site: what people search for leads to the page about it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What people type, and the page that answers.
TERMS = {
    "backfill": "howto/embeddings/",
    "benchmark": "benchmarks/",
    "BM25": "reference/hybrid/",
    "bulk insert": "reference/bulk/",
    "connection pool": "howto/deploy/",
    "cosine distance": "reference/distances/",
    "deduplication": "howto/search/",
    "deploy": "howto/deploy/",
    "DiskANN": "reference/indexes/",
    "FastAPI": "howto/fastapi/",
    "filtered search": "howto/filtered-search/",
    "full-text search": "howto/hybrid-search/",
    "glossary": "reference/glossary/",
    "HNSW": "howto/indexes/",
    "hybrid search": "howto/hybrid-search/",
    "k-NN": "howto/search/",
    "LangChain": "howto/langchain/",
    "logging": "howto/logging-and-telemetry/",
    "multi-tenant": "howto/multi-tenant/",
    "nearest neighbor": "howto/search/",
    "OpenTelemetry": "howto/logging-and-telemetry/",
    "outlier detection": "howto/search/",
    "pagination": "howto/pagination/",
    "pandas": "howto/dataframes-and-notebooks/",
    "production": "howto/deploy/",
    "quantization": "howto/indexes/",
    "recall": "reference/diagnostics/",
    "rerank": "howto/search/",
    "semantic search": "howto/search/",
    "similarity threshold": "howto/search/",
    "sync and async": "reference/querysets/",
    "testing": "howto/test-your-app/",
    "troubleshooting": "howto/troubleshooting/",
}


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The sections of the site's search index: their location, title and text."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    built = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    found: list[dict[str, str]] = json.loads((site / "search/search_index.json").read_text())["docs"]
    return found


@pytest.mark.parametrize("term", TERMS)
def test_a_term_leads_to_its_page(term: str, sections: list[dict[str, str]]) -> None:
    """Some title or text of the page has the words as people type them."""
    page = [section for section in sections if section["location"].partition("#")[0] == TERMS[term]]
    assert page, f"the site has no page {TERMS[term]}"
    spelled = re.compile(rf"\b{re.escape(term)}", re.IGNORECASE)
    assert any(spelled.search(f"{section['title']}\n{section['text']}") for section in page)


@pytest.mark.parametrize("term", TERMS)
def test_a_title_has_the_term(term: str, sections: list[dict[str, str]]) -> None:
    """Titles count most in the search of the site, so that the first results are about the term."""
    spelled = re.compile(rf"\b{re.escape(term)}", re.IGNORECASE)
    assert any(spelled.search(section["title"]) for section in sections)
