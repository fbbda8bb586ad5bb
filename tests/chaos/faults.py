"""Rows that outlive a fault: tests count them here, and `--update-golden` writes tests/golden/faults.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from backends.servers.cache import only_one_process
from tests.helpers.support import FAULTS

Pieces = Iterable[Any]
NONE: Pieces = ()


class Faults:
    """The faults that one test tries on one database."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._seen: dict[str, Counter[str]] = {}

    def count(
        self, fault: str, *, acknowledged: Pieces, stored: Pieces, uncertain: Pieces = NONE, times: int = 1
    ) -> None:
        """Compare the rows that are stored with those that were acknowledged, each named as often as it was written.

        A piece of work whose end nobody heard is uncertain: all of its rows are stored, or none.
        """
        promised, found, possible = Counter(acknowledged), Counter(stored), Counter(uncertain)
        lost, more = promised - found, found - promised
        self._note(fault, times, promised.total(), lost.total())
        assert not lost, f"{lost.total()} of {promised.total()} acknowledged rows are lost: {lost}"
        unexpected = {name: number for name, number in more.items() if possible[name] != number}
        assert not unexpected, f"rows that nobody wrote, or a part of what belongs together: {unexpected}"

    def write(self) -> None:
        """Add what this test has seen to the file, in place of what an earlier run saw."""
        with only_one_process("faults"):
            known = json.loads(FAULTS.read_text())
            for fault, seen in self._seen.items():
                known.setdefault(fault, {})[self._database] = dict(seen)
            FAULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")

    def _note(self, fault: str, times: int, acknowledged: int, lost: int) -> None:
        seen = self._seen.setdefault(fault, Counter())
        seen.update({"times": times, "acknowledged": acknowledged, "lost": lost})
