"""The address of the registry that programs know: which repairs there are, and whether one is on."""

from __future__ import annotations

from ..patching.registry import REPAIRS, Repair, install, is_on, repair, switched_off

__all__ = ["REPAIRS", "Repair", "install", "is_on", "repair", "switched_off"]
