"""Slices: one of a slice is within it, and a slice of a search refuses what djanorm would do to all rows first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _of_whole_searches(method: str) -> Callable[..., Any]:
    def guarded(self: Any, *args: Any, **options: Any) -> Any:
        require_whole(self, method)
        return getattr(super(Slices, self), method)(*args, **options)

    guarded.__name__, guarded.__qualname__ = method, f"Slices.{method}"
    return guarded


def require_whole(queryset: Any, method: str) -> None:
    """Raise TypeError where the queryset is a slice by distance already."""
    query = queryset._query
    if (query.limit_val is not None or query.offset_val) and query.is_by_distance():
        raise TypeError(
            f"{method}() on a slice of the nearest would choose among other rows than those of the slice."
            f" Call it before the slice, or keep the slice: {queryset.model.__name__}.objects.filter(pk__in=found)."
        )


def within(query: Any, part: Any) -> Any:
    """Return the part of a slice as a part of the whole, which djanorm takes it for; IndexError past its end."""
    start, count = query.offset_val or 0, query.limit_val
    if isinstance(part, slice):
        if (part.start or 0) < 0 or (part.stop or 0) < 0:
            return part  # djanorm refuses it
        ends = [end for end in (part.stop, count) if end is not None]
        first = start + (part.start or 0)
        return slice(first, max(first, start + min(ends)) if ends else None, part.step)
    if not isinstance(part, int) or part < 0:
        return part  # and this
    if count is not None and part >= count:
        raise IndexError(f"The slice has {count} rows at most, and this is row {part}.")
    return start + part


class Slices:
    """Slices as lists have them, and the methods that choose or order rows, for whole searches alone."""

    _query: Any

    def __getitem__(self, part: Any) -> Any:
        return super().__getitem__(within(self._query, part))  # type: ignore[misc]  # stands before dorm.QuerySet

    filter = _of_whole_searches("filter")
    exclude = _of_whole_searches("exclude")
    order_by = _of_whole_searches("order_by")
    reverse = _of_whole_searches("reverse")
    distinct = _of_whole_searches("distinct")
    last = _of_whole_searches("last")
    alast = _of_whole_searches("alast")
