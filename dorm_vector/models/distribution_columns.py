"""Save rows of a distributed table without assigning its distribution column, which Citus refuses."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from ..engines.postgresql.citus import cluster_of, distribution_column, is_met, met
from ..exceptions import UnsupportedByDatabase
from ..introspection import key_names
from ..steps import Execute, Steps, Write, arun, run
from .generated_fields import _written

_WHEN = re.compile(r" WHEN (%s|\$\d+) THEN")


def saved(original: Any, instance: Any, connection: Any, meta: Any, names: Any = None) -> Any:
    """Update a row; on Citus, without assigning its key or its distribution column."""
    if not is_spread(connection):
        return original(instance, connection, meta, names)
    update = _Update(instance, meta, names, run(distribution_column(connection, meta.db_table), connection))
    return original(instance, _OfShard(connection, update), update.meta, update.names) if update.is_needed() else None


async def asaved(original: Any, instance: Any, connection: Any, meta: Any, names: Any = None) -> Any:
    if not await is_spread_async(connection):
        return await original(instance, connection, meta, names)
    column = await arun(distribution_column(connection, meta.db_table), connection)
    update = _Update(instance, meta, names, column)
    if not update.is_needed():
        return None
    return await original(instance, _OfShardAsync(connection, update), update.meta, update.names)


def is_spread(connection: Any) -> bool:
    """Return whether the server is a Citus cluster; ask it, if it is not known."""
    if not is_met(connection):
        run(met(connection), connection)
    return cluster_of(connection) is not None


async def is_spread_async(connection: Any) -> bool:
    if not is_met(connection):
        await arun(met(connection), connection)
    return cluster_of(connection) is not None


class _Update:
    """The UPDATE of one row of a distributed table."""

    def __init__(self, instance: Any, meta: Any, names: Collection[str] | None, column: str) -> None:
        self.instance, self.column = instance, column
        keys = {meta.get_field(name).column for name in key_names(type(instance))}
        self.is_by_key = column in ("", *keys)
        self.meta = _written(meta, lambda field: field.column in {*keys, column})
        self.names = None if names is None else [name for name in names if self._is_assigned(name, {*keys, column})]

    def _is_assigned(self, name: str, keys: set[str]) -> bool:
        return self.meta.get_field(name).column not in keys

    def is_needed(self) -> bool:
        """Return whether a column remains to be assigned."""
        return any(field.column for field in self.meta.fields) if self.names is None else bool(self.names)

    def steps(self, sql: str, params: Any) -> Steps[int]:
        """Run the UPDATE on the shard of the row; raise UnsupportedByDatabase if the row is on another one."""
        field = next((each for each in self.instance._meta.concrete_fields if each.column == self.column), None)
        if self.is_by_key or field is None or field.attname not in self.instance.__dict__:
            count: int = yield Write(sql, params)
            return count
        value = field.get_db_prep_value(self.instance.__dict__[field.attname])
        count = yield Write(f'{sql} AND "{self.column}" = %s', [*params, value])
        if not count:
            yield from self._require_gone(field)
        return count

    def _require_gone(self, field: Any) -> Steps[None]:
        meta, pk = self.instance._meta, self.instance.pk
        names = key_names(type(self.instance))
        values = pk if len(names) > 1 else [pk]
        condition = " AND ".join(f'"{meta.get_field(name).column}" = %s' for name in names)
        if (yield Execute(f'SELECT 1 AS found FROM "{meta.db_table}" WHERE {condition}', list(values))):
            raise UnsupportedByDatabase(
                f"{self.instance!r}: Citus keeps a row on the shard of its {field.name}, which distributes"
                f" {meta.db_table}, and cannot change it. Delete the row, and create it with the new value."
            )


class _OfShard:
    """A connection that runs one UPDATE."""

    def __init__(self, connection: Any, update: _Update) -> None:
        self._connection, self._update = connection, update

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute_write(self, sql: str, params: Any = None) -> Any:
        return run(self._update.steps(sql, params or ()), self._connection)


class _OfShardAsync(_OfShard):
    async def execute_write(self, sql: str, params: Any = None) -> Any:
        return await arun(self._update.steps(sql, params or ()), self._connection)


def by_conditions(built: tuple[str, list[Any]], model: Any, connection: Any) -> tuple[str, list[Any]]:
    """Return a bulk update that names its key in each condition, on Citus."""
    if cluster_of(connection) is None:
        return built
    sql, params = built
    key = f'"{model._meta.pk.column}"'
    return _WHEN.sub(rf" WHEN {key} = \1 THEN", sql.replace(f"= CASE {key} WHEN", "= CASE WHEN")), params
