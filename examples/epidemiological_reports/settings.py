"""The project's settings, for the `dorm` command and for the server. DATABASE_URL chooses the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("reports.sqlite3")

DATABASES: dict[str, Any] = {"default": os.environ.get("DATABASE_URL", f"sqlite:///{FILE}")}
INSTALLED_APPS = ["dorm_vector", "examples.epidemiological_reports.reports"]
