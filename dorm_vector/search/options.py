"""Search options that ``with search_options(…):`` sets for a thread or task."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from ..dialects.base import Dialect
from ..exceptions import UnsupportedByDatabase

Options = Mapping[str, Any]

NO_OPTIONS: Options = {}


class Block:
    """The merged options of a block and its enclosing blocks; ``outer`` is the block to restore on exit."""

    def __init__(self, options: Options, outer: Block | None) -> None:
        self.options, self.outer = options, outer


_block: ContextVar[Block | None] = ContextVar("dorm_vector_search_options", default=None)


def block_options() -> Options:
    """Return the options that the enclosing blocks set."""
    block = _block.get()
    return block.options if block is not None else NO_OPTIONS


def enter_block(options: Options) -> None:
    _block.set(Block({**block_options(), **options}, _block.get()))


def leave_block() -> None:
    """Leave the innermost block, possibly in another thread than it was entered, as web frameworks do."""
    block = _block.get()
    _block.set(block.outer if block is not None else None)


def checked(dialect: Dialect, name: str, value: Any) -> Any:
    """Return a search option's value after checking it.

    Raises:
        UnsupportedByDatabase: The database has no option of this name.
        ValueError: The value is outside the option's range.
    """
    options = dialect.tuning.options
    if name not in options:
        has = f"It has {', '.join(options)}." if options else "It has none: every search is exact."
        raise UnsupportedByDatabase(f"{dialect.title} has no search option {name!r}. {has}")
    allowed = options[name].allowed
    # The type is checked first, because `in` compares a string with each number of a range in turn.
    if type(value) is not (int if isinstance(allowed, range) else str) or value not in allowed:
        raise ValueError(f"search option {name}={value!r}: {dialect.title} requires {_wording(allowed)}.")
    return value


def _wording(allowed: range | tuple[str, ...]) -> str:
    if isinstance(allowed, range):
        return f"a whole number from {allowed[0]} to {allowed[-1]}"
    return f"one of {', '.join(allowed)}"


class search_options:  # noqa: N801  # a context manager, called as a function is
    """Set index options for every search in a block: ``with search_options(ef_search=200):``, or ``async with``.

    The options apply to searches by querysets in this thread or task. An inner block overrides an outer one, and the
    queryset's own ``search_options()`` overrides both. Names and errors are those of ``VectorQuerySet.search_options``.
    """

    def __init__(self, **options: int | str) -> None:
        self.options = options

    def __enter__(self) -> Self:
        enter_block(self.options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave_block()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
