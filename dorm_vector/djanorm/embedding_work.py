"""What embedding takes, one step at a time, so that it is written once for sync and async."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

Steps = Generator[tuple[str, Any], Any, Any]
"""Yields what is to be done, by its name below, and what it is about; is sent the answer."""


def drive(steps: Steps) -> Any:
    """Do what the steps ask for, and return their result."""
    answer = None
    while True:
        try:
            what, about = steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = _WORK[what](about)


async def adrive(steps: Steps) -> Any:
    """Do it without blocking the event loop."""
    answer = None
    while True:
        try:
            what, about = steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = await _ASYNC_WORK[what](about)


async def _arows(queryset: Any) -> list[Any]:
    return list(await queryset)


_WORK: dict[str, Callable[[Any], Any]] = {
    "count": lambda queryset: queryset.count(),
    "rows": list,
    "embed": lambda request: request[0].embed_documents(request[1]),
    "write": lambda rows: rows[0].bulk_update(*rows[1:]),
}
_ASYNC_WORK: dict[str, Callable[[Any], Any]] = {
    "count": lambda queryset: queryset.acount(),
    "rows": _arows,
    "embed": lambda request: request[0].aembed_documents(request[1]),
    "write": lambda rows: rows[0].abulk_update(*rows[1:]),
}
