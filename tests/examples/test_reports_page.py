"""The search page of the reports, in a headless Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import PATIENCE, launched
from tests.examples.serving import Server, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    database = tmp_path_factory.mktemp("reports") / "reports.sqlite3"
    with served(("examples.epidemiological_reports",), f"sqlite:///{database}") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(params=[390, 1280])
def page(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Page]:
    """The page; it sends requests to its own server only, reports no error, and does not scroll sideways."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    context.set_default_timeout(PATIENCE)
    page, asked, complaints = context.new_page(), list[str](), list[str]()
    page.on("request", lambda sent: asked.append(sent.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.root}/")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= request.param
    context.close()
    assert [url for url in asked if not url.startswith(server.root)] == []
    assert complaints == []


def test_search_filter_and_similar_reports(page: Page) -> None:
    results, status = page.get_by_role("list", name="Results"), page.get_by_role("status")
    # By keyboard alone.
    page.get_by_label("Search").press_sequentially("unsafe drinking water")
    page.keyboard.press("Enter")
    expect(status).to_have_text("10 reports")
    expect(results.get_by_role("listitem").first).to_contain_text("cholera")

    page.get_by_label("Region").select_option("Coast")
    page.get_by_label("Find by").select_option("semantic")
    page.get_by_role("button", name="Search").click()
    expect(results.get_by_text(re.compile("distance")).first).to_be_visible()
    expect(status).to_have_text(re.compile(r"^\d+ reports$"))
    rows = results.get_by_role("listitem").all_inner_texts()
    assert rows
    assert all("Coast" in row for row in rows)

    first = results.get_by_role("listitem").first
    title = first.inner_text()
    first.get_by_role("button", name=re.compile("similar")).click()
    expect(results.get_by_role("listitem").first).not_to_have_text(title)
    expect(status).to_have_text("10 reports")


def test_a_failure_is_shown(page: Page, server: Server) -> None:
    page.get_by_label("Search").evaluate("input => input.removeAttribute('required')")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_contain_text("422")
