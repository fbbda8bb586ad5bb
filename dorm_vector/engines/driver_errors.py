"""Raise driver errors as djanorm's exceptions, including those at BEGIN and COMMIT, in a fetch and in a pool.

Each exception is also of the driver's class, so ``except psycopg.OperationalError`` still catches it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any, NoReturn

from dorm.db.utils import normalize_db_exception
from dorm.exceptions import DatabaseError, IntegrityError, OperationalError, ProgrammingError

from ..dialects.shared.driver_messages import damaged_index, missing_target
from ..dialects.shared.stored_lengths import stored_mismatch
from ..dialects.shared.unreadable_json import unreadable_json
from ..patching.registry import repair

_DRIVERS = frozenset({"aiomysql", "psycopg", "psycopg_pool", "pymysql", "sqlite3", "turso"})
# By the class names of PEP 249 if djanorm does not know the driver's; all others are OperationalError.
_BY_NAME: dict[str, type[DatabaseError]] = {"IntegrityError": IntegrityError, "ProgrammingError": ProgrammingError}


def raise_ours(error: Exception, sql: Any = "") -> None:
    """Raise djanorm's exception, also of the driver's class, if the error is a driver's or was caused by one.

    ``sql`` is the statement that failed, if one did.
    """
    driver = driver_error(error)
    if driver is None:
        _raise_told(error, sql)
    if driver is None or (driver is not error and isinstance(error, type(driver))):
        return
    ours = error if isinstance(error, DatabaseError) else _djanorms(driver)
    message = str(driver)
    if (told := damaged_index(message)) is not None:
        ours = OperationalError(told)
    elif (told := _told(message, str(sql))) is not None:
        ours = type(ours)(told)
    raise_as(stored_mismatch(message) or ours, driver)


def _raise_told(error: Exception, sql: Any) -> None:
    # libSQL's connections raise djanorm's exceptions themselves.
    told = _told(str(error), str(sql)) if isinstance(error, DatabaseError) else None
    if told is not None:
        raise type(error)(told) from error


def _told(message: str, sql: str) -> str | None:
    """Return what to say of a failed statement instead of the driver's words, or None."""
    return unreadable_json(message, sql) or missing_target(message, sql)


def raise_as(ours: Any, driver: Exception) -> NoReturn:
    """Raise an exception of this package that is also of the driver's class."""
    # Keep the driver's arguments, so that callers can read an error number; the text is the same.
    args = driver.args if str(ours) == str(driver) else ours.args
    raise _rebuilt(type(ours), type(driver), args, {**vars(driver), **vars(ours)}) from driver


@contextmanager
def raising_ours(sql: Any = "") -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise_ours(error, sql)
        raise


def driver_error(error: BaseException | None) -> Exception | None:
    """Return the driver's error that an exception of djanorm's was raised from, or the error if it is a driver's."""
    while isinstance(error, DatabaseError):
        error = error.__cause__
    if not isinstance(error, Exception):
        return None
    roots = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    return error if roots & _DRIVERS else None


def _djanorms(error: Exception) -> DatabaseError:
    try:
        normalize_db_exception(error)
    except DatabaseError as ours:
        return ours
    named = (_BY_NAME[cls.__name__] for cls in type(error).__mro__ if cls.__name__ in _BY_NAME)
    return next(named, OperationalError)(str(error))


@cache
def _both(ours: Any, driver: Any) -> Any:
    """Return a class that inherits from both, named after djanorm's."""

    def reduced(error: Exception) -> Any:
        state = {name: value for name, value in vars(error).items() if isinstance(value, int | str)}
        if getattr(sys.modules.get(driver.__module__), driver.__name__, None) is not driver:
            # Some of pyturso's are in no module.
            return ours, error.args, state
        return _rebuilt, (ours, driver, error.args, state)

    body = {"__module__": ours.__module__, "__qualname__": ours.__qualname__, "__reduce__": reduced}
    return type(ours.__name__, (ours, driver), body)


