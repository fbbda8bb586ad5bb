"""Marks of transactions that have ended before their block does."""

from __future__ import annotations

from typing import Any

from ..exceptions import ConnectionLost

NOTHING_STORED = "Nothing of the open transaction was stored: run the whole block again."
_MARK = "dorm_vector_ended_by"


def mark_begun(holder: Any) -> None:
    """Forget what ended the transaction before.

    Args:
        holder: The driver's connection; where it takes no attributes, what belongs to its thread.
    """
    setattr(holder, _MARK, None)


def mark_ended(holder: Any, error: BaseException) -> None:
    """Note that the error ended the transaction."""
    if getattr(holder, _MARK, None) is None:
        setattr(holder, _MARK, error)


def require_unended(holder: Any) -> None:
    """Raise ConnectionLost where something ended the transaction."""
    error = getattr(holder, _MARK, None)
    if error is not None:
        raise ConnectionLost(
            f"The transaction has ended in the middle of its block: {str(error) or type(error).__name__}."
            f" {NOTHING_STORED}"
        ) from error
