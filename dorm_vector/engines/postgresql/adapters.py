"""How psycopg sends a Vector: in pgvector's binary form, or as text where COPY wants text."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...values.bit import Bit
from ...values.sparse import SparseVector
from ...values.vector import HalfVector, Vector


@cache
def register() -> None:
    """Teach psycopg our value classes, for every connection opened from now on."""
    import psycopg
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class VectorTextDumper(Dumper):
        def dump(self, obj: Any) -> bytes:
            return bytes(obj.to_text(), "ascii")

    class VectorBinaryDumper(Dumper):
        # No type: the statement says ::vector, and the type's OID differs from database to database.
        format = Format.BINARY

        def dump(self, obj: Any) -> bytes:
            return bytes(obj.to_binary())

    # For all of psycopg, and for our classes alone: djanorm's pools take no adapters of their own.
    for value_type in (Vector, HalfVector, SparseVector, Bit):
        psycopg.adapters.register_dumper(value_type, VectorTextDumper)
        # The last one registered is the one that %s takes.
        psycopg.adapters.register_dumper(value_type, VectorBinaryDumper)
