"""A process that starts threads again and again keeps a constant number of open files and sockets."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.databases import Database
from tests.models import Document

DESCRIPTORS = Path("/proc/self/fd")
AT_ONCE = 10


def test_short_threads_leave_no_descriptor(db: Database) -> None:
    Document.objects.create(title="a", embedding=[3, 4, 0])
    # A login takes a tenth of a second.
    rounds = 3 if db.name in ("mysql", "mariadb") else 10
    # The first round opens what stays: pools, and the file's own.
    assert run(1) == ["a"] * AT_ONCE
    before = opened()
    assert run(rounds) == ["a"] * AT_ONCE * rounds
    assert opened() <= before + AT_ONCE


def run(rounds: int) -> list[str]:
    """Search in several threads at once, each of which ends, and return what they found."""
    found: list[str] = []

    def search() -> None:
        found.append(Document.objects.nearest("embedding", [3, 4, 1])[:1][0].title)

    for _ in range(rounds):
        threads = [threading.Thread(target=search) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def opened() -> int:
    return len(list(DESCRIPTORS.iterdir()))
