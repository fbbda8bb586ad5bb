"""What can go wrong, as one small family; every child is also a djanorm or builtin class."""

from __future__ import annotations

from dorm.exceptions import ImproperlyConfigured, MigrationError, ValidationError


class VectorError(Exception):
    """Catch this to catch every error of dorm_vector."""


class InvalidVector(VectorError, ValidationError):
    """A value that is no vector: NaN, infinity, a non-number, a value past the column's range."""


class DimensionMismatch(InvalidVector):
    """A vector of the wrong length, in a write or in a query."""


class UnsupportedByDatabase(VectorError, NotImplementedError):
    """Something this database cannot do; the message names what it can."""


class VectorsUnavailable(VectorError, ImproperlyConfigured):
    """The database could do it, but the extension or the version here is missing."""


class VectorsWouldBeLost(VectorError, MigrationError):
    """A migration that would destroy stored vectors; nothing has been changed."""
