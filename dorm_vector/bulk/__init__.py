"""Bulk loading and bulk reading."""

from __future__ import annotations

from .._addresses import resolver

__getattr__ = resolver(__name__)
