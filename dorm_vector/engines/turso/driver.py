"""pyturso: features, errors and replicas."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dorm.db import utils
from dorm.exceptions import ImproperlyConfigured, IntegrityError, OperationalError, ProgrammingError

from ...patching.registry import hook, repair
from ...patching.stand_ins import Statements
from .. import forked_files

_MODULE = "dorm.db.backends.libsql"
_SYNC = f"{_MODULE}:LibSQLDatabaseWrapper"
_LOCKED_BY_ANOTHER_PROCESS = "Failed locking file"

# djanorm's exceptions on SQLite for the same errors; all others become OperationalError.
_TRANSLATIONS: dict[str, type[Exception]] = {"IntegrityError": IntegrityError, "ProgrammingError": ProgrammingError}


class _UniqueError(Exception):
    """An error as pyturso raises it; djanorm recognizes it by its class name and module."""

    __module__ = "turso"


_UniqueError.__name__ = "IntegrityError"


class _Failing(Statements):
    """A Turso connection that computes a row when it is fetched, and fails then."""

    def execute(self, sql: str, params: Any = None) -> Any:
        return self

    def fetchall(self) -> Any:
        raise _UniqueError


def _translates() -> bool:
    return _raises_ours(lambda: sys.modules["dorm.db.backends.sqlite"].normalize_db_exception(_UniqueError()))


def _translates_what_is_fetched() -> bool:
    wrapper = sys.modules["dorm.db.backends.libsql"].LibSQLDatabaseWrapper({})
    wrapper._local.conn = _Failing()
    return _raises_ours(lambda: wrapper.execute("SELECT 1"))


def _raises_ours(work: Callable[[], Any]) -> bool:
    try:
        work()
    except IntegrityError:
        return True
    except _UniqueError:
        pass
    return False


@repair("dorm.db.backends.sqlite", "normalize_db_exception", is_fixed=_translates)
def turso_errors(original: Any, error: Exception) -> None:
    """Raise djanorm's exceptions in place of pyturso's.

    Symptom: ``except dorm.IntegrityError`` misses a duplicate key, and ``get_or_create()`` does not retry. Cause:
    djanorm translates only the exceptions of sqlite3 and psycopg. djanorm 4.3 to 4.5.
    """
    raise_turso_error(error)
    original(error)


@repair(_SYNC, "execute", name="turso_errors", is_fixed=_translates_what_is_fetched)
def _execute(original: Any, wrapper: Any, sql: str, params: Any = None) -> Any:
    # pyturso computes a row when it is fetched, and djanorm fetches outside its own try block.
    with _translating():
        return original(wrapper, sql, params)


@repair(_SYNC, "execute_streaming", name="turso_errors", is_fixed=_translates_what_is_fetched)
def _execute_streaming(original: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
    with _translating():
        yield from original(*args, **kwargs)


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise_turso_error(error)
        raise


def raise_turso_error(error: Exception) -> None:
    # BusySnapshot is defined in the module itself, and is not a subclass of turso.Error.
    if type(error).__module__.partition(".")[0] == "turso":
        utils.raise_migration_hint(error)
        raise _TRANSLATIONS.get(type(error).__name__, OperationalError)(str(error)) from error


# Waiting connections are not served in order: with sixteen writers, the 5 seconds of Python's sqlite3 were too short.
PATIENCE = "PRAGMA busy_timeout = 30000"

# Vectors need no feature, but a text index does. A connection without it maintains such indexes, but cannot create one.
FEATURES = "vector,index_method"


def replica_of(wrapper: Any) -> Any:
    """Return the wrapper if it has a server; otherwise raise ImproperlyConfigured."""
    if not wrapper.sync_url:
        raise ImproperlyConfigured(
            f"Turso: {wrapper.database} has no server to push to or to pull from. Name one as SYNC_URL in DATABASES."
        )
    return wrapper


@hook(_MODULE, "_import_turso")
@hook(_MODULE, "_import_turso_sync", name="turso_text_indexes")
def turso_text_indexes(original: Any) -> Any:
    """Enable full-text indexes on Turso.

    Symptom: ``CREATE INDEX … USING fts`` is rejected. Cause: pyturso requires the name of the feature, and djanorm
    passes another one. djanorm 4.3 to 4.5, pyturso 0.7 to 0.8.
    """
    return _WithFeatures(original())


class _WithFeatures:
    """pyturso with all features we need, set per call, because threads connect concurrently."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def connect(self, *args: Any, **options: Any) -> Any:
        asked = {"experimental_features": FEATURES} if "experimental_features" in options else {}
        return self._driver.connect(*args, **(options | asked))


@hook(_MODULE, "_import_turso_aio")
def turso_async_rows(original: Any) -> Any:
    """Enable full-text indexes on async Turso connections, and rows with column names, such as that of a distance."""
    return _AsyncWithFeatures(original())


class _AsyncWithFeatures(_WithFeatures):
    async def connect(self, *args: Any, **options: Any) -> Any:
        from turso import Row

        connection = await super().connect(*args, **options)
        connection.row_factory = Row
        return connection


@hook(_SYNC, "_new_connection")
def one_process(original: Any, wrapper: Any) -> Any:
    """Explain the error of opening a file that another process has open."""
    with one_process_at_a_time(wrapper):
        return forked_files.share(original(wrapper))


@hook(_SYNC, "close")
def unlocked_files(original: Any, wrapper: Any) -> None:
    """Unlock the file of every connection that is closed."""
    connections = list(wrapper._conns.values())
    original(wrapper)
    for connection in connections:
        let_go(connection)


def let_go(connection: Any) -> None:
    """Free the driver's own object of a closed connection, which locks the file while it lives.

    The traceback of an error that somebody caught refers to the cursor, and the cursor to the connection.
    """
    if not hasattr(connection, "replica"):
        connection._conn = None


def is_open_elsewhere(error: BaseException) -> bool:
    """Return whether a file could not be opened because another process has it open."""
    return any(_LOCKED_BY_ANOTHER_PROCESS in str(found) for found in (error, error.__cause__))


@contextmanager
def one_process_at_a_time(wrapper: Any) -> Iterator[None]:
    """Explain the error that opening a file raises while another process has it open."""
    try:
        yield
    except Exception as error:
        if not is_open_elsewhere(error):
            raise
        raise OperationalError(
            f"Turso: {wrapper.database} is open in another process, and Turso opens a file in one process at a time."
            " Before you fork, close it in the parent: dorm.db.connection.close_all(). For several processes, use a"
            " server, or ENGINE sqlite or hrana."
        ) from error
