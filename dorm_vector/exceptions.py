"""What can go wrong, as one small family; every child is also a djanorm or builtin class."""

from __future__ import annotations

import inspect
from types import FrameType

from dorm.exceptions import ImproperlyConfigured, MigrationError, OperationalError, ValidationError


class VectorError(Exception):
    """Catch this to catch every error of dorm_vector."""


class InvalidVector(VectorError, ValidationError):
    """A value that is no vector: NaN, infinity, a non-number, a value past the column's range."""


class DimensionMismatch(InvalidVector):
    """A vector of the wrong length, in a write or in a query."""


class UnsuitableDistance(VectorError, TypeError):
    """A distance that the column's elements do not have, such as Hamming over numbers."""


class UnsuitableFunction(VectorError, TypeError):
    """A function or an aggregate that the elements do not have, such as the norm of bits."""


class UnsupportedByDatabase(VectorError, NotImplementedError):
    """Something this database cannot do; the message names what it can."""


class VectorsUnavailable(VectorError, ImproperlyConfigured):
    """The database could do it, but the extension or the version here is missing."""


class VectorsWouldBeLost(VectorError, MigrationError):
    """A migration that would destroy stored vectors; nothing has been changed."""


class IndexWouldWait(VectorError, MigrationError):
    """A concurrent build that would wait for its own migration; nothing has been built."""


class ConnectionLost(VectorError, OperationalError):
    """The connection is lost, or the server gave up the transaction; the message says what is known to be stored."""


class HalfPrecisionWarning(UserWarning):
    """An index is in half precision, because its vectors have more dimensions than fit in full."""


def at_row(error: Exception, row: int | None) -> Exception:
    """Return the error of row number ``row``, from 0: of the same class, with the row in its text and as ``row``."""
    if row is None:
        return error
    text = f"row {row}: {error}"
    try:
        located = type(error)(text)
    except TypeError:
        # UnicodeDecodeError and its like are made of five arguments.
        located = VectorError(text)
    vars(located)["row"] = row
    return located


class EmbeddingError(VectorError, ValueError):
    """Text that cannot become a vector: no embedder, one that cannot be used, or one that gave something else."""


class IndexMissed(UserWarning):
    """A slice of ``nearest()`` by a distance that no index of its field is for: it reads every row."""


class StaleEmbedding(UserWarning):
    """An ``update()``, or a text that the database computes, that may leave rows the vector of a text they lost."""


def frames_inside() -> int:
    """Return how far up the code stands that is neither ours nor djanorm's."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_back is not None and _is_inside(frame):
        frame, level = frame.f_back, level + 1
    return level


def _is_inside(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] in ("dorm", "dorm_vector")
