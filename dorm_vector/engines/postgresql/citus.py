"""Recognize a Citus cluster: once per djanorm connection, when its pool first checks out a connection."""

from __future__ import annotations

import re
import time
from typing import Any

from ...dialects import dialect_named
from ...patching.registry import hook
from ...steps import Execute, Steps, run

_POSTGRESQL = "dorm.db.backends.postgresql"

SECONDS = 10.0
"""How long a distribution column is remembered, because another process may distribute the table."""

_KNOWN = "_dorm_vector_citus"

_PLACEHOLDER = re.compile("%[s%]")


class Cluster:
    """A Citus cluster, and the distribution column of each table that was asked for, "" if it has none, until when."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.columns: dict[str, tuple[float, str]] = {}


def cluster_of(connection: Any) -> Cluster | None:
    """Return the Citus cluster behind a djanorm connection; None if there is none, or no statement was sent yet."""
    found: Cluster | None = getattr(connection, _KNOWN, None)
    return found


def is_met(connection: Any) -> bool:
    """Return whether it is known what server this is; that of other databases is."""
    return getattr(connection, "vendor", "") != "postgresql" or hasattr(connection, _KNOWN)


def met(connection: Any) -> Steps[None]:
    """Ask the server whether it is a Citus cluster."""
    remember(connection, (yield Execute(_facts().VERSION)))


def asked_again(connection: Any) -> bool:
    """Return whether the server is a Citus cluster by now: a migration may just have created the extension."""
    is_possible = getattr(connection, "vendor", "") == "postgresql"
    if is_possible:
        run(met(connection), connection)
    return is_possible and cluster_of(connection) is not None


def remember(connection: Any, rows: Any) -> None:
    """Remember what the server answered: a row with the version of Citus, or none."""
    # A search has a connection of its own, around djanorm's.
    facts = vars(vars(connection).get("_connection", connection))
    facts[_KNOWN] = Cluster(str(rows[0]["version"])) if rows else None
    if rows:
        # What dialect_for() returns from now on.
        facts["known_dialect"] = dialect_named("clusters.citus")


def distribution_column(connection: Any, table: str) -> Steps[str]:
    """Return the column that distributes a table over the shards; "" if it is not distributed by one."""
    columns = getattr(connection, _KNOWN).columns
    until, column = columns.get(table, (0.0, ""))
    if until <= time.monotonic():
        rows = yield Execute(_facts().DISTRIBUTED_BY, [table])
        column = str(rows[0]["name"]) if rows else ""
        columns[table] = time.monotonic() + SECONDS, column
    found: str = column
    return found


def with_literals(sql: str, params: Any) -> str:
    """Return a statement with its parameters as literals: Citus sends them to workers whose SQL has them already."""
    from psycopg.adapt import Transformer  # imported late, because other databases have other drivers

    transformer = Transformer()
    values = iter([transformer.as_literal(value).decode().replace("%", "%%") for value in params])
    return _PLACEHOLDER.sub(lambda found: next(values) if found.group() == "%s" else found.group(), sql)


def _facts() -> Any:
    # Imported late, because few servers are part of a cluster.
    from ...dialects.clusters import citus

    return citus


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "_get_pool", name="recognize_citus")
def recognize_citus(original: Any, wrapper: Any) -> Any:
    """Ask the first connection that the pool gives whether its server is a Citus cluster."""
    pool = original(wrapper)
    if _is_asked(wrapper, pool):
        pool._check = _Recognition(wrapper, pool)
    return pool


@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "_get_pool", name="recognize_citus")
async def _recognize_citus_async(original: Any, wrapper: Any) -> Any:
    pool = await original(wrapper)
    if _is_asked(wrapper, pool):
        pool._check = _AsyncRecognition(wrapper, pool)
    return pool


def _is_asked(wrapper: Any, pool: Any) -> bool:
    """Return whether the next connection of the pool is to be asked; a pool without checks leaves that to searches."""
    return not is_met(wrapper) and hasattr(pool, "_check") and not isinstance(pool._check, _Recognition)


@hook(f"{_POSTGRESQL}:PostgreSQLDatabaseWrapper", "execute_bulk_insert", name="keys_in_order")
def keys_in_order(original: Any, wrapper: Any, sql: str, params: Any = None, **options: Any) -> Any:
    """Return generated keys in the order of the rows: Citus returns rows as its shards do."""
    keys = original(wrapper, sql, params, **options)
    return keys if cluster_of(wrapper) is None else _in_order(keys)


@hook(f"{_POSTGRESQL}:PostgreSQLAsyncDatabaseWrapper", "execute_bulk_insert", name="keys_in_order")
async def _keys_in_order_async(original: Any, wrapper: Any, sql: str, params: Any = None, **options: Any) -> Any:
    keys = await original(wrapper, sql, params, **options)
    return keys if cluster_of(wrapper) is None else _in_order(keys)


def _in_order(keys: list[Any]) -> list[Any]:
    # The coordinator takes them from a sequence, row by row. Others are given with the rows, or inserted one at a time.
    return sorted(keys) if all(isinstance(key, int) for key in keys) else keys


class _Recognition:
    """The check of a pool's connections, with a question to the first."""

    def __init__(self, wrapper: Any, pool: Any) -> None:
        self.wrapper, self.pool, self.check = wrapper, pool, pool._check

    def __call__(self, connection: Any) -> None:
        if self.check is not None:
            self.check(connection)
        was_automatic = connection.autocommit
        connection.autocommit = True
        try:
            rows = connection.execute(_facts().VERSION).fetchall()
        finally:
            connection.autocommit = was_automatic
        self._learned(rows)

    def _learned(self, rows: Any) -> None:
        remember(self.wrapper, rows)
        self.pool._check = self.check


class _AsyncRecognition(_Recognition):
    async def __call__(self, connection: Any) -> None:  # type: ignore[override]  # the async pool awaits it
        if self.check is not None:
            await self.check(connection)
        try:
            await connection.set_autocommit(True)
            rows = await (await connection.execute(_facts().VERSION)).fetchall()
            await connection.set_autocommit(False)
        except BaseException:
            # As for any check: psycopg leaves a connection in autocommit whose check was cancelled.
            await connection.close()
            raise
        self._learned(rows)
