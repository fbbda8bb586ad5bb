"""Work that no statement timeout limits: migrations, index builds, loads and copies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from ...patching.registry import hook

_Function = TypeVar("_Function", bound=Callable[..., Any])

_exempt: ContextVar[bool] = ContextVar("dorm_vector_no_statement_timeout", default=False)


def is_exempt() -> bool:
    return _exempt.get()


@contextmanager
def no_statement_timeout() -> Iterator[None]:
    """Run the statements inside the ``with`` block without a statement timeout, in sync and async code."""
    token = _exempt.set(True)
    try:
        yield
    finally:
        _exempt.reset(token)


def exempt(function: _Function) -> _Function:
    """Run a function or a coroutine without a statement timeout."""

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        with no_statement_timeout():
            return function(*args, **options)

    @functools.wraps(function)
    async def arun(*args: Any, **options: Any) -> Any:
        with no_statement_timeout():
            return await function(*args, **options)

    exempted: Any = arun if iscoroutinefunction(function) else run
    return exempted  # type: ignore[no-any-return]  # with the parameters of the wrapped function


@hook("dorm.migrations.executor:MigrationExecutor", "migrate")
@hook("dorm.migrations.executor:MigrationExecutor", "migrate_to", name="long_work")
@hook("dorm.migrations.executor:MigrationExecutor", "rollback", name="long_work")
@hook("dorm.serialize", "load", name="long_work")
def long_work(original: Any, *args: Any, **options: Any) -> Any:
    """Run migrations and load fixtures without a statement timeout."""
    with no_statement_timeout():
        return original(*args, **options)
