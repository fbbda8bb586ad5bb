"""How many rows an index is asked for."""

from __future__ import annotations

from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.search_options import SearchOption

_TO_SPARE = 4


def fits_one_scan(dialect: Dialect, query: Any) -> bool:
    """Tell whether the index can have as many candidates at once as the query asks for."""
    option = dialect.tuning.options.get(dialect.tuning.width)
    return option is None or query.candidates() <= greatest(option)


def rows_asked(dialect: Dialect, query: Any) -> int:
    """Return how many rows a slice asks an index for: to spare, where it finds a fixed number before the filter.

    The last of those are far from all that there are at that distance; where the filter leaves few, they would be among
    the answer.
    """
    return int(query.limit_val) * (_TO_SPARE if dialect.index_use.probe and query.is_filtered() else 1)


def greatest(option: SearchOption) -> int:
    """Return the highest value of an option that is a number."""
    return int(option.allowed[-1])
