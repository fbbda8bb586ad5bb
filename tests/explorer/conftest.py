"""The explorer of a small shop on SQLite, in a headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browsing import PATIENCE, launched
from tests.commands.conftest import MODELS, ROWS
from tests.explorer.running import Explorer, exploring
from tests.helpers.project import Project

MARKUP = "<img src=x onerror=alert(1)> hat"
MORE_ROWS = f"""
Product.objects.create(title={MARKUP!r}, price=100)
for _ in range(2):
    Product.objects.create(title="old red green blue shoe hat coat", price=200)
"""


@pytest.fixture(scope="session")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    folder = tmp_path_factory.mktemp("explored")
    project = Project(folder, {"ENGINE": "sqlite", "NAME": str(folder / "shop.sqlite3")})
    project.begin(MODELS)
    project.python(ROWS + MORE_ROWS)
    with exploring(folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@dataclass
class Visit:
    """The open page, and what went wrong while it was used."""

    page: Page
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def visited(context: BrowserContext, explorer: Explorer) -> Visit:
    """Open the address that the command printed, and wait for the models."""
    context.set_default_timeout(PATIENCE)
    visit = Visit(context.new_page())
    visit.page.on("request", lambda request: visit.requested.append(request.url))
    visit.page.on("console", lambda message: visit.complaints.append(message.text))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("dialog", lambda dialog: visit.complaints.append(dialog.message))
    visit.page.goto(explorer.url)
    visit.page.locator("main:not([inert])").wait_for()
    return visit


@pytest.fixture
def visit(browser: Browser, explorer: Explorer) -> Iterator[Visit]:
    """A page of 1280 pixels; it must send requests to the explorer only, and report no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    visit = visited(context, explorer)
    yield visit
    context.close()
    assert [url for url in visit.requested if not url.startswith(explorer.root)] == []
    assert visit.complaints == []
