"""How a database hands a value over, which some bytes leave open, and what reads the bytes that do."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Wire(Enum):
    """How a database hands over the vectors of its columns."""

    HEADED = "in pgvector's binary form, whose header names the length"
    PACKED = "as the packed numbers alone"
    TYPED = "packed, and the short elements with a last byte that names them"
    UNKNOWN = "in a form that only the bytes can tell"


Source = Callable[[], Wire]
"""Tells where the value at hand comes from; called only where its bytes can be read in two ways."""


def unknown() -> Wire:
    return Wire.UNKNOWN