def _rebuilt(ours: Any, driver: Any, args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    cls = _both(ours, driver)
    # Past the driver's __init__, which may want what only the driver has.
    error = cls.__new__(cls, *args)
    vars(error).update(state)
    return error


class _LockedError(Exception):
    """An error as a driver raises it."""

    __module__ = "turso"


def _raise_locked(*_args: Any, **_options: Any) -> Any:
    raise _LockedError


class _Failing:
    """A connection, and a pool of them, that begins no transaction."""

    in_transaction = False
    execute = begin = connection = _raise_locked


def _translates(module: str, name: str) -> Callable[[], bool]:
    def is_fixed() -> bool:
        import importlib

        wrapper = getattr(importlib.import_module(module), name)({})
        wrapper.get_connection, wrapper._pool = _Failing, _Failing()
        try:
            with wrapper.atomic():
                pass
        except DatabaseError:
            return True
        except _LockedError:
            pass
        return False

    return is_fixed


def driver_errors(original: Any, *args: Any, **options: Any) -> Any:
    """Raise djanorm's exceptions for all that a driver raises; each is also of the driver's class.

    Symptom: ``pymysql.err.OperationalError``, ``psycopg.OperationalError``, ``turso.Error`` or
    ``sqlite3.OperationalError`` come out of a BEGIN, a COMMIT, a fetch or a script, and ``except dorm.DatabaseError``
    misses them: at a lost connection, a full disk, a lock, a deferred constraint. Cause: djanorm translates around the
    statement alone. djanorm 4.3 to 4.5.
    """
    # A context manager would cost each statement five calls.
    try:
        return original(*args, **options)
    except Exception as error:
        raise_ours(error, *args[1:2])
        raise


async def _awaited(original: Any, *args: Any, **options: Any) -> Any:
    try:
        return await original(*args, **options)
    except Exception as error:
        raise_ours(error, *args[1:2])
        raise


def _rows(original: Any, *args: Any, **options: Any) -> Iterator[Any]:
    with raising_ours(*args[1:2]):
        yield from original(*args, **options)


async def _async_rows(original: Any, *args: Any, **options: Any) -> AsyncIterator[Any]:
    with raising_ours(*args[1:2]):
        async for row in original(*args, **options):
            yield row


@contextmanager
def _block(original: Any, wrapper: Any) -> Iterator[None]:
    inside = SimpleNamespace(error=None)
    with _at_its_ends(inside), original(wrapper), _noting(inside):
        yield


@asynccontextmanager
async def _async_block(original: Any, wrapper: Any) -> AsyncIterator[None]:
    inside = SimpleNamespace(error=None)
    with _at_its_ends(inside):
        async with original(wrapper):
            with _noting(inside):
                yield


@contextmanager
def _noting(inside: Any) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        inside.error = error
        raise


@contextmanager
def _at_its_ends(inside: Any) -> Iterator[None]:
    """Translate errors of the block's begin and end; exceptions raised inside it pass unchanged."""
    try:
        yield
    except Exception as error:
        if error is not inside.error:
            raise_ours(error)
        raise
    finally:
        # Else the error would hold itself, by way of its frames.
        inside.error = None


_STATEMENTS = ("execute", "execute_write", "execute_insert", "execute_script")
_BULK = ("execute_bulk_insert", "execute_bulk_insert_returning")
_GUARDED: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("sqlite", "SQLite"): ((*_STATEMENTS, *_BULK, "commit", "_new_connection"), ("execute_streaming",)),
    ("postgresql", "PostgreSQL"): ((*_STATEMENTS, *_BULK, "copy_from"), ("execute_streaming", "copy_to")),
    ("mysql", "MySQL"): (_STATEMENTS, ("execute_streaming",)),
}


def _register(module: str, prefix: str, calls: tuple[str, ...], readers: tuple[str, ...]) -> None:
    module = f"dorm.db.backends.{module}"
    is_fixed = _translates(module, f"{prefix}DatabaseWrapper")

    def guard(kind: str, attribute: str, replacement: Any) -> None:
        repair(f"{module}:{prefix}{kind}", attribute, name="driver_errors", is_fixed=is_fixed)(replacement)

    for kind, call, read, block in (
        ("DatabaseWrapper", driver_errors, _rows, ("atomic", _block)),
        ("AsyncDatabaseWrapper", _awaited, _async_rows, ("aatomic", _async_block)),
    ):
        for attribute in calls:
            guard(kind, attribute, call)
        for attribute in readers:
            guard(kind, attribute, read)
        guard(kind, *block)


for (_module, _prefix), (_calls, _readers) in _GUARDED.items():
    _register(_module, _prefix, _calls, _readers)
