"""A headless Chromium for the tests of web pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from backends.browsers import chromium

# On a busy machine, an answer may take long.
PATIENCE = 120_000


@contextmanager
def launched() -> Iterator[Browser]:
    """Start the browser, and close it: Playwright's event loop would be met by other modules' async tests."""
    found = chromium.browser()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=found.path, args=list(found.arguments), env=dict(found.environment)
        )
        yield browser
        browser.close()
