"""Repair of djanorm's async PostgreSQL connections: one pool per event loop."""

from __future__ import annotations

from typing import Any

from ..engines import event_loops
from ..patching.registry import hook, repair, repair_attributes

_WRAPPER = "dorm.db.backends.postgresql:PostgreSQLAsyncDatabaseWrapper"


@repair_attributes(_WRAPPER, event_loops.POOL, fixed_in="5.0")
@repair(_WRAPPER, "_get_pool", fixed_in="5.0")
@repair(_WRAPPER, "_get_autocommit_conn", name="pool_per_loop", fixed_in="5.0")
async def pool_per_loop(original: Any, wrapper: Any) -> Any:
    """Give each event loop its own pool.

    Symptom: ``the pool is already closed``, or a wait of half a minute for a connection, as soon as two threads each
    run an event loop. Cause: the process has one async pool, and each loop that uses it closes the pool of the previous
    loop. djanorm 4.3 to 4.5.
    """
    event_loops.per_event_loop(wrapper, event_loops.POOL)
    event_loops.release(wrapper, event_loops.closed(wrapper), _close)
    return await original(wrapper)


@hook(_WRAPPER, "pool_stats", name="pools_of_all_loops")
def pools_of_all_loops(original: Any, wrapper: Any) -> dict[str, Any]:
    """Report the statistics of all event loops' pools together, and close all of them."""
    if not event_loops.is_of_all_loops(wrapper):
        alone: dict[str, Any] = original(wrapper)
        return alone
    stats: dict[str, Any] = {"open": False, "vendor": wrapper.vendor}
    for here in tuple(wrapper._loops.values()):
        if here.get("_pool") is not None:
            stats["open"] = True
            for name, value in {**here["_pool"].get_stats(), **_sizes(wrapper)}.items():
                stats[name] = stats.get(name, 0) + value
    return stats


def _sizes(wrapper: Any) -> dict[str, int]:
    return {"min_size": wrapper._min_size, "max_size": wrapper._max_size}


@hook(_WRAPPER, "force_close_sync", name="pools_of_all_loops")
def _close_all(original: Any, wrapper: Any) -> None:
    if event_loops.is_of_all_loops(wrapper):
        event_loops.release(wrapper, event_loops.closed(wrapper), _close)
        event_loops.release(wrapper, tuple(wrapper._loops), original)
    else:
        original(wrapper)


def _close(wrapper: Any) -> None:
    """Close the pool of one closed loop, which release() has selected.

    djanorm's way keeps each pool for ever, and with it the connections that the cancelled tasks of the loop held.
    """
    pool, alone = wrapper._pool, wrapper._autocommit_conn
    wrapper._pool = wrapper._loop = wrapper._autocommit_conn = None
    if alone is not None:
        alone.pgconn.finish()
    if pool is not None:
        event_loops.close_opened(pool)


_KEYS = (
    "SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attidentity <> '' OR"
    " coalesce(starts_with(pg_get_expr(d.adbin, d.adrelid), 'nextval('), false) AS numbered FROM pg_index i"
    " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE i.indisprimary AND i.indrelid = to_regclass(quote_ident(%s))"
)
_NUMBERED = {"smallint": "SmallAutoField", "integer": "AutoField", "bigint": "BigAutoField"}


class _OneTable:
    """A database of one table with a key, for the probe."""

    vendor = "postgresql"

    def execute(self, sql: str, _params: Any = None) -> list[dict[str, Any]]:
        if "pg_tables" in sql:
            return [{"tablename": "item"}]
        return [{"name": "id", "type": "bigint", "numbered": True}] if "indisprimary" in sql else []

    def get_table_columns(self, _table: str) -> list[dict[str, Any]]:
        return [{"name": "id", "data_type": "bigint", "is_nullable": "NO"}]


def _knows_the_key() -> bool:
    from dorm import inspect

    return "primary_key=True)" in inspect.render_models(inspect.introspect_tables(_OneTable()))


@repair("dorm.inspect", "introspect_tables", is_fixed=_knows_the_key)
def keys_in_inspection(original: Any, connection: Any) -> list[dict[str, Any]]:
    """Write the primary key in ``dorm inspectdb`` on PostgreSQL, as an AutoField where the database numbers the rows.

    Symptom: every model has a plain ``id``, and "introspector did not find an explicit PK". Cause: the query for the
    columns does not return the key. djanorm 4.3 to 4.5.
    """
    tables: list[dict[str, Any]] = original(connection)
    for table in tables if connection.vendor == "postgresql" else ():
        keys = {row["name"]: row for row in connection.execute(_KEYS, [table["name"]])}
        for column in table["columns"] if len(keys) == 1 else ():
            key = keys.get(column["name"])
            if key is not None:
                field = _NUMBERED.get(key["type"]) if key["numbered"] else None
                column.update(is_pk=True, data_type=field or column["data_type"])
    return tables


@repair("dorm.inspect", "_map_type", name="keys_in_inspection", is_fixed=_knows_the_key)
def _map_type(original: Any, data_type: str, vendor: str) -> Any:
    return (data_type, {}) if data_type in _NUMBERED.values() else original(data_type, vendor)
