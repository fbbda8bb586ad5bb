"""The project's settings, for the `dorm` command and for `python -m examples.rag_over_own_models`."""

from __future__ import annotations

import os
from pathlib import Path

FILE = Path(__file__).with_name("manual.sqlite3")

DATABASES = {"default": os.environ.get("DATABASE_URL", f"sqlite:///{FILE}")}
INSTALLED_APPS = ["dorm_vector", "examples.rag_over_own_models.manual"]
