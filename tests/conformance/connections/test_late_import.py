"""Connections that were opened before `import dorm_vector` know vectors, too: idle ones, and that of a transaction."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time

import pytest
from dorm.db.connection import reset_connections

from tests.databases import Database
from tests.helpers.project import ENVIRONMENT, ROOT

PROGRAM = """
import asyncio, json, sys
import dorm
from dorm.db.connection import get_async_connection, get_connection
from dorm.transaction import atomic

dorm.configure(DATABASES={"default": json.loads(sys.argv[1])}, INSTALLED_APPS=[])

async def main():
    await get_async_connection().execute("SELECT 1 AS one")
    assert "dorm_vector" not in sys.modules
    with atomic():
        get_connection().execute("SELECT 1 AS one")
        from tests.models import Document, Sample
        Document.objects.create(title="sync", embedding=[1, 2, 3])
        Sample.objects.create(title="s", full=[1, 2, 3], half=[1, 2, 3], bits=[1, 0, 1])
        found = Document.objects.nearest("embedding", [1, 2, 3])[:1]
        print([(row.title, list(row.embedding)) for row in found])
    await Document.objects.acreate(title="async", embedding=[3, 2, 1])
    found = Document.objects.nearest("embedding", [3, 2, 1])[:1]
    print([(row.title, list(row.embedding)) async for row in found])

asyncio.run(main())
"""


@pytest.mark.not_on("libsql", reason="its engine is of this package")
def test_connections_that_were_opened_before_the_import(db: Database) -> None:
    result = _run(db)
    for _ in range(10):
        if "locked by another process" not in result.stderr:
            break
        # A thread of an earlier test still closes its connection to Turso's file.
        time.sleep(0.5)
        result = _run(db)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["[('sync', [1.0, 2.0, 3.0])]", "[('async', [3.0, 2.0, 1.0])]"]


def _run(db: Database) -> subprocess.CompletedProcess[str]:
    reset_connections()  # Turso locks the file
    gc.collect()
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(db.settings)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
