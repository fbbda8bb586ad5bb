"""Time a statement without djanorm's log and signals while nobody listens to them."""

from __future__ import annotations

import logging
from functools import cache
from time import perf_counter
from typing import Any

from dorm.signals import post_query, pre_query

from ..patching.registry import hook


@hook("dorm.db.utils", "log_query")
def quiet_log(original: Any, vendor: str, sql: str, params: Any = None) -> Any:
    """Leave out the log and the signals of a statement that nobody receives; they take as long as a small search.

    A slow statement is logged as djanorm does.
    """
    is_heard = pre_query._receivers or post_query._receivers or _logger(vendor).isEnabledFor(logging.DEBUG)
    return original(vendor, sql, params) if is_heard else _Timed(vendor, sql, params)


@cache
def _utils() -> Any:
    # Imported late, because this module patches it.
    from dorm.db import utils

    return utils


@cache
def _logger(vendor: str) -> logging.Logger:
    return logging.getLogger(f"dorm.db.backends.{vendor}")


class _Timed:
    """The block of one statement."""

    __slots__ = ("_params", "_sql", "_started", "_vendor")

    def __init__(self, vendor: str, sql: str, params: Any) -> None:
        self._vendor, self._sql, self._params = vendor, sql, params

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *error: object) -> None:
        took, limit = 1e3 * (perf_counter() - self._started), _utils()._slow_query_ms()
        if limit is not None and took >= limit:
            _logger(self._vendor).warning("slow query (%.2fms ≥ %.0fms): %s", took, limit, self._sql)
            if _utils()._slow_query_explain():
                _utils()._maybe_capture_explain_plan(self._vendor, self._sql, self._params)
