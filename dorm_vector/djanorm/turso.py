"""Repairs of djanorm's engine ``libsql``, and of pyturso beneath it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dorm.db.utils import raise_migration_hint
from dorm.exceptions import IntegrityError, OperationalError, ProgrammingError

from .repairs import repair

# Those who wait are not served in turn: for sixteen writers the 5 seconds of Python's sqlite3 were not always enough.
PATIENCE = "PRAGMA busy_timeout = 30000"
# Vectors need none; an index of texts does. A connection without keeps such an index, and cannot make one.
FEATURES = "vector,index_method"
_MODULE = "dorm.db.backends.libsql"
_SYNC = f"{_MODULE}:LibSQLDatabaseWrapper"


@repair(_SYNC, "_new_connection")
def turso_patience(original: Any, wrapper: Any) -> Any:
    """Wait for the lock of another writer, as the sqlite3 module does.

    Symptom: with several threads most writes fail at once: ``database is locked``. Cause: pyturso waits for nothing
    unless told to. djanorm 4.3 to 4.5, pyturso 0.6 to 0.8.
    """
    connection = original(wrapper)
    connection.execute(PATIENCE)
    return connection


@repair(_MODULE, "_import_turso")
def turso_text_indexes(original: Any) -> Any:
    """Open Turso with its full-text index.

    Symptom: ``CREATE INDEX … USING fts`` is refused. Cause: pyturso wants the feature by name, and djanorm names
    another one. djanorm 4.3 to 4.5, pyturso 0.7 to 0.8.
    """
    return _WithFeatures(original())


@repair(_MODULE, "_import_turso_sync", name="turso_text_indexes")
def _import_turso_sync(original: Any) -> Any:
    return _WithFeatures(original())


class _WithFeatures:
    """pyturso, where whoever asks for a feature gets all that we need: a call's own, for threads connect at once."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def connect(self, *args: Any, **options: Any) -> Any:
        asked = {"experimental_features": FEATURES} if "experimental_features" in options else {}
        return self._driver.connect(*args, **(options | asked))


@repair("dorm.db.connection", "_create_async_connection")
def turso_async(original: Any, alias: str, settings: Any) -> Any:
    """Give the async wrapper of a local file the rows, the transactions and the streaming of the SQLite one.

    Symptom: ``acount()`` and annotations raise TypeError on tuples; ``aatomic()`` raises AttributeError as the first
    call, deadlocks or rolls nothing back; ``aiterator(chunk_size)`` fails; ``abulk_create()`` returns no keys; each
    event loop leaves a thread and an open file behind. Cause: the wrapper opens connections another way than the
    class it inherits from, without a row factory, and commits after every statement. djanorm 4.3 to 4.5.
    """
    wrapper = original(alias, settings)
    if type(wrapper).__module__ == _MODULE and not wrapper.sync_url:
        from .turso_async import adopt

        adopt(wrapper)
    return wrapper


@repair("dorm.db.backends.sqlite", "normalize_db_exception")
def turso_errors(original: Any, error: Exception) -> None:
    """Raise djanorm's exceptions where pyturso raised its own.

    Symptom: ``except dorm.IntegrityError`` misses a duplicate key, and ``get_or_create()`` does not retry. Cause:
    djanorm translates the exceptions of sqlite3 and psycopg alone. djanorm 4.3 to 4.5.
    """
    if not type(error).__module__.startswith("turso."):
        original(error)
        return
    raise_migration_hint(error)
    raise _translated(error)(str(error)) from error


@repair(_SYNC, "execute", name="turso_errors")
def _execute(original: Any, wrapper: Any, sql: str, params: Any = None) -> Any:
    # pyturso computes a row when it is fetched, and djanorm fetches outside of its own try.
    with _translating():
        return original(wrapper, sql, params)


@repair(_SYNC, "execute_streaming", name="turso_errors")
def _execute_streaming(original: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
    with _translating():
        yield from original(*args, **kwargs)


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith("turso."):
            raise_migration_hint(error)
            raise _translated(error)(str(error)) from error
        raise


def _translated(error: Exception) -> type[Exception]:
    """Return what djanorm raises on SQLite for the same mistake."""
    translations = {"IntegrityError": IntegrityError, "ProgrammingError": ProgrammingError}
    return translations.get(type(error).__name__, OperationalError)
