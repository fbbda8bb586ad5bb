"""How many rows to request from an index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.search_options import SearchOption
from ..introspection import indexes_of

_TO_SPARE = 4


def fits_one_scan(dialect: Dialect, query: Any) -> bool:
    """Return whether the index can return as many candidates in one scan as the query needs."""
    option = dialect.tuning.options.get(dialect.tuning.width)
    return option is None or query.candidates() <= greatest(option)


def rows_asked(dialect: Dialect, query: Any) -> int:
    """Return how many rows a slice requests from an index, with a reserve if it finds a fixed number before the filter.

    The last rows of an index scan are incomplete: the index misses many others at that distance. Without a reserve, a
    selective filter would let those rows into the answer.
    """
    return int(query.limit_val) * (_TO_SPARE if dialect.index_use.probe and query.is_filtered() else 1)


def option_widths(dialect: Dialect, query: Any, width: int, is_filtered: bool) -> Mapping[str, int]:
    """Return the option that limits what the query's index finds, and the least value for that many rows.

    ``is_filtered`` says whether a filter applies to the rows that the index finds.
    """
    known, search = dialect.tuning.width_by_kind, query.search
    if known and search is not None and "__" not in search.field_path:
        metric = query.annotations[search.name].metric
        for index in indexes_of(query._resolve_field([search.field_path])):
            if index.kind in known and index.metric is metric:
                name, each = known[index.kind]
                return {name: each * width * (_TO_SPARE if is_filtered else 1)}
    return {dialect.tuning.width: width} if dialect.tuning.width else {}


def greatest(option: SearchOption) -> int:
    """Return the highest value of a numeric option."""
    return int(option.allowed[-1])
