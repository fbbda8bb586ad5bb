"""What the numbers were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "dorm-vector",
    "djanorm",
    "numpy",
    "psycopg",
    "PyMySQL",
    "libsql",
    "pyturso",
    "sqlite-vec",
    "pgvector",
    "Django",
    "SQLAlchemy",
    "langchain-postgres",
)


def described() -> dict[str, str]:
    """Return the machine and the versions, by name."""
    return {
        "machine": f"{_processor()}, {_processors()}, {_memory()} of memory",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f} before the run",
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if not described.exists():
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in described.read_text().splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def _processors() -> str:
    """Return how many there are, and how many of them the run was kept to."""
    held = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{os.cpu_count()} processors" if held == os.cpu_count() else f"{held} of {os.cpu_count()} processors"


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"


def commit() -> str:
    """Return the commit that was measured, or nothing outside of a repository."""
    root = Path(__file__).parent
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()
