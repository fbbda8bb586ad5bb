"""A process that is killed while it writes can leave a full-text index of Turso damaged; a rebuild repairs it."""

from __future__ import annotations

import os
import signal
from typing import Any

import dorm
import pytest
import turso
from dorm.db.connection import reset_connections

from dorm_vector import bulk_load, rebuild_index, text_search
from tests.databases import Database
from tests.models import Article

KILLS, ROWS = 40, 20
pytestmark = pytest.mark.not_on("sqlite", "libsql", "postgresql", "mariadb", "mysql", reason="it is Turso's fault")


def test_the_error_says_how_to_repair_it(db: Database) -> None:
    reset_connections()  # Turso opens a file in one process at a time
    acknowledged = 0
    while (blocks := _killed(db, acknowledged // ROWS % 7 + 1)) is not None:
        acknowledged += blocks * ROWS
        assert acknowledged < KILLS * 4 * ROWS, "Turso has repaired this: the error's text can go"
    db.use()
    with pytest.raises(dorm.OperationalError, match=r"is damaged.*by rebuild_index\(Model, name\)"):
        _load_until_it_fails()
    rebuild_index(Article, "article_words")
    rows = Article.objects.count()
    assert rows >= acknowledged
    bulk_load(Article, [{"headline": "word"}] * ROWS)
    assert len(text_search(Article, text="word", limit=10_000)) == rows + ROWS


def _load_until_it_fails() -> None:
    """Write until the damaged part of the index would be merged."""
    for _ in range(KILLS):
        bulk_load(Article, [{"headline": f"word {number}"} for number in range(ROWS)])


def _killed(db: Database, blocks: int) -> int | None:
    """Write some blocks in another process, which is killed in one more; return how many, None if the last failed."""
    pid = os.fork()
    if pid == 0:
        try:
            _write(turso.connect(db.settings["NAME"], experimental_features="index_method"), blocks)
        except turso.Error:
            os._exit(1)
        os.kill(os.getpid(), signal.SIGKILL)
    return blocks if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL else None


def _write(connection: Any, blocks: int) -> None:
    for block in range(blocks + 1):
        connection.execute("BEGIN")
        rows = [(f"word {number}", 1) for number in range(ROWS)]
        connection.executemany("INSERT INTO tests_article (head, pages) VALUES (?, ?)", rows)
        if block < blocks:
            connection.execute("COMMIT")
