"""Run a search: set the server options that it needs, and complete its rows on arrival.

An index returns only the candidates that pass the filter, and not always in order. So a slice of ``nearest()``
requests enough candidates, sorts the rows on arrival, and repeats the search exactly if rows are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from dorm.db.utils import awith_transient_retry, with_transient_retry

from ..dialects.base import Dialect
from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..engines.connections import in_transaction
from ..engines.postgresql.citus import is_met, met, with_literals
from ..engines.statement import Statement, explained, is_binary, searches_in
from ..introspection import has_companions
from ..steps import Execute, Steps, Write, arun, run
from ..telemetry.observers import current, fell_back
from .compiled import CompiledSearch, whole_search
from .options import Options, block_options, checked
from .plans.choice import is_open, plan_for
from .plans.estimates import estimated
from .plans.plan import ExactPlan, Purpose
from .tuning import Assigned, Tuning
from .width import rows_asked

Kind = type[Execute] | type[Write]


def searching(connection: Any, options: Options, model: Any) -> Any:
    """Return the connection for one statement of a queryset that may contain searches."""
    dialect = dialect_for(connection)
    has_index = dialect.is_approximate or dialect.index_use.probe or has_companions(model, dialect)
    if not (options or block_options() or has_index or dialect.client_ranking.bytes_per_ms):
        return connection
    is_async = hasattr(connection, "aatomic")
    return (AsyncSearchConnection if is_async else SearchConnection)(connection, dialect, options)


class SearchConnection:
    """A djanorm connection for one statement; it runs the searches in the statement as they were compiled."""

    def __init__(self, connection: Any, dialect: Dialect, options: Options) -> None:
        self._connection, self.known_dialect = connection, dialect
        block = block_options()
        self._options, self._asked = options, {**block, **options} if block else options

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, params: Any = None) -> Any:
        return self._run(Execute, sql, params)

    def execute_write(self, sql: str, params: Any = None) -> Any:
        return self._run(Write, sql, params)

    def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> Iterator[Any]:
        if self._is_ranked(sql):
            # A slice is already limited, and a cursor would outlive the options.
            return iter(self.execute(sql, params))
        streamed: Iterator[Any] = self._connection.execute_streaming(sql, params, chunk_size)
        return streamed

    def _run(self, kind: Kind, sql: str, params: Any) -> Any:
        search = self._ready(kind, sql)
        if search is not None:
            rows = self._connection.execute(sql if is_binary(sql) else str(sql), [*(params or ())])
            return rows if self._is_complete(rows, search) else run(self._arrived(rows, search), self._connection)
        run(self._met(sql), self._connection)
        sql, params = run(self._planned(sql, params), self._connection)
        _tell_plan(sql, self.known_dialect)
        plan = self._client_plan(kind, sql)
        if plan is not None and (rows := self._ranked_here(plan, sql)) is not None:
            return rows
        tuning = self._tuning(sql)
        if tuning is None:
            return run(self._sent(kind, sql, params, Assigned(self.known_dialect), nested=True), self._connection)
        run(tuning.learn(), self._connection)
        assigned, nested = tuning.assigned(sql), in_transaction(self._connection)
        alone = nested or not self._needs_transaction(sql, assigned)

        def send() -> Any:
            with nullcontext() if alone else self._connection.atomic():
                return run(self._sent(kind, sql, params, assigned, nested), self._connection)

        return send() if alone else with_transient_retry(send)

    def _ready(self, kind: Kind, sql: str) -> CompiledSearch | None:
        """Return the only search of a statement, if nothing has to be estimated, set or told before it is sent."""
        searches = searches_in(sql)
        search = searches[0] if len(searches) == 1 and kind is Execute else None
        if search is None or self._asked or current() is not None or (isinstance(sql, Statement) and sql.prefix):
            return None
        return search if search.is_bare or search.needs_nothing(self.known_dialect) else None

    def _is_complete(self, rows: list[Any], search: CompiledSearch) -> bool:
        """Return whether the rows are those of the search, in order, so that ``_arrived`` has nothing to do."""
        query = search.query
        if not search.is_whole:
            return True
        if len(rows) < rows_asked(self.known_dialect, query):
            return False
        if query.search is None:
            return True
        if len(rows) != query.limit_val or query.greatest_distance() is not None:
            return False
        distances = [row[query.search.name] for row in rows]
        return None not in distances and distances == sorted(distances)

    def _ranked_here(self, plan: Any, sql: str) -> Any:
        """Return the rows of a search that the client ranks, read in one snapshot; None if the database has to."""
        if plan.searches:
            return run(self._ranked(plan, sql, self), self)

        def read() -> Any:
            with nullcontext() if nested else self._connection.atomic():
                return run(self._ranked(plan, sql, self._connection), self._connection)

        nested = in_transaction(self._connection)
        return read() if nested else with_transient_retry(read)

    def _client_plan(self, kind: Kind, sql: str) -> Any:
        """Return the plan of a statement whose rows the client ranks; None for any other."""
        search = whole_search(sql)
        # A window function counts over every row of the statement, and EXPLAIN returns none of them.
        found = search.plan if search is not None and kind is Execute else None
        is_whole = not (isinstance(sql, Statement) and sql.prefix)
        if found is None or not found.is_client or not is_whole or sql.count(" OVER (") > found.searches:
            return None
        for name, value in self._asked.items():
            checked(self.known_dialect, name, value)
        return found

    def _ranked(self, plan: Any, sql: str, connection: Any) -> Steps[Any]:
        search: Any = whole_search(sql)
        return (yield from plan.rows(search.query, connection))

    def _needs_transaction(self, sql: str, assigned: Assigned) -> bool:
        """Return whether the options of a statement last until a transaction ends that has to be opened for it."""
        tuning = self.known_dialect.tuning
        return bool(assigned and tuning.for_transaction) and not (is_binary(sql) and tuning.in_one_trip)

    def _met(self, sql: str) -> Steps[None]:
        """Learn first whether the server is a cluster, whose workers the options of a search have to reach."""
        if self._is_ranked(sql) and not is_met(self._connection):
            yield from met(self._connection)
            self.known_dialect = dialect_for(self._connection)

    def _is_ranked(self, sql: str) -> bool:
        return bool(self._options or searches_in(sql))

    def _tuning(self, sql: str) -> Tuning | None:
        """Return the options that the statement needs, or None if the server's current ones are enough."""
        searches = searches_in(sql)
        if not (searches or self._options):
            return None
        tuning = Tuning(self._connection, self.known_dialect, self._asked, searches)
        return tuning if tuning.is_needed() else None

    # the statements to send, as a generator of steps that sync and async share

    def _sent(self, kind: Kind, sql: str, params: Any, assigned: Assigned, nested: bool) -> Steps[Any]:
        sql, params, search = yield from self._possible(sql, params)
        dialect, binary, before = self.known_dialect, is_binary(sql), None
        tuning = dialect.tuning
        sent = sql if binary else str(sql)
        if assigned and tuning.for_statement:
            sent = tuning.for_statement.format(assignments=assigned.written(), statement=sql)
        elif assigned and binary and not nested and tuning.in_one_trip:
            sent = Statement(sql, binary=True, options=assigned.setting())
        elif assigned:
            if nested:
                before = (yield Execute(assigned.reading()))[0]
            yield Execute(assigned.setting())
        if isinstance(sql, Statement) and sql.prefix and not dialect.planning.explains_parameters:
            sent, params = with_literals(sent, params or ()), ()
        answer = yield kind(sent, params or ())
        if search is not None and kind is Execute:
            answer = yield from self._arrived(answer, search)
        if before is not None:
            yield assigned.restored(before)
        return answer

    def _possible(self, sql: str, params: Any) -> Steps[tuple[str, Any, CompiledSearch | None]]:
        """Return the statement to run, its parameters, and the search whose rows it returns.

        If the companion table is not migrated yet, the statement searches without it.
        """
        search, prefix = whole_search(sql), sql.prefix if isinstance(sql, Statement) else ""
        plan = search.plan if search is not None else None
        if search is None or plan is None or not plan.is_companion or (yield from plan.is_standing(search.query)):
            # A plan that ranks in the client has the SQL of the exact search.
            is_checked = not prefix and not (plan is not None and plan.is_client)
            return sql, params, search if is_checked else None
        exact, params = search.query.exactly().as_select(self._connection)
        fell_back(_name(search.query), "the table of its index is not there. Run: dorm migrate.")
        return prefix + exact, params, None

    def _planned(self, sql: str, params: Any) -> Steps[SQL]:
        """Return the statement by the plan that costs least, if the search has to be estimated first."""
        search = whole_search(sql)
        if (
            search is None
            or search.plan is None
            or search.plan.estimate
            or not is_open(search.query, self.known_dialect)
        ):
            return sql, params
        estimate = yield from estimated(search.query, self)
        plan = plan_for(search.query, self, Purpose.STATEMENT, estimate) if estimate is not None else None
        if plan is None:
            return sql, params
        planned, params = search.query.as_planned(self, plan)
        return explained(planned, sql.prefix) if isinstance(sql, Statement) and sql.prefix else planned, params

    def _arrived(self, rows: list[Any], search: CompiledSearch) -> Steps[Any]:
        query = search.query
        if len(rows) < rows_asked(self.known_dialect, query):
            # Either the index ran out of candidates or there are no more rows; only an exact search can tell.
            sql, params = query.exactly().as_select(self._connection)
            found, rows = len(rows), (yield Execute(sql, params))
            if len(rows) > found:
                fell_back(_name(query), f"its index found {found} of {len(rows)} rows.")
            return rows
        if query.search is None:
            return rows
        name, limit = query.search.name, query.greatest_distance()
        rows = sorted(rows, key=lambda row: (row[name] is None, row[name]))[: query.limit_val]
        return [row for row in rows if row[name] is not None and row[name] <= limit] if limit is not None else rows


