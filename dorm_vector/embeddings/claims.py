"""Lock rows for one worker, and read of which text and model their vectors are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..steps import Step
from .on_save import hash_name, model_name
from .pages import is_missing


class State(NamedTuple):
    """What a row says of its vector."""

    hash: str | None
    missing: bool
    model: str | None = None
    """None as well if the field does not record its models."""


def state_of(field: Any, row: Any) -> State:
    """Return the state of a row as it was read."""
    held = row.__dict__
    return State(held[hash_name(field)], is_missing(row), held[model_name(field)] if field.records_model else None)


def recorded(field: Any, *, missing: bool) -> str | None:
    """Return what is recorded as the model of a vector that the field's model computes."""
    return field.model_name if field.records_model and not missing else None


class States(Step):
    """Return the states of the rows with these keys, by key."""

    def __init__(self, queryset: Any, field: Any, keys: list[Any]) -> None:
        self._queryset, self._field, self._keys = queryset, field, keys

    def run(self, wrapper: Any) -> dict[Any, State]:
        connection = self._queryset._get_connection()
        return self._read([connection.execute(*statement) for statement in self._statements(connection)])

    async def arun(self, wrapper: Any) -> dict[Any, State]:
        connection = self._queryset._get_async_connection()
        return self._read([await connection.execute(*statement) for statement in self._statements(connection)])

    def _read(self, answers: list[list[Any]]) -> dict[Any, State]:
        read, rows = self._queryset.model._meta.pk.from_db_value, chain.from_iterable(answers)
        return {read(row["key"]): State(row["hash"], bool(row["missing"]), row["model"]) for row in rows}

    def _statements(self, connection: Any) -> Iterator[SQL]:
        yield self._statement(connection, self._keys)

    def _statement(self, connection: Any, keys: list[Any]) -> SQL:
        meta, field = self._queryset.model._meta, self._field
        key, loading = meta.pk.column, dialect_for(connection).loading
        columns = {"key": f'"{key}"', "hash": f'"{meta.get_field(hash_name(field)).column}"'}
        columns["missing"] = f'"{field.column}" IS NULL'
        columns["model"] = f'"{meta.get_field(model_name(field)).column}"' if field.records_model else "NULL"
        selected = ", ".join(f'{column} AS "{name}"' for name, column in columns.items())
        # In one order, so that no two workers wait for each other.
        sql = (
            f"SELECT {selected} FROM {loading.by_key.format(table=meta.db_table)}"
            f' WHERE "{key}" IN ({", ".join(["%s"] * len(keys))}) ORDER BY "{key}"{self._lock(loading)}'
        )
        return sql, [meta.pk.get_db_prep_value(key) for key in keys]

    def _lock(self, loading: Any) -> str:
        return ""


class Claim(States):
    """Lock the rows with these keys until the transaction ends, and return the states of those that were locked."""

    def __init__(self, queryset: Any, field: Any, keys: list[Any], *, waits: bool) -> None:
        super().__init__(queryset, field, keys)
        self._waits = waits

    def _statements(self, connection: Any) -> Iterator[SQL]:
        is_one = dialect_for(connection).loading.claims_one_row
        for keys in [[key] for key in self._keys] if is_one else [self._keys]:
            yield self._statement(connection, keys)

    def _lock(self, loading: Any) -> str:
        return f" {loading.claim}" if self._waits else f" {loading.claim} SKIP LOCKED"
