"""Replicas of Turso servers: each database is a file in the folder, with its own server to push to."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from backends import Settings, turso
from backends.servers import sync_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    with turso.launch(directory) as local, sync_server.serving_a_file(directory.absolute() / "server.turso") as url:
        yield {**local, "SYNC_URL": url}


BACKEND = replace(turso.BACKEND, name="tursodb", source=sync_server.PROGRAM.source, launch=launch, reached_by="turso")
