"""Work that asks for one queryset after another, written once for sync and async."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

Steps = Generator[Any, Any, Any]
"""Yields querysets, is sent the rows of each, and returns the answer."""


def run(steps: Steps) -> Any:
    """Take the steps, one query each, and return their answer."""
    answer: Any = None
    while True:
        try:
            answer = list(steps.send(answer))
        except StopIteration as end:
            return end.value


async def arun(steps: Steps) -> Any:
    """Take the steps without blocking the event loop, and return their answer."""
    answer: Any = None
    while True:
        try:
            queryset = steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = await queryset
