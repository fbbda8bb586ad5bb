"""Wire formats of the databases, and the source that resolves bytes that fit two formats."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Wire(Enum):
    """How a database returns the vectors of its columns."""

    HEADED = "in pgvector's binary form, whose header names the length"
    PACKED = "as the packed numbers alone"
    TYPED = "packed, and the short elements with a last byte that names them"
    UNKNOWN = "in a form that only the bytes can tell"


Source = Callable[[], Wire]
"""Returns where the current value comes from; called only if its bytes can be read in two ways."""


def unknown() -> Wire:
    return Wire.UNKNOWN
