"""Errors for missing optional packages."""

from __future__ import annotations

from ..exceptions import required

__all__ = ["required"]
