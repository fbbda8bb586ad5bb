"""Exceptions and warnings of dorm_vector; each exception is also a djanorm or built-in class."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from dorm.exceptions import ImproperlyConfigured, MigrationError, OperationalError, ValidationError


class VectorError(Exception):
    """Catch this to catch every error of dorm_vector."""


class InvalidVector(VectorError, ValidationError):
    """A value that is not a vector: NaN, infinity, a non-number or a value outside the column's range."""


class DimensionMismatch(InvalidVector):
    """A vector of the wrong length, in a write or a query."""


class StoredDimensionMismatch(DimensionMismatch, OperationalError):
    """A distance to a stored vector of another length, which the database refused; also of the driver's class."""


class UnsuitableDistance(VectorError, TypeError):
    """A distance that the column's elements do not have, such as Hamming on numbers."""


class UnsuitableFunction(VectorError, TypeError):
    """A function or an aggregate that the elements do not have, such as the norm of bits."""


class UnsupportedByDatabase(VectorError, NotImplementedError):
    """An operation that this database does not support; the message names the alternatives."""


class VectorsUnavailable(VectorError, ImproperlyConfigured):
    """An operation that the database supports, but whose extension or version is missing here."""


class VectorsWouldBeLost(VectorError, MigrationError):
    """A migration that would destroy stored vectors; it changed nothing."""


class IndexWouldWait(VectorError, MigrationError):
    """A concurrent index build that would wait for its own migration; it built nothing."""


class ConnectionLost(VectorError, OperationalError):
    """The connection was lost, or the server aborted the transaction; the message states what is known to be stored."""

    may_be_stored = False
    """Whether the connection was lost during COMMIT, so that the outcome is unknown."""


class StatementTimeout(VectorError, OperationalError):
    """A statement took longer than ``OPTIONS["statement_timeout"]``; it is also of the driver's class."""


class FederatedSearchError(VectorError, OperationalError):
    """A search of several databases of which some did not answer; the message names each one, with its error."""

    failed: Mapping[str, Exception] = {}
    """The error of each database that did not answer, by alias."""


class PartialAnswer(UserWarning):
    """Documents from a store of several databases of which some did not answer, with ``on_error="partial"``."""


class PgvectorTooOld(UserWarning):
    """A pgvector with a known bug that can damage an index; the message names the version that fixes it."""


class UntestedDatabase(UserWarning):
    """A server that only speaks the protocol of a supported database, and on which nothing was ever run."""


class IndexBuiltOtherwise(UserWarning):
    """An index is built in another form than declared, because this database has none of that form."""


class HalfPrecisionWarning(UserWarning):
    """An index is built in half precision, because its vectors have more dimensions than full precision allows."""


def at_row(error: Exception, row: int | None) -> Exception:
    """Return the error of row number ``row`` (0-based): same class, with the row in its text and as ``row``."""
    if row is None:
        return error
    text = f"row {row}: {error}"
    try:
        located = type(error)(text)
    except TypeError:
        # UnicodeDecodeError and similar classes take five arguments.
        located = VectorError(text)
    vars(located)["row"] = row
    return located


class EmbeddingError(VectorError, ValueError):
    """Text that cannot be embedded: the embedder is missing, unusable, or returned something other than a vector."""


class CopyRefused(VectorError, ValueError):
    """A copy to a database that is not ready for it; nothing was copied."""


class CopyDiffers(VectorError):
    """A copy that does not equal its source; ``differences`` has the first rows that differ."""

    differences: tuple[Any, ...] = ()


class IndexMissed(UserWarning):
    """A ``nearest()`` slice by a distance that no index of its field supports: it reads every row."""


class VectorsDropped(UserWarning):
    """A migration that an earlier release wrote drops stored vectors; newer migrations must allow it explicitly."""


class StaleEmbedding(UserWarning):
    """An ``update()`` or a database-computed text that may leave rows with the vector of their previous text."""


class OtherEmbeddingModel(UserWarning):
    """A search by text among vectors of another embedding model: their distances mean nothing."""


@contextmanager
def required(extra: str) -> Iterator[None]:
    """Raise ImportError, naming the dorm-vector extra to install, if a module in the block is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is not installed. Install it: pip install "dorm-vector[{extra}]"') from error


def frames_inside() -> int:
    """Return how many frames up the first caller outside dorm_vector and djanorm is, as a ``stacklevel``."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_back is not None and _is_inside(frame):
        frame, level = frame.f_back, level + 1
    return level


def _is_inside(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] in ("dorm", "dorm_vector")
