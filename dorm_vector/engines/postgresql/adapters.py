"""Send vectors through psycopg: in pgvector's binary form, or as text where COPY requires text."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...values.bit import Bit
from ...values.sparse import SparseVector
from ...values.vector import HalfVector, Vector


@cache
def register() -> None:
    """Register our value classes with psycopg, for all connections opened from now on."""
    import psycopg
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

    # Registered globally, but only for our classes, because djanorm's pools accept no adapters of their own.
    for value_type in (Vector, HalfVector, SparseVector, Bit):
        psycopg.adapters.register_dumper(value_type, VectorTextDumper)
        # psycopg uses the dumper that was registered last for %s.
        psycopg.adapters.register_dumper(value_type, VectorBinaryDumper)
