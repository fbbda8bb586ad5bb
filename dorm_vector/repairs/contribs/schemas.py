"""Repairs of djanorm's look-ups on PostgreSQL, where several schemas have tables of one name."""

from __future__ import annotations

from typing import Any

from ...patching.registry import repair
from ...patching.stand_ins import finished

_SYNC = "dorm.db.backends.postgresql:PostgreSQLDatabaseWrapper"

_ASYNC = "dorm.db.backends.postgresql:PostgreSQLAsyncDatabaseWrapper"

_NAME = "tables_of_the_current_schema"

_EXISTS = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename = %s"

_COLUMNS = (
    "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = %s"
    " AND table_schema = (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = to_regclass(quote_ident(%s))) ORDER BY ordinal_position"
)


class _Asked:
    """A connection that records its queries."""

    vendor = "postgresql"

    def __init__(self) -> None:
        self.sql = ""

    def execute(self, sql: str, _params: Any = None) -> list[Any]:
        self.sql += sql
        return []


class _AskedAsync(_Asked):
    async def execute(self, sql: str, _params: Any = None) -> list[Any]:  # type: ignore[override]  # the async twin
        return super().execute(sql)


def _knows_schemas() -> bool:
    from dorm.db.backends.postgresql import PostgreSQLDatabaseWrapper as Wrapper

    asked: Any = _Asked()
    Wrapper.table_exists(asked, "t")
    Wrapper.get_table_columns(asked, "t")
    return "current_schema()" in asked.sql and "table_schema" in asked.sql


def _knows_schemas_async() -> bool:
    from dorm.db.backends.postgresql import PostgreSQLAsyncDatabaseWrapper as Wrapper

    asked: Any = _AskedAsync()
    finished(Wrapper.table_exists(asked, "t"))
    finished(Wrapper.get_table_columns(asked, "t"))
    return "current_schema()" in asked.sql and "table_schema" in asked.sql


def _inspects_schemas() -> bool:
    from dorm import inspect

    asked = _Asked()
    inspect.introspect_tables(asked)
    return "'public'" not in asked.sql


@repair(_SYNC, "table_exists", name=_NAME, is_fixed=_knows_schemas)
def tables_of_the_current_schema(_original: Any, wrapper: Any, table_name: str) -> bool:
    """Look for a table where it would be created: in the current schema.

    Symptom: under a second `search_path`, `create_table()` and `dorm migrate` create nothing, `inspectdb` reads the
    tables of `public`, and columns are listed once for each schema. Cause: djanorm asks for tables of that name in
    whichever schema. djanorm 4.3 to 4.5.
    """
    return bool(wrapper.execute(_EXISTS, [table_name]))


@repair(_ASYNC, "table_exists", name=_NAME, is_fixed=_knows_schemas_async)
async def _async_tables_of_the_current_schema(_original: Any, wrapper: Any, table_name: str) -> bool:
    return bool(await wrapper.execute(_EXISTS, [table_name]))


@repair(_SYNC, "get_table_columns", name=_NAME, is_fixed=_knows_schemas)
def _columns(_original: Any, wrapper: Any, table_name: str) -> list[dict[str, Any]]:
    return [_described(row) for row in wrapper.execute(_COLUMNS, [table_name, table_name])]


@repair(_ASYNC, "get_table_columns", name=_NAME, is_fixed=_knows_schemas_async)
async def _async_columns(_original: Any, wrapper: Any, table_name: str) -> list[dict[str, Any]]:
    return [_described(row) for row in await wrapper.execute(_COLUMNS, [table_name, table_name])]


def _described(row: Any) -> dict[str, Any]:
    described = dict(row)
    return {"name": described.pop("column_name"), **described}


class _OfCurrentSchema:
    """A connection that lists the tables of the current schema where it is asked for those of ``public``."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *params: Any) -> Any:
        return self._connection.execute(sql.replace("schemaname = 'public'", "schemaname = current_schema()"), *params)


@repair("dorm.inspect", "introspect_tables", name=_NAME, is_fixed=_inspects_schemas)
def _inspected(original: Any, connection: Any) -> Any:
    is_postgresql = getattr(connection, "vendor", "") == "postgresql"
    return original(_OfCurrentSchema(connection) if is_postgresql else connection)
