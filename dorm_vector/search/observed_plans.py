"""Read a search's plan from the database, the indexes that exist, and the plan if it had to use an index."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from dorm.queryset import _explain_row_to_str

from ..dialects.base import Dialect
from ..engines import dialect_for
from ..engines.connections import in_transaction
from ..engines.postgresql.citus import is_met, met
from ..engines.statement import explained
from ..expressions.scope import vector_field
from ..introspection import has_companions, indexes_of
from ..steps import Execute, Steps, arun, run
from .lost_rows import LookForLostRows, LostRows
from .partitions.plans import PartitionPlan, partition_plans
from .plans.choice import candidates_for, is_open, plan_for
from .plans.client_ranking import ClientRankingPlan
from .plans.estimates import estimated
from .plans.plan import Estimate, Purpose
from .tuning import Assigned


@dataclass(frozen=True)
class BuiltIndex:
    """A vector index in the database."""

    name: str
    valid: bool
    opclass: str = ""
    """The operator class, if the database reports one."""


@dataclass(frozen=True)
class Observed:
    """A search, and what the database reports about it."""

    query: Any
    dialect: Dialect
    plan: str
    built: Sequence[BuiltIndex]
    forced_plan: str = ""
    """The plan if a full scan counts as expensive; empty if the database has no such switch."""
    companions: bool = False
    """Whether the model declares a companion table that the database supports."""
    lost: Sequence[LostRows] = ()
    """The indexes that do not find all of their rows."""
    obstacles: Sequence[tuple[str, str, str]] = ()
    """Code, problem and remedy of each reason why a companion does not answer a search of the right shape."""
    connection: Any = None
    signs: str = ""
    """The index whose sign bits find the shortlist of the search."""
    estimate: Estimate | None = None
    """The rows that the choice of a plan was based on, if costs decided."""
    partitions: Sequence[PartitionPlan] = ()
    """How each partition that the search reads is searched."""

    def suggested(self, field: str, distance: str) -> str:
        """Return the declaration of an index that the database has for searches of the field by the distance."""
        kind = "Vec0Index" if "vec0" in self.dialect.companions else "HnswIndex"
        more = ', precision="bit"' if "signs" in self.dialect.companions else ""
        return f'{kind}(fields=[{field!r}], name="…", distance={distance!r}{more})'


def query_of(queryset: Any) -> Any:
    """Return the query as it would be sent, with the model's default ordering if it has none."""
    return queryset._iter_setup()[0]


def dialect_of(queryset: Any) -> Dialect:
    """Return the dialect of the queryset's database."""
    return dialect_for(queryset._get_connection())


def observe(queryset: Any, field_path: str) -> Observed:
    """Read the plan of a search, and the indexes on its column."""
    run(_met(queryset._get_connection()), queryset._get_connection())
    connection = queryset._get_connection()
    estimate = run(_estimate(query_of(queryset), connection), connection)
    signs, plan = run(_signs(query_of(queryset), connection), connection)
    plan = plan or _explained(queryset, connection)
    alone = in_transaction(connection) or not dialect_for(connection).planning.switch
    with nullcontext() if alone else connection.atomic():
        built, forced = run(_look(queryset, connection, field_path), connection)
    lost = LookForLostRows(queryset, field_path).run(connection) if field_path else []
    found = _observed(queryset, connection, plan, built, forced, lost)
    partitions = run(partition_plans(query_of(queryset), connection), connection) if field_path else ()
    return replace(found, estimate=estimate, signs=signs, partitions=partitions)


async def aobserve(queryset: Any, field_path: str) -> Observed:
    await arun(_met(queryset._get_async_connection()), queryset._get_async_connection())
    connection = queryset._get_async_connection()
    estimate = await arun(_estimate(query_of(queryset), connection), connection)
    signs, plan = await arun(_signs(query_of(queryset), connection), connection)
    plan = plan or await _aexplained(queryset, connection)
    alone = in_transaction(connection) or not dialect_for(connection).planning.switch
    async with nullcontext() if alone else connection.aatomic():
        built, forced = await arun(_look(queryset, connection, field_path), connection)
    lost = await LookForLostRows(queryset, field_path).arun(connection) if field_path else []
    found = _observed(queryset, connection, plan, built, forced, lost)
    partitions = await arun(partition_plans(query_of(queryset), connection), connection) if field_path else ()
    return replace(found, estimate=estimate, signs=signs, partitions=partitions)


