"""The sign bits of vectors in a column of the model's own table, which the database keeps in sync."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from ...values.metrics import Metric
from .facts import Facts


class SignColumn(Facts):
    """How to build, search and drop the column.

    Templates have the index's ``{name}``, the ``{table}``, the vector's ``{column}``, the ``{bytes}`` of the signs, the
    ``{comment}`` that tells builds apart, and the SQL of the signs, ``{value}`` or in a trigger ``{value_of_new}``.
    """

    value: Callable[[str, int, int], str]
    """Returns the SQL of the signs of a vector of that many dimensions, of which the first ones count: empty if it is
    NULL, NULL if it has another length."""
    packed: Callable[[bytes, int], bytes]
    """Returns the signs of the first numbers of a bound vector, in the same order."""
    numbers_per_byte: int
    whole_bytes: int
    """The bytes of the signs are a multiple of this."""
    longest_name: int
    """The longest name of an index, because the names of its parts begin with it."""
    columns: tuple[str, ...]
    """The columns that the index may have, in the order in which they can be dropped."""
    add: str
    triggers: tuple[str, ...]
    fill: str
    """Makes the triggers fill the column."""
    refused: frozenset[int]
    """The server's error codes if it refuses triggers to this user."""
    add_marked: str
    """Adds a column that is NULL once any column of its row has changed, for servers that refuse triggers."""
    fill_marked: str
    index: str
    trigger_names: tuple[str, ...]
    drop_triggers: tuple[str, ...]
    drop_column: str
    """With ``{part}``, one of ``columns``."""
    standing: str
    """Returns the ``name`` and the comment, as ``said``, of the columns of the bound table whose names are bound."""
    found: str
    """Returns the ``name`` of each column of the bound table that belongs to such an index."""
    lost_triggers: str
    """Returns a row if the bound table lacks one of its two bound triggers, if this account may see triggers."""
    drift: str
    """Counts the ``rows``, and those whose signs are ``missing`` or outdated."""
    shortlist: str
    """Finds the ``{count}`` keys, as ``key``, of the rows of ``{source}`` whose ``{signs}`` are nearest, by
    ``{measure}``, those without signs first."""
    unsigned: str
    """Whether the ``{signs}`` of a row are missing, so that its vector has to be measured."""
    measures: Mapping[Metric, str]
    """What sorts ``{left}``, the signs of a row, by their distance from ``{right}``."""

    def bytes_of(self, held: int) -> int:
        """Return how many bytes the signs of that many numbers take."""
        size = -(-held // self.numbers_per_byte)
        return -(-size // self.whole_bytes) * self.whole_bytes

    def digest(self, column: str, dimensions: int, held: int) -> str:
        """Return the comment of a column that was built like this; another declaration has another one."""
        return f"dorm_vector {sha256(self.value(column, dimensions, held).encode()).hexdigest()[:16]}"
