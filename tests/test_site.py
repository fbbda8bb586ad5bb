"""The built site: each page can be read in a browser, and what people search for leads to the page about it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import PATIENCE, launched

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
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def sections(site: Path) -> list[dict[str, str]]:
    """The sections of the site's search index: their location, title and text."""
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


# In a browser


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_line: object) -> None:
        """Say nothing of each request."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def locations(site: Path) -> list[str]:
    return sorted(path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))


def opened(browser: Browser, width: int, **options: Any) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
    page.set_default_timeout(PATIENCE)
    return page


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(browser: Browser, address: str, locations: list[str], width: int) -> None:
    page, wide = opened(browser, width), {}
    assert len(locations) > 50
    for location in locations:
        page.goto(f"{address}{location}/", wait_until="domcontentloaded")
        if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
            wide[location] = found
    page.context.close()
    assert wide == {}


def test_the_page_asks_no_other_host(browser: Browser, address: str) -> None:
    page, asked = opened(browser, 1280), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address, wait_until="networkidle")
    page.context.close()
    assert asked
    assert [url for url in asked if not url.startswith(address)] == []


@pytest.mark.parametrize("term", ["pagination", "semantic search", "FastAPI"])
def test_the_search_finds_a_page(browser: Browser, address: str, term: str) -> None:
    page = opened(browser, 1280)
    page.goto(address)
    page.locator(".md-search__input").fill(term)
    page.locator(f".md-search-result__link[href*='{TERMS[term]}']").first.click()
    expect(page).to_have_url(re.compile(TERMS[term]))
    expect(page.locator("h1").first).to_be_visible()
    page.context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_navigation_leads_to_a_page(browser: Browser, address: str, width: int) -> None:
    page = opened(browser, width)
    page.goto(address)
    if width < 1_000:
        page.locator("label.md-header__button[for=__drawer]").click()
    page.locator(".md-sidebar--primary a").filter(has_text="Tutorial").first.click()
    expect(page.locator("h1").first).to_contain_text("Tutorial")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_its_background(browser: Browser, address: str, scheme: Any) -> None:
    """As WCAG measures it for body text: at least 4.5 to 1."""
    page = opened(browser, 1280, color_scheme=scheme)
    page.goto(f"{address}howto/search/")
    expect(page.locator("body")).to_have_attribute(
        "data-md-color-scheme", {"light": "default", "dark": "slate"}[scheme]
    )
    colors = page.evaluate(
        """() => [[".md-typeset p", document.body], [".md-typeset pre code", null]].map(([found, behind]) => {
            const element = document.querySelector(found);
            return [getComputedStyle(element).color, getComputedStyle(behind ?? element).backgroundColor];
        })"""
    )
    page.context.close()
    for text, background in colors:
        assert contrast(text, background) >= 4.5, (text, background)


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one, other), luminance(other, one)))
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str, behind: str) -> float:
    """Return the relative luminance of a color of CSS, which may let shine through what is behind it."""
    red, green, blue, *opacity = map(float, re.findall(r"[\d.]+", color))
    under = [float(part) for part in re.findall(r"[\d.]+", behind)[:3]]
    share = opacity[0] if opacity else 1.0
    parts = [(part * share + below * (1 - share)) / 255 for part, below in zip((red, green, blue), under, strict=True)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
