"""A cache folder per user, so that later starts need no downloads."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache(name: str) -> Path:
    """Return the path of an entry, which may not exist yet, in an existing folder that only the user can access."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "dorm-vector"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / name


@contextmanager
def only_one_process(name: str) -> Iterator[None]:
    """Wait for other processes of this user with the same lock; the lock is released when its holder ends."""
    with cache(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
