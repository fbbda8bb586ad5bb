"""Distances, functions and aggregates, and the scope in which they are compiled."""

from __future__ import annotations

from .._addresses import resolver

__getattr__ = resolver(__name__)