def _met(connection: Any) -> Steps[None]:
    if not is_met(connection):
        yield from met(connection)


def _explained(queryset: Any, connection: Any) -> str:
    """Return the plan of a search, with that of every shard."""
    every_shard = dialect_for(connection).planning.every_shard
    with nullcontext() if in_transaction(connection) or not every_shard else connection.atomic():
        before = run(_showing(connection, "'on'"), connection)
        plan: str = queryset.explain()
        run(_showing(connection, before), connection)
    return plan


async def _aexplained(queryset: Any, connection: Any) -> str:
    every_shard = dialect_for(connection).planning.every_shard
    async with nullcontext() if in_transaction(connection) or not every_shard else connection.aatomic():
        before = await arun(_showing(connection, "'on'"), connection)
        plan: str = await queryset.aexplain()
        await arun(_showing(connection, before), connection)
    return plan


def _showing(connection: Any, value: str) -> Steps[str]:
    """Make plans show every shard or not; return the setting, in SQL, that this replaces."""
    planning = dialect_for(connection).planning
    if not planning.every_shard:
        return ""
    (before,) = yield Execute(planning.shows_every_shard)
    yield Execute(planning.every_shard.format(value=value))
    return f"'{before['value']}'"


def _signs(query: Any, connection: Any) -> Steps[tuple[str, str]]:
    """Return the index whose sign bits find the shortlist, and the plan of that; empty if none does."""
    plan: Any = plan_for(query, connection, Purpose.STATEMENT) if query.search is not None else None
    if not isinstance(plan, ClientRankingPlan) or not (yield from plan.has_shortlist()):
        return "", ""
    sql, params = plan.reading(query, connection)
    explain = dialect_for(connection).planning
    rows = yield Execute(f"{explain.explain.format(format=f' FORMAT={explain.explain_format}')} {sql}", params)
    return plan.index_name(), "\n".join(_explain_row_to_str(row) for row in rows)


def _estimate(query: Any, connection: Any) -> Steps[Estimate | None]:
    has_choice = query.ranks() and is_open(query, dialect_for(connection))
    if not (has_choice and candidates_for(query, connection, Purpose.STATEMENT)):
        return None
    return (yield from estimated(query, connection, fresh=True))


def _observed(queryset: Any, connection: Any, plan: str, built: Any, forced: str, lost: list[LostRows]) -> Observed:
    query, dialect = query_of(queryset), dialect_for(connection)
    if not has_companions(query.model, dialect):
        return Observed(query, dialect, plan, built, forced, lost=lost, connection=connection)
    # Imported late, because few models have a companion.
    from .plans.companion import obstacles_of

    obstacles = list(obstacles_of(query, connection))
    return Observed(query, dialect, plan, built, forced, companions=True, obstacles=obstacles, connection=connection)


def _look(queryset: Any, connection: Any, field_path: str) -> Steps[tuple[list[BuiltIndex], str]]:
    dialect = dialect_for(connection)
    built: list[BuiltIndex] = []
    if field_path and dialect.planning.built_indexes:
        field = vector_field(queryset.model, field_path)
        rows = yield Execute(dialect.planning.built_indexes, [field.model._meta.db_table, field.column])
        built = [BuiltIndex(str(row["name"]), bool(row["valid"]), str(row["opclass"])) for row in rows]
    if not dialect.planning.switch:
        return built, ""
    off = Assigned(dialect, {dialect.planning.switch: "'off'"})
    (before,) = yield Execute(off.reading())
    yield Execute(off.setting())
    sql, params = query_of(queryset).as_select(connection)
    rows = yield Execute(explained(sql, "EXPLAIN"), params)
    yield off.restored(before)
    return built, "\n".join(_explain_row_to_str(row) for row in rows)


__all__ = ["BuiltIndex", "Observed", "aobserve", "indexes_of", "observe", "query_of", "vector_field"]
