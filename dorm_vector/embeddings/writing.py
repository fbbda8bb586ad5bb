"""Write the embeddings of many rows: in few statements, and only to rows that still have the hash that was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from dorm.queryset import QuerySet

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..steps import Steps, Update
from .array_update import are_texts, array_update
from .on_save import hash_name

_ROWS = 200
"""Rows of a statement; the database looks each one up in a list of them."""


class Writing:
    """The values to write to rows, by primary key; ``hashes`` are those that were read."""

    def __init__(self, field: Any, names: list[str], hashes: Mapping[Any, str | None]) -> None:
        self._field, self._names, self._hashes = field, names, hashes
        self._values: dict[Any, list[Any]] = {}
        self._rows: list[Any] = []

    def add(self, row: Any, values: Iterable[Any]) -> None:
        """Add a row, with the value of each of the names."""
        self._rows.append(row)
        self._values[row.pk] = list(values)

    def write(self, queryset: Any) -> Steps[None]:
        """Write them, in one transaction."""
        if self._rows:
            found: Any = QuerySet(queryset.model, queryset._db)
            found.bulk_statement = self._statement
            yield Update(found, self._rows, self._names, _ROWS)

    def _statement(self, batch: list[Any], connection: Any) -> SQL:
        meta = batch[0]._meta
        columns = [meta.get_field(name) for name in self._names]
        dialect, keys = dialect_for(connection), [row.pk for row in batch]
        bound, known = [meta.pk.get_db_prep_value(key) for key in keys], meta.get_field(hash_name(self._field))
        if dialect.loading.array_parameters and are_texts(bound):
            values = [[self._values[key][place] for key in keys] for place in range(len(columns))]
            return array_update(columns, bound, values, (known, [self._hashes[key] or "" for key in keys]), connection)
        stored, table = dialect.stored, dialect.loading.by_key.format(table=meta.db_table)
        cases = tuple(
            (each.column, (stored if hasattr(each, "to_vector") else "{column}").format(column=f'"{each.column}"'))
            for each in columns
        )
        sql = _written(table, meta.pk.column, known.column, cases, len(batch))
        params: list[Any] = []
        for place in range(len(cases)):
            for key, value in zip(bound, keys, strict=True):
                params += (key, self._values[value][place])
        params += bound
        for key, value in zip(bound, keys, strict=True):
            params += (key, self._hashes[value] or "")
        return sql, params


@lru_cache(64)
def _written(table: str, key: str, known: str, cases: tuple[tuple[str, str], ...], count: int) -> str:
    pairs = " WHEN %s THEN %s" * count
    assignments = ", ".join(f'"{column}" = CASE "{key}"{pairs} ELSE {stored} END' for column, stored in cases)
    return (
        f'UPDATE {table} SET {assignments} WHERE "{key}" IN ({", ".join(["%s"] * count)})'
        f""" AND COALESCE("{known}", '') = CASE "{key}"{pairs} END"""
    )
