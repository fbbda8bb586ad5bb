"""Database work as a generator of steps: `run` executes them, `arun` awaits them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, TypeVar


class Step:
    """One operation; ``wrapper`` is the djanorm connection, if there is one."""

    def run(self, wrapper: Any) -> Any:
        raise NotImplementedError

    async def arun(self, wrapper: Any) -> Any:
        raise NotImplementedError


class Execute(Step):
    """Run a statement and return its rows."""

    def __init__(self, sql: str, params: Iterable[Any] = ()) -> None:
        self.sql, self.params = sql, params

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute(self.sql, list(self.params))

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute(self.sql, list(self.params))


class Write(Step):
    """Run a statement and return how many rows it changed."""

    def __init__(self, sql: str, params: Iterable[Any] = ()) -> None:
        self.sql, self.params = sql, params

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute_write(self.sql, list(self.params))

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute_write(self.sql, list(self.params))


class Wait(Step):
    """Wait for work that was begun in a thread or a task, and return its result."""

    def __init__(self, begun: Any) -> None:
        self.begun = begun

    def run(self, wrapper: Any) -> Any:
        return self.begun.result()

    async def arun(self, wrapper: Any) -> Any:
        return await self.begun


_Result = TypeVar("_Result")

Steps = Generator["Step", Any, _Result]


def run(steps: Steps[_Result], wrapper: Any = None) -> _Result:
    """Run the steps, and return the generator's result."""
    advance, answer = steps.send, None
    while True:
        try:
            step = advance(answer)
        except StopIteration as end:
            result: _Result = end.value
            return result
        try:
            advance, answer = steps.send, step.run(wrapper)
        except Exception as error:  # noqa: BLE001  # thrown into the generator, which catches or reraises it
            advance, answer = steps.throw, error


async def arun(steps: Steps[_Result], wrapper: Any = None) -> _Result:
    """Run the steps without blocking the event loop, and return the generator's result."""
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


class Fetch(Step):
    """Read the rows of a queryset."""

    def __init__(self, queryset: Any) -> None:
        self.queryset = queryset

    def run(self, wrapper: Any) -> list[Any]:
        return list(self.queryset)

    async def arun(self, wrapper: Any) -> list[Any]:
        return list(await self.queryset)


class Script(Step):
    """Run a statement as it is, without parameters; a percent sign is literal."""

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute_script(self.sql)

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute_script(self.sql)


class Count(Step):
    """Count the rows of a queryset."""

    def __init__(self, queryset: Any) -> None:
        self.queryset = queryset

    def run(self, wrapper: Any) -> int:
        return int(self.queryset.count())

    async def arun(self, wrapper: Any) -> int:
        return int(await self.queryset.acount())


class Update(Step):
    """Write the given fields of the rows."""

    def __init__(self, queryset: Any, rows: list[Any], fields: list[str], at_a_time: int = 1_000) -> None:
        self.queryset, self.rows, self.fields, self.at_a_time = queryset, rows, fields, at_a_time

    def run(self, wrapper: Any) -> Any:
        return self.queryset.bulk_update(self.rows, self.fields, self.at_a_time)

    async def arun(self, wrapper: Any) -> Any:
        return await self.queryset.abulk_update(self.rows, self.fields, self.at_a_time)


class InTransaction(Step):
    """Run steps inside a transaction, or inside a savepoint if a transaction is open."""

    def __init__(self, alias: str, steps: Steps[Any]) -> None:
        self.alias, self.steps = alias, steps

    def run(self, wrapper: Any) -> Any:
        from dorm.transaction import atomic

        with atomic(self.alias):
            return run(self.steps, wrapper)

    async def arun(self, wrapper: Any) -> Any:
        from dorm.transaction import aatomic

        async with aatomic(self.alias):
            return await arun(self.steps, wrapper)
