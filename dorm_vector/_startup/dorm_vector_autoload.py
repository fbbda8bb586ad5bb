"""Import dorm_vector when the ``dorm`` command starts, so that its commands know vectors in every project.

Python runs this at startup, through dorm_vector_autoload.pth, because djanorm loads no plug-ins: ``dorm inspectdb``
imports no application, and the options of ``dorm makemigrations`` are read before the settings. Other programs import
nothing more. ``DORM_VECTOR_AUTOLOAD=0`` turns it off.
"""

from __future__ import annotations

import os
import sys
from typing import Any


class Autoload:
    """Find ``dorm.cli`` with the other finders, once dorm_vector has been imported."""

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> Any:
        if name != "dorm.cli":
            return None
        from importlib import import_module
        from importlib.util import find_spec

        sys.meta_path.remove(Autoload)
        import_module("dorm_vector")
        return find_spec(name)


if os.environ.get("DORM_VECTOR_AUTOLOAD") != "0":
    sys.meta_path.insert(0, Autoload)
