"""Send vectors through psycopg: in pgvector's binary form, or as text where COPY requires text."""

from __future__ import annotations

import gc
from functools import cache
from typing import Any

from ...values.bit import Bit
from ...values.sparse import SparseVector
from ...values.vector import HalfVector, Vector
from ...values.wire import FloatArray


@cache
def register() -> None:
    """Register our value classes with psycopg, for all connections opened from now on."""
    import psycopg

    _register(psycopg.adapters)


@cache
def register_on_open(_wrapper: Any) -> None:
    """Register them with open connections, too, because each has a copy of psycopg's earlier adapters.

    A pool lists only its idle connections, so ask the garbage collector for those that are in use, too.
    """
    import psycopg

    for found in gc.get_objects():
        if issubclass(type(found), psycopg.BaseConnection):
            _register(found.adapters)


def _register(adapters: Any) -> None:
    # Globally, but only for our classes, because djanorm's pools accept no adapters of their own.
    for value_type in (Vector, HalfVector, SparseVector, Bit, FloatArray):
        for dumper in _dumpers():  # psycopg uses the one that was registered last for %s
            adapters.register_dumper(value_type, dumper)


@cache
def _dumpers() -> tuple[Any, Any]:
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class VectorTextDumper(Dumper):
        def dump(self, obj: Any) -> bytes:
            return bytes(obj.to_text(), "ascii")

    class VectorBinaryDumper(Dumper):
        # No OID: the statement casts with ::vector, and the OID of the type differs between databases.
        format = Format.BINARY

        def dump(self, obj: Any) -> bytes:
            return bytes(obj.to_binary())

    return VectorTextDumper, VectorBinaryDumper
