"""When the client ranks the rows of an exact search, because the database computes distances slowly."""

from __future__ import annotations

from .facts import Facts


class ClientRanking(Facts):
    """What ranking in the client costs: the vectors that pass the filter are read, and measured in numpy."""

    bytes_per_ms: float = 0.0
    """Bytes of vectors that are read and measured in a millisecond, over loopback; 0 if the database ranks."""
    in_order: str = ""
    """A value that sorts rows as their keys are listed, with the ``{key}`` column and ``{places}`` for the keys."""
