"""A disk that is full: the load that fails leaves nothing, those before it stay, and with space the next one works."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import dorm
import pytest

from dorm_vector import abulk_load, bulk_load
from tests.chaos import workers
from tests.chaos.faults import Faults
from tests.databases import Database, create_tables
from tests.models import Note

ROWS, MEGABYTE = 20, 1 << 20
MOUNT, UMOUNT = (shutil.which(program) or program for program in ("mount", "umount"))
SIZE, BALLAST = 4 * MEGABYTE, 2 * MEGABYTE
pytestmark = pytest.mark.not_on("postgresql", "mariadb", "mysql", reason="they write on another machine's disk")


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """Make the folder a small disk, or where nobody may mount one, limit the size of files; yield what gives space."""
    ballast = folder / "ballast"
    mount = [MOUNT, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        ballast.write_bytes(bytes(BALLAST))
        yield ballast.unlink
        subprocess.run([UMOUNT, str(folder)], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE - BALLAST, limits[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def inside(database: Database, folder: Path) -> Database:
    key, value = ("URL", f"file:{folder}/full.libsql") if "URL" in database.settings else ("NAME", f"{folder}/full")
    return replace(database, settings={**database.settings, key: value})


def rows(title: str) -> list[dict[str, Any]]:
    return [
        {"slug": f"{title} {number}", "source": title, "body": "word " * 800, "embedding": [number] * 6}
        for number in range(ROWS)
    ]


def load(title: str) -> None:
    bulk_load(Note, rows(title), batch_size=5)


def aload(title: str) -> None:
    workers.run(abulk_load(Note, rows(title), batch_size=5))


def fill(work: Callable[[str], None], promised: list[str]) -> None:
    for number in count():
        work(str(number))
        promised += [str(number)] * ROWS


@pytest.mark.parametrize("work", [load, aload])
def test_loads(db: Database, tmp_path: Path, faults: Faults, work: Callable[[str], None]) -> None:
    with small_disk(tmp_path) as give_space:
        there = inside(db, tmp_path)
        there.use()
        create_tables(there.connection)
        promised: list[str] = []
        with pytest.raises(dorm.DatabaseError):
            fill(work, promised)
        assert promised, "the disk was full before the first load"
        give_space()
        work("with space")
        stored = list(Note.objects.values_list("source", flat=True))
        name = "bulk_load()" if work is load else "abulk_load()"
        faults.count(f"a full disk in `{name}`", acknowledged=[*promised, *["with space"] * ROWS], stored=stored)
        if work is aload:
            workers.stop()
        db.use()
