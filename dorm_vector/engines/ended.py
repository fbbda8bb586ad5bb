"""Mark transactions that end before their block does."""

from __future__ import annotations

from typing import Any

from ..exceptions import ConnectionLost

NOTHING_STORED = "Nothing of the open transaction was stored: run the whole block again."
_MARK = "dorm_vector_ended_by"


def mark_begun(holder: Any) -> None:
    """Clear the mark of an earlier transaction.

    Args:
        holder: The driver's connection, or a per-thread object if the connection accepts no attributes.
    """
    setattr(holder, _MARK, None)


def mark_ended(holder: Any, error: BaseException) -> None:
    """Record that the error ended the transaction."""
    if getattr(holder, _MARK, None) is None:
        setattr(holder, _MARK, error)


def require_unended(holder: Any) -> None:
    """Raise ConnectionLost if the transaction has already ended."""
    error = getattr(holder, _MARK, None)
    if error is not None:
        raise ConnectionLost(
            f"The transaction has ended in the middle of its block: {str(error) or type(error).__name__}."
            f" {NOTHING_STORED}"
        ) from error
