"""How the whole suite is shared out among processes: each takes a database's cases, or a file, from start to end.

So that a server is started once, what is loaded into it is loaded once, and one test follows another as in one process.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

import backends

DATABASES = frozenset(backends.names())
MOST_PROCESSES = 4  # more would only wait for the longest
# The longest start first: at the end, nothing would be left to run at the same time.
LONGEST_FIRST = ("test_the_suite_passes", "mysql", "mariadb", "libsql", "postgresql", "turso", "sqlite")


def share_of(nodeid: str) -> str:
    """Name what a test is run with."""
    file, _, name = nodeid.partition("::")
    if name == "test_the_suite_passes":
        return name
    parameter = re.search(r"\[(\w+)", name)
    return parameter[1] if parameter and parameter[1] in DATABASES else file


def place_of(nodeid: str) -> int:
    share = share_of(nodeid)
    return LONGEST_FIRST.index(share) if share in LONGEST_FIRST else len(LONGEST_FIRST)


class ByDatabase(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
