"""Measure the frames of the explorer's map in headless Chromium: ``python -m benchmarks.explorer``.

It loads rows into SQLite, serves them with ``dorm-vector explore``, drags and zooms the map with a mouse, and prints
how long the frames took in which the map changed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from backends.browsers.chromium import browser

MODELS = """
import dorm
from dorm_vector import VectorField


class Item(dorm.Model):
    kind = dorm.IntegerField()
    embedding = VectorField(dimensions={dimensions})
"""

SETTINGS = """
DATABASES = {"default": {"ENGINE": "sqlite", "NAME": "shop.sqlite3"}}
INSTALLED_APPS = ["dorm_vector", "shop"]
"""

LOAD = """
import sys
import dorm, numpy as np, settings
dorm.configure(DATABASES=settings.DATABASES)
from dorm_vector import bulk_load, create_tables
from shop.models import Item
create_tables(Item)
matrix, kinds = np.load("matrix.npy"), np.load("kinds.npy").tolist()
bulk_load(Item, [{"kind": kind, "embedding": row} for kind, row in zip(kinds, matrix)])
"""

COMMAND = "import sys; from dorm_vector.commands.main import main; sys.exit(main())"

# The time from a frame that shows another part of the map until the next frame.
RECORD = """() => {
  const holder = document.getElementById("map-chart");
  window.frames = [];
  let seen = holder.dataset.window, last = null;
  const frame = (now) => {
    if (last !== null) window.frames.push(now - last);
    last = holder.dataset.window === seen ? null : now;
    seen = holder.dataset.window;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""

MOST_MILLISECONDS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=384)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="dorm-vector-") as folder:
        _project(Path(folder), options.rows, options.dimensions)
        with _served(Path(folder)) as url, _page() as page:
            print(json.dumps({"rows": options.rows, **_measured(page, url, options.rows)}, indent=2))


def _project(folder: Path, rows: int, dimensions: int) -> None:
    chance = np.random.default_rng(0)
    kinds = chance.integers(0, 12, rows)
    centers = chance.normal(size=(12, dimensions))
    np.save(folder / "matrix.npy", (centers[kinds] + chance.normal(size=(rows, dimensions))).astype(np.float32))
    np.save(folder / "kinds.npy", kinds)
    (folder / "shop").mkdir()
    (folder / "shop/__init__.py").touch()
    (folder / "shop/models.py").write_text(MODELS.format(dimensions=dimensions))
    (folder / "settings.py").write_text(SETTINGS)
    subprocess.run([sys.executable, "-c", LOAD], check=True, cwd=folder)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-c", COMMAND, "explore", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            printed = process.stdout.readline() if process.stdout is not None else ""
            yield printed.split()[1]
        finally:
            process.terminate()


@contextmanager
def _page() -> Iterator[Page]:
    found = browser()
    with sync_playwright() as driver:
        launched = driver.chromium.launch(
            executable_path=found.path, args=list(found.arguments), env=dict(found.environment)
        )
        yield launched.new_page(viewport={"width": 1280, "height": 900})
        launched.close()


def _measured(page: Page, url: str, rows: int) -> dict[str, Any]:
    page.goto(url)
    page.get_by_role("tab", name="Map").click()
    page.get_by_label("Mark outliers").uncheck()
    page.get_by_role("button", name="Draw the map").click()
    expect(page.locator("#map-status")).to_contain_text(f"{rows:,} rows", timeout=120_000)
    box: Any = page.locator("#map-chart").bounding_box()
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(left, top)
    page.evaluate(RECORD)
    for turn in range(4):
        for _ in range(10):
            page.mouse.wheel(0, -120 if turn % 2 == 0 else 120)
        page.mouse.down()
        for step in range(60):
            page.mouse.move(left + 3 * (step if step < 30 else 60 - step), top + 2 * step)
        page.mouse.up()
        page.mouse.move(left, top)
    frames = np.array(page.evaluate("window.frames"))
    return {
        "frames": len(frames),
        "median": float(np.median(frames)),
        "percentile_95": float(np.percentile(frames, 95)),
        "longest": float(frames.max()),
        "share_under_50_ms": float((frames < MOST_MILLISECONDS).mean()),
    }


if __name__ == "__main__":
    main()
