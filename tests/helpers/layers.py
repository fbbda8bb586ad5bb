"""Draw the layers of the package, from the contract in pyproject.toml and the folders' docstrings."""

from __future__ import annotations

import ast
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dorm_vector"
_ROW, _GAP, _WIDTH, _TEXT = 32, 8, 880, 150
_STYLE = (
    "text{font:13px sans-serif;fill:currentColor}.name{font-weight:600}"
    "rect{fill:none;stroke:currentColor;stroke-opacity:.45}svg{color:#444}"
    "@media(prefers-color-scheme:dark){svg{color:#ccc}}"
)


def layers() -> list[list[str]]:
    """Return the layers from top to bottom, as import-linter checks them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found: list[str] = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [layer.split(" : ") for layer in found]


def purpose(name: str) -> str:
    """Return the first sentence of what a folder or a module says about itself."""
    path = PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    return text.partition(". ")[0].removesuffix(".").replace("``", "").replace("`", "")


def svg() -> str:
    """Return the picture: one row per layer, which imports only those below it."""
    rows = layers()
    height = len(rows) * (_ROW + _GAP) + _GAP
    boxes = (_row(names, number) for number, names in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        ' aria-label="The layers of the package: each imports only those below it">\n'
        f"<style>{_STYLE}</style>\n{''.join(boxes)}</svg>\n"
    )


def _row(names: list[str], number: int) -> str:
    width = (_WIDTH - _GAP * (len(names) + 1)) // len(names)
    top = _GAP + number * (_ROW + _GAP)
    return "".join(_box(name, _GAP + place * (width + _GAP), top, width) for place, name in enumerate(names))


def _box(name: str, left: int, top: int, width: int) -> str:
    lines = [f'<rect x="{left}" y="{top}" width="{width}" height="{_ROW}" rx="4"/>']
    lines.append(f'<text class="name" x="{left + 12}" y="{top + 20}">{escape(name)}</text>')
    if width > _WIDTH // 2:
        lines.append(f'<text x="{left + _TEXT}" y="{top + 20}">{escape(purpose(name))}</text>')
    return "\n".join(lines) + "\n"
