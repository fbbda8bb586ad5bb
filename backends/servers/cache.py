"""What a second start need not fetch again: one folder per user."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache(name: str) -> Path:
    """Return the path of an entry, which may not exist yet, in a folder that does and is the user's alone."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "dorm-vector"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / name


@contextmanager
def only_one_process(name: str) -> Iterator[None]:
    """Wait for every other process of this user that does the same; the lock ends with its holder."""
    with cache(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
