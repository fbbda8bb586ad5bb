"""Load sqlite-vec into every SQLite connection, in the best way that this Python supports.

1. ``loadable extension``: ``enable_load_extension``, the usual way.
2. ``auto extension``: if Python was built without it, the SQLite library that ``_sqlite3`` links loads sqlite-vec into
   every connection that it opens from then on. Native speed.
3. ``numpy functions``: numpy implementations under sqlite-vec's names, several times slower. Warns once.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from enum import StrEnum
from functools import cache, partial
from typing import Any

from ...dialects.shared.companions import Companion
from ...exceptions import VectorsUnavailable
from . import functions


class SqliteVecTier(StrEnum):
    """How this process provides sqlite-vec's functions to SQLite."""

    LOADABLE_EXTENSION = "loadable extension"
    AUTO_EXTENSION = "auto extension"
    NUMPY_FUNCTIONS = "numpy functions"


@cache
def sqlite_vec_tier() -> SqliteVecTier:
    """Return how sqlite-vec is loaded in this process: the best of the three ways that works."""
    if _can_load_extensions():
        return SqliteVecTier.LOADABLE_EXTENSION
    if _register_auto_extension():
        return SqliteVecTier.AUTO_EXTENSION
    return SqliteVecTier.NUMPY_FUNCTIONS


def load_sqlite_vec_extension(raw_connection: Any) -> None:
    """Provide sqlite-vec's functions, and those that it lacks, on a raw ``sqlite3.Connection``; idempotent.

    Raises:
        VectorsUnavailable: sqlite-vec is not installed.
    """
    if not _is_loaded(raw_connection):
        _load_best(raw_connection)
    functions.create(raw_connection)


def load_into_open(wrapper: Any) -> None:
    """Provide the functions on the connections that a wrapper opened before dorm_vector was imported."""
    # Where sqlite-vec is missing, the first statement that needs it says so.
    with suppress(VectorsUnavailable):
        for raw in [*getattr(wrapper, "_conns", {}).values()]:
            load_sqlite_vec_extension(raw)
        opened = vars(wrapper).get("_conn")
        if opened is not None:
            sqlite_vec_tier()
            # The raw connection may be used only in aiosqlite's own thread, and this call is not awaited.
            opened._tx.put_nowait((None, partial(load_sqlite_vec_extension, opened._conn)))


def _load_best(raw_connection: Any) -> None:
    tier = sqlite_vec_tier()
    if tier is SqliteVecTier.LOADABLE_EXTENSION:
        _load(raw_connection)
    elif tier is SqliteVecTier.NUMPY_FUNCTIONS or not _is_loaded(raw_connection):
        # A connection that was opened before the auto extension was registered does not have it either.
        _warn_once()
        _create_numpy_functions(raw_connection)


def _is_loaded(raw_connection: Any) -> bool:
    import sqlite3

    try:
        raw_connection.execute("SELECT vec_version()")
    except sqlite3.OperationalError:
        return False
    return True


def _can_load_extensions() -> bool:
    import sqlite3

    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        return False
    connection = sqlite3.connect(":memory:")
    try:
        _load(connection)
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def _load(raw_connection: Any) -> None:
    raw_connection.enable_load_extension(True)
    try:
        _sqlite_vec().load(raw_connection)
    finally:
        raw_connection.enable_load_extension(False)


def _sqlite_vec() -> Any:
    try:
        import sqlite_vec
    except ImportError as error:
        raise VectorsUnavailable(
            'SQLite needs the sqlite-vec package for vectors. Install it: pip install "dorm-vector[sqlite]".'
        ) from error
    return sqlite_vec


def _register_auto_extension() -> bool:
    """Make the SQLite library behind ``_sqlite3`` load sqlite-vec into each new connection."""
    import _sqlite3
    import ctypes

    try:
        # dlsym on the module finds the symbols of the SQLite library that it links, not those of another copy.
        register = ctypes.CDLL(_sqlite3.__file__).sqlite3_auto_extension
        extension = _shared_library()
    except (OSError, AttributeError):
        return False
    return register(ctypes.cast(extension.sqlite3_vec_init, ctypes.c_void_p)) == 0 and _works_on_a_new_connection()


def _shared_library() -> Any:
    import ctypes

    path = _sqlite_vec().loadable_path()
    for suffix in (".so", ".dylib", ".dll"):
        try:
            return ctypes.CDLL(path + suffix)
        except OSError:
            continue
    raise OSError(f"{path} has no shared library for this platform.")


def _works_on_a_new_connection() -> bool:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    try:
        return _is_loaded(connection)
    finally:
        connection.close()


@cache
def _warn_once() -> None:
    warnings.warn(
        "sqlite-vec cannot be loaded into this Python's SQLite; numpy computes the distances, several times slower."
        " Use a Python built with --enable-loadable-sqlite-extensions.",
        RuntimeWarning,
        stacklevel=4,
    )


def _create_numpy_functions(raw_connection: Any) -> None:
    from . import numpy_functions

    for name, function in numpy_functions.FUNCTIONS.items():
        raw_connection.create_function(name, function.__code__.co_argcount, function, deterministic=True)


NO_EXTENSION = (
    "sqlite-vec itself cannot be loaded into this Python's SQLite, and its stand-in has no vec0."
    " Use a Python built with --enable-loadable-sqlite-extensions."
)


def is_served(companion: Companion) -> bool:
    """Return whether this process can read the companion."""
    return not companion.needs_extension or sqlite_vec_tier() is not SqliteVecTier.NUMPY_FUNCTIONS
