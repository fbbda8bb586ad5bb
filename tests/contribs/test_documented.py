"""Every module of djanorm's contrib has a row in the docs, so that each was considered."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

from dorm import contrib

PAGE = Path(__file__).parents[2] / "docs/reference/djanorm-modules.md"


def test_every_module_has_a_row() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`contrib\.(\w+)`", row)]
    assert sorted(set(named)) == sorted(module.name for module in pkgutil.iter_modules(contrib.__path__))
    assert len(named) == len(set(named))
