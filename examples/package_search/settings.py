"""The project's settings, for the `dorm` command and for `python -m examples.package_search`."""

from __future__ import annotations

import os
from pathlib import Path

FILE = Path(__file__).with_name("packages.sqlite3")

DATABASES = {"default": os.environ.get("DATABASE_URL", f"sqlite:///{FILE}")}
INSTALLED_APPS = ["dorm_vector", "examples.package_search.packages"]
