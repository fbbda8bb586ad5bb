"""The notebook, executed by a real kernel: its results, its pictures, and those that the docs show."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.package_notebook.projection import project
from examples.package_search.build_data import nearest
from examples.package_search.corpus import corpus, questions

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples/package_notebook/packages.ipynb"
PAGE = ROOT / "docs/howto/dataframes-and-notebooks.md"
PICTURES = ("package-map.svg", "package-recall.svg")
TEXT = re.compile(r"<text\b[^>]*>([^<]+)</text>")
NUMBER = re.compile(r"\W?[\d.]+")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the executed notebook and its pictures."""
    made = tmp_path_factory.mktemp("notebook")
    command = [sys.executable, "-m", "examples.package_notebook", "--pictures", str(made)]
    command += ["--notebook", str(made / "executed.ipynb")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def shown(folder: Path) -> dict[str, dict[str, str]]:
    """What each cell shows, by media type; the last line of a cell is its name."""
    cells = json.loads((folder / "executed.ipynb").read_text())["cells"]
    # Not what is printed: on a busy machine, djanorm warns of slow statements.
    return {
        _text(cell["source"]).splitlines()[-1]: {kind: _text(data) for kind, data in output["data"].items()}
        for cell in cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "execute_result"
    }


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)


def labels(picture: Path) -> set[str]:
    """Return the texts of a drawing but the numbers: those of the axes depend on the speed of the machine."""
    return {text for text in TEXT.findall(picture.read_text()) if not NUMBER.fullmatch(text)}


def test_the_committed_notebook_has_no_outputs() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells] == [([], None)] * len(cells)


def test_it_loads_and_searches_all_packages(shown: dict[str, dict[str, str]]) -> None:
    packages, asked = corpus(), questions()
    ranked = nearest(packages.embeddings, asked.embeddings[asked.texts.index("chess engine")], 2_000)
    names = [packages.rows[n][0] for n in ranked]
    others = [packages.rows[n][0] for n in ranked if packages.rows[n][1] != "games"]
    assert shown["Package.objects.count()"]["text/plain"] == "2000"
    table = shown['found.only("name", "section", "summary")[:5]']["text/html"]
    assert re.findall(r"<tr><td>\d+</td><td>([^<]+)</td>", table) == names[:5]
    frame = shown['others.values("name", "section", "summary", "distance")[:5].to_pandas()']["text/html"]
    assert re.findall(r"<th>\d</th>\s*<td>([^<]+)</td>", frame) == others[:5]


def test_recall_grows_with_the_shortlist(shown: dict[str, dict[str, str]]) -> None:
    rows = re.findall(r"<th>\d</th>((?:\s*<td>[^<]+</td>)+)", shown[").round(3)"]["text/html"])
    numbers = [[float(cell) for cell in re.findall(r"<td>([^<]+)</td>", row)] for row in rows]
    assert [row[0] for row in numbers] == [1, 2, 3, 5, 10, 20]
    recalls = [row[1] for row in numbers]
    assert recalls == sorted(recalls)
    assert recalls[-1] >= 0.99
    assert all(0 <= worst <= recall <= 1 for _many, recall, worst, _ms, _exact in numbers)


def test_the_map_keeps_the_most_variance() -> None:
    matrix = corpus().embeddings.astype(np.float64)
    _left, sizes, _axes = np.linalg.svd(matrix - matrix.mean(axis=0), full_matrices=False)
    found = project(corpus().embeddings)
    assert found.variance == pytest.approx((sizes**2 / (sizes**2).sum())[:2])
    assert np.linalg.norm(found.points, axis=0) == pytest.approx(sizes[:2])
    assert abs(found.points[:, 0] @ found.points[:, 1]) < 1e-6


@pytest.mark.parametrize("name", PICTURES)
def test_the_docs_show_what_the_notebook_draws(name: str, folder: Path) -> None:
    written = labels(folder / name)
    assert len(written) >= 4
    assert labels(PAGE.parent / name) == written, "run python -m examples.package_notebook, and look at the pictures"
    (alternative,) = re.findall(rf"!\[([^\]]+)\]\({re.escape(name)}\)", PAGE.read_text())
    assert len(alternative) > 40
