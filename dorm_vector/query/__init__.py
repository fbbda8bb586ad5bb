"""The SELECT compiler."""

from __future__ import annotations

from .._addresses import resolver

__getattr__ = resolver(__name__)
