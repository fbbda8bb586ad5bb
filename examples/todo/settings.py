"""The project's settings. DATABASE_URL chooses the database."""

from __future__ import annotations

import os
from pathlib import Path

FILE = Path(__file__).with_name("todo.sqlite3")

DATABASES = {"default": os.environ.get("DATABASE_URL", f"sqlite:///{FILE}")}
INSTALLED_APPS = ["dorm_vector", "examples.todo.tasks"]
