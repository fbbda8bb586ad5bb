"""Work that waits for a database or an embedder, written once for sync and async.

A generator yields each step and is sent what came of it; ``run`` and ``arun`` take the steps, and hand each the
connection where steps are statements.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

_Result = TypeVar("_Result")
Steps = Generator["Step", Any, _Result]


class Step:
    """One thing to be done; ``wrapper`` is the connection of djanorm, where there is one."""

    def run(self, wrapper: Any) -> Any:
        raise NotImplementedError

    async def arun(self, wrapper: Any) -> Any:
        raise NotImplementedError


def run(steps: Steps[_Result], wrapper: Any = None) -> _Result:
    """Take the steps, and return what they return."""
    advance, answer = steps.send, None
    while True:
        try:
            step = advance(answer)
        except StopIteration as end:
            result: _Result = end.value
            return result
        try:
            advance, answer = steps.send, step.run(wrapper)
        except Exception as error:  # noqa: BLE001  # the steps decide: what they do not catch is raised by them
            advance, answer = steps.throw, error


async def arun(steps: Steps[_Result], wrapper: Any = None) -> _Result:
    """Take the steps without blocking the event loop, and return what they return."""
    advance, answer = steps.send, None
    while True:
        try:
            step = advance(answer)
        except StopIteration as end:
            result: _Result = end.value
            return result
        try:
            advance, answer = steps.send, await step.arun(wrapper)
        except Exception as error:  # noqa: BLE001  # as above
            advance, answer = steps.throw, error


@dataclass(eq=False, repr=False)
class Fetch(Step):
    """Read the rows of a queryset."""

    queryset: Any

    def run(self, wrapper: Any) -> list[Any]:
        return list(self.queryset)

    async def arun(self, wrapper: Any) -> list[Any]:
        return list(await self.queryset)
