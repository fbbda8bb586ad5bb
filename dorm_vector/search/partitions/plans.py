"""Read which index serves a search in each partition, also where a partition is on another server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dorm.conf import settings
from dorm.db.connection import get_async_connection, get_connection
from dorm.queryset import _explain_row_to_str

from ...dialects.base import Dialect
from ...dialects.shared.groups import Partitions
from ...engines import dialect_for
from ...engines.statement import explained
from ...steps import Execute, Step, Steps, arun, run


@dataclass(frozen=True)
class PartitionPlan:
    """How one partition is searched: ``index`` names the declared index that serves it, or is None."""

    name: str
    server: str | None
    """The alias of the server that has it; None if it is in the database itself."""
    index: str | None
    plan: str
    """The other server's query plan; empty for a partition of the database itself, or if it could not be read."""
    has_index: bool = True
    """Whether there is a vector index at all; None of it is known of a server that is not in DATABASES."""

    def __str__(self) -> str:
        place = f"{self.name} on {self.server}" if self.server else self.name
        return f"{place}: {self.index or 'no index'}"


class OnAlias(Step):
    """Run steps over the connection of another database."""

    def __init__(self, alias: str, steps: Steps[Any]) -> None:
        self.alias, self.steps = alias, steps

    def run(self, wrapper: Any) -> Any:
        return run(self.steps, get_connection(self.alias))

    async def arun(self, wrapper: Any) -> Any:
        return await arun(self.steps, get_async_connection(self.alias))


def partition_plans(query: Any, connection: Any) -> Steps[tuple[PartitionPlan, ...]]:
    """Return how each partition that the search reads is searched; none if the table has no partitions."""
    rules, table = dialect_for(connection).partitions, query.get_table()
    if not isinstance(rules, Partitions):
        return ()
    parts = yield Execute(rules.parts, [table])
    if not parts:
        return ()
    sql, params = query.as_select(connection)
    rows = yield Execute(explained(sql, rules.explain), params)
    plan, found = "\n".join(_explain_row_to_str(row) for row in rows), []
    for part in parts:
        scan = _scan_of(str(part["name"]), plan)
        if scan is not None:
            found.append((yield from _partition(part, scan, plan, dialect_for(connection), rules)))
    return tuple(found)


def _partition(part: Any, scan: str, plan: str, dialect: Dialect, rules: Partitions) -> Steps[PartitionPlan]:
    name, server = str(part["name"]), part["server"]
    if server is None:
        indexes = yield Execute(rules.part_indexes, [name])
        return PartitionPlan(name, None, _used(indexes, plan, dialect), "", bool(indexes))
    if server not in settings.DATABASES:
        return PartitionPlan(name, server, None, "")
    sent = re.search(rules.remote_sql, scan)
    statement = sent[1] if sent is not None else ""
    found: PartitionPlan = yield OnAlias(server, _remote(name, server, str(part["remote"]), statement, rules))
    return found


def _remote(name: str, server: str, table: str, sql: str, rules: Partitions) -> Steps[PartitionPlan]:
    indexes = yield Execute(rules.part_indexes, [table])
    # Doubled, because the driver would read a single % as a placeholder.
    rows = (yield Execute(rules.remote_explain.format(sql=sql.replace("%", "%%")))) if sql else ()
    plan = "\n".join(_explain_row_to_str(row) for row in rows)
    dialect = dialect_for(get_connection(server))
    return PartitionPlan(name, server, _used(indexes, plan, dialect), plan, bool(indexes))


def _scan_of(name: str, plan: str) -> str | None:
    """Return the node of the plan that reads the partition; None if none does."""
    reads = re.compile(rf'\bon (?:"?\w+"?\.)?"?{re.escape(name)}"?\s')
    return next((node for node in re.split(r"^\s*->  ", plan, flags=re.MULTILINE) if reads.search(node)), None)


def _used(indexes: Sequence[Any], plan: str, dialect: Dialect) -> str | None:
    return next((str(row["declared"]) for row in indexes if dialect.uses_index(plan, str(row["name"]))), None)


def where_served(plans: Sequence[PartitionPlan]) -> str:
    """Return in which partitions an index serves the search, as the end of a sentence; empty without partitions."""
    served = [part.name for part in plans if part.index is not None]
    return f" in {len(served)} of {len(plans)} partitions: {', '.join(served)}" if served else ""


def unserved(plans: Sequence[PartitionPlan]) -> Iterator[tuple[str, str, str]]:
    """Yield code, problem and remedy of each partition that no index serves."""
    for part in plans:
        place = f"{part.name} on {part.server}" if part.server else part.name
        if part.index is not None:
            continue
        if part.server and part.server not in settings.DATABASES:
            yield "unknown-server", f"DATABASES has no {part.server!r} to ask for the plan of {part.name}.", "Add it."
        elif not part.has_index:
            remedy = "Build it there: OnEachServer(AddIndex(…), […])." if part.server else "Run: dorm migrate."
            yield "not-built", f"The partition {place} has no vector index.", remedy
        else:
            yield (
                "partition-read",
                f"Every row of the partition {place} is read: the planner estimates that it costs less.",
                "Nothing to do: its answer is exact. After a large load, run ANALYZE.",
            )
