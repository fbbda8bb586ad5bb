"""The options that ``with search_options(…):`` sets for the searches of a thread or task."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

Options = Mapping[str, Any]
NO_OPTIONS: Options = {}


@dataclass(eq=False, repr=False)
class Block:
    """The options of a block and of those around it; ``outer`` is what is in force once it is left."""

    options: Options
    outer: Block | None


_block: ContextVar[Block | None] = ContextVar("dorm_vector_search_options", default=None)


def block_options() -> Options:
    """Return the options that the blocks around this code set."""
    block = _block.get()
    return block.options if block is not None else NO_OPTIONS


def enter_block(options: Options) -> None:
    _block.set(Block({**block_options(), **options}, _block.get()))


def leave_block() -> None:
    """Leave the innermost block, maybe elsewhere than it was entered: a web framework does so by threads."""
    block = _block.get()
    _block.set(block.outer if block is not None else None)
