"""The async connection of djanorm's engine ``libsql``."""

from __future__ import annotations

from typing import Any

from ..patching.registry import repair

_MODULE = "dorm.db.backends.libsql"


@repair("dorm.db.connection", "_create_async_connection", fixed_in="5.0")
def turso_async(original: Any, alias: str, settings: Any) -> Any:
    """Give the async Turso wrapper the rows, transactions and streaming of the SQLite wrapper.

    Symptom: ``acount()`` and annotations raise TypeError on tuples; ``aatomic()`` raises AttributeError as the first
    call, deadlocks or rolls nothing back; ``aiterator(chunk_size)`` fails; ``abulk_create()`` returns no keys; each
    event loop leaves a thread and an open file behind. Cause: the wrapper opens connections differently from its base
    class, without a row factory, and commits after every statement. djanorm 4.3 to 4.5.
    """
    wrapper = original(alias, settings)
    return _as_turso_wrapper(wrapper) if type(wrapper).__module__ == _MODULE else wrapper


def _as_turso_wrapper(wrapper: Any) -> Any:
    """Return our wrapper instead of djanorm's, which has not opened anything yet."""
    from ..engines.turso.async_wrapper import TursoAsyncWrapper

    return TursoAsyncWrapper(wrapper.settings)
