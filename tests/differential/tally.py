"""How many models and queries a run compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """What was compared on a database."""

    models: int = 0
    queries: int = 0
    uncertain: int = 0
    refusals: int = 0
