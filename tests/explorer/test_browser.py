"""The explorer's page in a real browser, from typing a query to reading the result, by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.explorer.conftest import MARKUP, Visit, visited
from tests.explorer.running import Explorer

VIEWS = ("search", "map", "recall")


def focus(page: Page, name: str, key: str = "Tab", of: str = "id") -> None:
    """Press Tab, or Shift+Tab, until the element with this id, or with this text, has the focus."""
    for _ in range(80):
        if page.evaluate(f"document.activeElement.{of}") == name:
            return
        page.keyboard.press(key)
    raise AssertionError(f"no number of {key} leads to {name}")


def choose_products(page: Page) -> None:
    focus(page, "model")
    page.keyboard.type("shop.Pr")
    expect(page.locator("#about")).to_contain_text("21 rows · EmbeddingField · 8 dimensions")


def first_row(page: Page) -> str:
    return page.locator("#search-results tbody tr").first.inner_text()


def search(page: Page, text: str) -> None:
    focus(page, "query")
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.locator("#search-status")).to_contain_text(re.compile(r"rows? in .* ms, "))


def draw_map(page: Page) -> None:
    page.get_by_role("tab", name="Map").click()
    page.get_by_role("button", name="Draw the map").click()
    expect(page.locator("#map-status")).to_contain_text("duplicates up to")


def test_a_search_by_keyboard_alone(visit: Visit, explorer: Explorer) -> None:
    page = visit.page
    assert page.url == explorer.root, "the token stays in the address"
    choose_products(page)
    search(page, "new green hat")
    rows = page.locator("#search-results tbody tr")
    expect(rows).to_have_count(10)
    assert first_row(page).split("\t")[:4] == ["0", "14", "new green hat", "13"]
    expect(page.locator("#search-status")).to_contain_text("by the index product_vec0")
    expect(page.locator("#plan-text")).to_contain_text("The index product_vec0 serves this search.")
    page.locator("#plan summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#plan-database")).to_contain_text("product_vec0")
    # With a filter; Shift+Tab leads back to it.
    focus(page, "filters", "Shift+Tab")
    page.keyboard.type("title__contains=old\nprice__lt=3")
    search(page, "green hat")
    expect(rows).to_have_count(3)
    assert "old red hat" in first_row(page)
    # The rows that are like one of the results.
    focus(page, "Similar", of="textContent")
    page.keyboard.press("Enter")
    expect(page.locator("#search-status")).to_contain_text("2 rows in")
    assert "old red hat" not in page.locator("#search-results").inner_text()
    expect(rows).to_have_count(2)


def test_a_search_by_a_pasted_vector_and_what_is_wrong_with_one(visit: Visit) -> None:
    page = visit.page
    choose_products(page)
    page.get_by_label("Search by").select_option("vector")
    search(page, "[1, 1, 10, 10, 1, 1, 10, 1]")
    assert "old blue shoe" in first_row(page)
    for text, said in (("[1, 2", "This is no vector in JSON"), ("[1, 2]", "dimensions")):
        page.get_by_label("Vector, as JSON").fill(text)
        page.keyboard.press("Enter")
        expect(page.locator("#search-status")).to_contain_text(said)
        expect(page.locator("#search-results")).to_be_hidden()
    # The browser reports the refused request itself.
    assert all("400 (Bad Request)" in each for each in visit.complaints)
    visit.complaints.clear()


def test_what_a_row_holds_is_text(visit: Visit) -> None:
    page = visit.page
    choose_products(page)
    page.get_by_label("Filters").fill("price=100")
    search(page, "hat")
    assert MARKUP in first_row(page)
    assert page.locator("main img").count() == 0


def test_the_map_by_keyboard_alone(visit: Visit) -> None:
    page = visit.page
    choose_products(page)
    search(page, "new green hat")
    focus(page, "tab-search", "Shift+Tab")
    page.keyboard.press("ArrowRight")
    focus(page, "color")
    page.keyboard.type("in_stock")
    focus(page, "marked")
    page.keyboard.press("Enter")
    status = page.locator("#map-status")
    expect(status).to_contain_text("1 outlier, 1 pair of duplicates")
    expect(status).to_contain_text("21 rows; the axes hold")
    legend = page.locator("#legend label")
    expect(legend).to_contain_text(
        ["True (12)", "False (9)", "outliers (1)", "duplicates (2)", "found by the last search (10)"]
    )
    chart = page.locator("#map-chart")
    focus(page, "map-chart")
    page.keyboard.press("N")
    expect(page.locator("#selected-values")).to_contain_text("old red shoe")
    page.keyboard.press("P")
    expect(page.locator("#selected-values")).to_contain_text("old red green blue shoe hat coat")
    for keys in (["+"], ["+"], ["-"], ["ArrowLeft"] * 9 + ["ArrowRight"], ["ArrowDown"] * 9 + ["ArrowUp"], ["0"]):
        for key in keys[:-1]:
            page.keyboard.press(key)
        before = chart.get_attribute("data-window")
        page.keyboard.press(keys[-1])
        expect(chart).not_to_have_attribute("data-window", before or "")
    expect(chart).to_have_attribute("data-window", "0.00-100.00 0.00-100.00")
    page.locator("#duplicates button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#selected-values")).to_contain_text("old red green blue shoe hat coat")
    focus(page, "map-chart", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#search-status")).to_contain_text("10 rows in")
    assert first_row(page).split("\t")[2] == "old red green blue shoe hat coat"


# Of the first point of the first group.
PLACE = """() => {
  const chart = echarts.getInstanceByDom(document.getElementById("map-chart"));
  const [x, y] = chart.getOption().series[0].data;
  const box = chart.getDom().getBoundingClientRect();
  const [left, top] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [x, y]);
  return [box.left + left, box.top + top];
}"""


def test_the_map_by_mouse(visit: Visit) -> None:
    page = visit.page
    choose_products(page)
    page.get_by_label("Filters").fill("price=100")
    page.get_by_role("tab", name="Map").click()
    page.get_by_label("Mark outliers").uncheck()
    page.get_by_role("button", name="Draw the map").click()
    expect(page.locator("#map-status")).to_contain_text("1 row")
    left, top = page.evaluate(PLACE)
    page.mouse.click(left, top)
    expect(page.locator("#selected-values")).to_contain_text(MARKUP)
    chart = page.locator("#map-chart")
    page.mouse.move(left, top)
    page.mouse.wheel(0, -240)
    expect(chart).to_have_attribute("data-window", re.compile(r"^[1-9]"))
    zoomed = chart.get_attribute("data-window") or ""
    page.mouse.down()
    page.mouse.move(left + 60, top + 40, steps=4)
    page.mouse.up()
    expect(chart).not_to_have_attribute("data-window", zoomed)


def test_recall_is_measured_and_plotted(visit: Visit) -> None:
    page = visit.page
    choose_products(page)
    page.get_by_role("tab", name="Recall").click()
    page.get_by_label("Searches").fill("3")
    page.keyboard.press("Enter")
    expect(page.locator("#recall-status")).to_contain_text("over 3 searches")
    expect(page.locator("#recall-table tbody tr").first).to_contain_text("no options")
    expect(page.locator("#recall-table tbody tr").last).to_contain_text("exact")
    expect(page.locator("#recall-chart canvas")).to_be_visible()


# The WCAG contrast of each visible text with the background behind it, as the page computes its colors.
CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const isSolid = (color) => { const [, , , alpha = 1] = numbers(color); return alpha === 1; };
  const light = (color) => {
    const [r, g, b] = numbers(color).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const { backgroundColor } = getComputedStyle(each);
      if (isSolid(backgroundColor)) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  return [...document.querySelectorAll("body *")].filter((each) => each.checkVisibility() && hasText(each)
    && !each.disabled && !["OPTION", "SCRIPT"].includes(each.tagName)).map((each) => {
      const [low, high] = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => a - b);
      return [(high + 0.05) / (low + 0.05), `${each.tagName} ${each.textContent.trim().slice(0, 30)}`];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_a_phone_and_on_a_desk(browser: Browser, explorer: Explorer, scheme: str) -> None:
    backgrounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 24, 30)"}
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
    visit = visited(context, explorer)
    page = visit.page
    page.get_by_label("Model").select_option("shop.Product")
    search(page, "new green hat")
    draw_map(page)
    page.locator("#outliers button").first.click()
    expect(page.locator("#selected-values dl")).to_be_visible()
    page.get_by_role("tab", name="Recall").click()
    page.get_by_role("button", name="Measure").click()
    expect(page.locator("#recall-table table")).to_be_visible()
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        for view in VIEWS:
            page.locator(f"#tab-{view}").click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            contrasts = page.evaluate(CONTRASTS)
            assert len(contrasts) > 10
            assert [what for contrast, what in contrasts if contrast < 4.5] == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == backgrounds[scheme]
    context.close()
    assert visit.complaints == []
