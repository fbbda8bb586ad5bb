"""Many rows in and out."""

from __future__ import annotations

from .._addresses import resolver

__getattr__ = resolver(__name__)