def _name(query: Any) -> str:
    path = query.search.field_path if query.search is not None else ""
    return f"{query.model.__name__}.{path}".rstrip(".")


def _tell_plan(sql: str, dialect: Dialect) -> None:
    """Tell who observes the search how it is answered."""
    work = current()
    search = whole_search(sql) if work is not None else None
    if work is not None and search is not None:
        indexed = "index" if search.width else ExactPlan.kind
        title = search.plan.title(search.query, dialect) if search.plan is not None else indexed
        work.plan = "client ranking" if title == "client" else title


class AsyncSearchConnection(SearchConnection):
    """SearchConnection for djanorm's async connections."""

    async def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> Any:
        if self._is_ranked(sql):
            for row in await self.execute(sql, params):
                yield row
            return
        async for row in self._connection.execute_streaming(sql, params, chunk_size):
            yield row

    async def _run(self, kind: Kind, sql: str, params: Any) -> Any:
        search = self._ready(kind, sql)
        if search is not None:
            rows = await self._connection.execute(sql if is_binary(sql) else str(sql), [*(params or ())])
            if self._is_complete(rows, search):
                return rows
            return await arun(self._arrived(rows, search), self._connection)
        await arun(self._met(sql), self._connection)
        sql, params = await arun(self._planned(sql, params), self._connection)
        _tell_plan(sql, self.known_dialect)
        plan = self._client_plan(kind, sql)
        if plan is not None and (rows := await self._ranked_here(plan, sql)) is not None:
            return rows
        tuning = self._tuning(sql)
        if tuning is None:
            nothing = Assigned(self.known_dialect)
            return await arun(self._sent(kind, sql, params, nothing, nested=True), self._connection)
        await arun(tuning.learn(), self._connection)
        assigned, nested = tuning.assigned(sql), in_transaction(self._connection)
        alone = nested or not self._needs_transaction(sql, assigned)

        async def send() -> Any:
            async with nullcontext() if alone else self._connection.aatomic():
                return await arun(self._sent(kind, sql, params, assigned, nested), self._connection)

        return await send() if alone else await awith_transient_retry(send)

    async def _ranked_here(self, plan: Any, sql: str) -> Any:
        if plan.searches:
            return await arun(self._ranked(plan, sql, self), self)

        async def read() -> Any:
            async with nullcontext() if nested else self._connection.aatomic():
                return await arun(self._ranked(plan, sql, self._connection), self._connection)

        nested = in_transaction(self._connection)
        return await read() if nested else await awith_transient_retry(read)
