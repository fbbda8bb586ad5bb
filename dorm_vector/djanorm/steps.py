"""The steps that are statements: what is asked of a connection of djanorm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..steps import Step


@dataclass(eq=False, repr=False)
class Execute(Step):
    """Run a statement and return its rows."""

    sql: str
    params: Iterable[Any] = ()

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute(self.sql, list(self.params))

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute(self.sql, list(self.params))


@dataclass(eq=False, repr=False)
class Write(Step):
    """Run a statement and return how many rows it changed."""

    sql: str
    params: Iterable[Any] = ()

    def run(self, wrapper: Any) -> Any:
        return wrapper.execute_write(self.sql, list(self.params))

    async def arun(self, wrapper: Any) -> Any:
        return await wrapper.execute_write(self.sql, list(self.params))
