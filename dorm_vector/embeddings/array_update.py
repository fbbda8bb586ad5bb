"""Write many rows in one statement whose parameters are whole columns: its text is the same for any number of rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from ..dialects.shared.operands import SQL
from ..values.wire import FloatArray

_AS_TEXT = (int, str, UUID)
"""Keys that the server reads from their text."""


def are_texts(keys: list[Any]) -> bool:
    """Return whether an array of texts can hold the keys."""
    return all(isinstance(key, _AS_TEXT) for key in keys)


def array_update(
    fields: list[Any], keys: list[Any], columns: list[list[Any]], known: tuple[Any, list[str]], connection: Any
) -> SQL:
    """Return the statement that writes ``columns`` to the rows of ``keys`` whose hash is still the known one."""
    meta, (hash_field, hashes) = fields[0].model._meta, known
    kinds = tuple((field.column, _length(field), field.db_type(connection)) for field in fields)
    vectors = [values for (_, length, _), values in zip(kinds, columns, strict=True) if length]
    others = [values for (_, length, _), values in zip(kinds, columns, strict=True) if not length]
    sql = _written(meta.db_table, meta.pk.column, _kind(meta.pk, connection), hash_field.column, kinds)
    floats = [FloatArray(b"".join(value for value in values if value is not None)) for values in vectors]
    # A row without a vector has no part of the floats.
    places = [_starts(vectors[0], _length(fields[0]))] if vectors else []
    return sql, [*floats, [str(key) for key in keys], hashes, *places, *others]


def _length(field: Any) -> int:
    return int(field.dimensions) if hasattr(field, "to_vector") else 0


def _kind(key: Any, connection: Any) -> str:
    """Return the type of a key; a serial is declared, not stored."""
    kind: str = (getattr(key, "rel_db_type", None) or key.db_type)(connection)
    return kind


def _starts(vectors: list[Any], length: int) -> list[int | None]:
    starts, at = [], 1
    for vector in vectors:
        starts.append(at if vector is not None else None)
        at += length if vector is not None else 0
    return starts


@lru_cache(64)
def _written(table: str, key: str, kind: str, known: str, kinds: tuple[tuple[str, int, str], ...]) -> str:
    assignments, arrays, names = [], ["%s::text[]", "%s::text[]"], ["key", "known"]
    if any(length for _, length, _ in kinds):
        arrays, names = [*arrays, "%s::int[]"], [*names, "at"]
    for number, (column, length, column_kind) in enumerate(kinds):
        if length:
            assignments.append(f'"{column}" = (%s::real[])[v.at : v.at + {length - 1}]::{column_kind}')
        else:
            assignments.append(f'"{column}" = v.c{number}')
            arrays, names = [*arrays, "%s::text[]"], [*names, f"c{number}"]
    return (
        f'UPDATE "{table}" SET {", ".join(assignments)} FROM unnest({", ".join(arrays)}) AS v({", ".join(names)})'
        f' WHERE "{table}"."{key}" = CAST(v.key AS {kind}) AND COALESCE("{table}"."{known}", \'\') = v.known'
    )
