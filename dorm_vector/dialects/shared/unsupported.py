"""What a database lacks."""

from __future__ import annotations

from .facts import Facts


class Unsupported(Facts):
    """Something the database lacks.

    ``reason`` is the sentence that users read, ``instead`` what to use, ``probe`` a statement that fails on the server
    as long as this is true, ``see`` where it is documented.
    """

    reason: str
    instead: str
    probe: str
    see: str
