"""Server settings for the statement that builds an index."""

from __future__ import annotations

import re
from collections.abc import Mapping

BuildOptions = Mapping[str, int | str]

_MEMORY = re.compile(r"\d+(?:kB|MB|GB|TB)")

_WORKERS = range(1025)


def checked_build_options(owner: str, options: BuildOptions | None) -> dict[str, int | str]:
    """Return the options; raise ValueError for an unknown name or a value out of range."""
    for name, value in (options or {}).items():
        if name not in _WANTED:
            raise ValueError(f"{owner}(build_options): {name!r} is none. It takes {' and '.join(_WANTED)}.")
        if not _is_right(name, value):
            raise ValueError(f"{owner}(build_options): {name}={value!r}: want {_WANTED[name]}.")
    return dict(options or {})


_WANTED = {
    "maintenance_work_mem": 'a size such as "64MB" or "8GB"',
    "max_parallel_maintenance_workers": "a whole number from 0 to 1024",
}


def _is_right(name: str, value: object) -> bool:
    if name == "maintenance_work_mem":
        return isinstance(value, str) and _MEMORY.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and value in _WORKERS
