"""The Euclidean lengths that every database measures: most square the numbers in float32.

Beyond them a square is infinite or zero, and pgvector, sqlite-vec, libSQL, Turso and MariaDB return a distance of
infinity, of zero or in the wrong direction. MariaDB stores no vector of length 2^64.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from ..exceptions import InvalidVector
from .elements import Element

SHORTEST, LONGEST = 2.0**-56, 2.0**63
_SMALLEST, _GREATEST = SHORTEST**2 * 1.01, LONGEST**2 * 0.99  # squared; what is closer is measured exactly

# Halves have no such lengths, and bits have none.
_LONG = (Element.FLOAT32, Element.SPARSE)


def require_measurable(vector: Any) -> None:
    """Raise InvalidVector if databases cannot measure distances to the vector; a vector of zeros is measurable."""
    if vector.element not in _LONG or (vector.element is Element.FLOAT32 and is_ordinary(vector)):
        return
    length = _length(vector)
    if length and not SHORTEST <= length < LONGEST:
        raise InvalidVector(
            f"its length is {length:.2g}, and databases measure lengths from {SHORTEST:.2g} to {LONGEST:.2g}."
            " Scale it, for example to length 1; VectorField(…, normalize=True) does that."
        )


def is_ordinary(packed: bytes) -> bool:
    """Return True if all numbers are finite and the length is within both limits; False if numpy is not imported yet.

    It is faster than exact sums in Python.
    """
    np = sys.modules.get("numpy")
    if np is None:
        return False
    values = np.frombuffer(packed, dtype="<f4").astype("f8")  # in float32, a square may overflow with a warning
    return bool(_SMALLEST < values.dot(values) < _GREATEST)


def _length(vector: Any) -> float:
    return math.hypot(*(vector.values() if vector.element is Element.SPARSE else vector.to_list()))
