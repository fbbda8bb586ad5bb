"""Index declarations: what to build, on which columns, and with which options."""

from __future__ import annotations

from .._addresses import resolver

__getattr__ = resolver(__name__)
