"""A search on its way to the server: the options it runs under, and what its rows still need on arrival.

An index gives some of the nearest rows: no more than it has candidates that pass the filter, and not always in order.
So a slice of ``nearest()`` has enough candidates, is sorted on arrival, and is searched exactly where rows are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import aclosing, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

from dorm.db.utils import awith_transient_retry, with_transient_retry

from ..dialects.base import Dialect, version_numbers
from ..dialects.shared.search_options import SearchOption
from ..engines import dialect_for
from ..engines.connections import in_transaction
from ..engines.postgresql.binary_rows import BinaryQuery, takes_options
from ..exceptions import UnsupportedByDatabase
from ..introspection import has_companions
from ..steps import Execute, Steps, Write, arun, run
from .options import Options, block_options, checked
from .warnings import warn_of_a_miss

Statement = type[Execute] | type[Write]

_TO_SPARE = 4

_versions: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def searching(connection: Any, options: Options, model: Any) -> Any:
    """Return the connection for one statement of a queryset that may hold searches."""
    dialect = dialect_for(connection)
    has_index = dialect.is_approximate or dialect.probe or has_companions(model, dialect.companions)
    if not (options or block_options() or has_index):
        return connection
    is_async = hasattr(connection, "aatomic")
    return (AsyncSearchConnection if is_async else SearchConnection)(connection, options)


def announce(connection: Any, query: Any, sql: str = "", answer: Any = None) -> None:
    """Tell the connection of a search in the statement being compiled; ``sql`` where it is the whole statement."""
    if isinstance(connection, SearchConnection):
        connection.announce(query, sql, answer)


class SearchConnection:
    """A djanorm connection for one statement, told by its compilation which searches are in it."""

    def __init__(self, connection: Any, options: Options) -> None:
        self._connection = connection
        self._dialect = dialect_for(connection)
        self._asked: Options = {**block_options(), **options}
        self._is_ranked = bool(options)
        self._width = 0
        self._goes_on = False
        self._result: Any = None
        self._answer: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def announce(self, query: Any, sql: str, answer: Any) -> None:
        self._is_ranked = True
        if answer is not None:
            self._result, self._answer = (sql, query), answer
            return
        unasked = self._dialect.probe and query.search is not None and not query.search.approximate
        if not query.ranks() or self._dialect.companions or unasked:
            return
        warn_of_a_miss(query)
        self._width = max(self._width, query.candidates())
        self._goes_on = self._goes_on or query.is_filtered() or not fits_one_scan(self._dialect, query)
        if sql:
            self._result = (sql, query)

    def execute(self, sql: str, params: Any = None) -> Any:
        return self._run(Execute, sql, params)

    def execute_write(self, sql: str, params: Any = None) -> Any:
        return self._run(Write, sql, params)

    def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> Iterator[Any]:
        if self._is_ranked:
            # A slice is as long as its reader said; and a cursor would leave the options behind.
            return iter(self.execute(sql, params))
        streamed: Iterator[Any] = self._connection.execute_streaming(sql, params, chunk_size)
        return streamed

    def _run(self, kind: Statement, sql: str, params: Any) -> Any:
        if not self._is_tuned():
            return run(self._steps(kind, sql, params, {}, nested=True), self._connection)
        run(self._learn_version(), self._connection)
        assignments, nested = self._assignments(), in_transaction(self._connection)
        alone = nested or not (assignments and self._dialect.options_of_transaction) or takes_options(sql)

        def send() -> Any:
            with nullcontext() if alone else self._connection.atomic():
                return run(self._steps(kind, sql, params, assignments, nested), self._connection)

        return send() if alone else with_transient_retry(send)

    def _is_tuned(self) -> bool:
        """Tell whether the search may want an option of the server to be other than it is."""
        return self._is_ranked and bool(self._asked or self._goes_on or self._width > self._default_width())

    # what is sent, one step at a time, so that sync and async are one

    def _learn_version(self) -> Steps[None]:
        names = {*self._asked, *(self._dialect.filtered_options if self._goes_on else ())}
        options = [self._dialect.search_options[name] for name in names if name in self._dialect.search_options]
        if self._is_ranked and self._connection not in _versions and any(option.since for option in options):
            rows = yield Execute(self._dialect.version_query)
            if rows:
                remember_version(self._connection, str(rows[0]["version"]))

    def _steps(self, kind: Statement, sql: str, params: Any, assignments: dict[str, str], nested: bool) -> Steps[Any]:
        if self._answer is not None and not (yield from self._answer.is_standing(self._result[1])):
            written, query = self._result
            plain, params = query.exactly().as_select(self._connection)
            sql, self._result = sql.removesuffix(written) + plain, None
        dialect, sent, before = self._dialect, sql, None
        written = ", ".join(
            dialect.set_option.format(variable=name, value=value) for name, value in assignments.items()
        )
        if assignments and dialect.options_of_statement:
            sent = dialect.options_of_statement.format(assignments=written, statement=sql)
        elif assignments and takes_options(sql) and not nested:
            sent = BinaryQuery(sql, dialect.options_of_transaction.format(assignments=written))
        elif assignments:
            if nested:
                before = (yield Execute(self._select_each(dialect.option_now, assignments)))[0]
            yield Execute(dialect.options_of_transaction.format(assignments=written))
        answer = yield kind(sent, params or ())
        if self._result is not None and kind is Execute and sql == self._result[0]:
            answer = yield from self._arrived(answer, self._result[1])
        if before is not None:
            values = [before[name] for name in assignments]
            yield Execute(self._select_each(dialect.option_back, assignments), values)
        return answer

    def _arrived(self, rows: list[Any], query: Any) -> Steps[Any]:
        if len(rows) < rows_asked(self._dialect, query):
            # The index ran out of candidates, or there are no more rows: only an exact search can tell.
            sql, params = query.exactly().as_select(self._connection)
            rows = yield Execute(sql, params)
            return rows
        if query.search is None:
            return rows
        name, limit = query.search.name, query.greatest_distance()
        rows = sorted(rows, key=lambda row: (row[name] is None, row[name]))[: query.limit_val]
        return [row for row in rows if row[name] is not None and row[name] <= limit] if limit is not None else rows

    def _select_each(self, template: str, assignments: dict[str, str]) -> str:
        parts = [f'{template.format(variable=name)} AS "{name}"' for name in assignments]
        return self._dialect.options_of_transaction.format(assignments=", ".join(parts))

    # the options

    def _assignments(self) -> dict[str, str]:
        """Return the server's variables and what they are to be, in SQL."""
        if not self._is_ranked:
            return {}
        dialect, assignments = self._dialect, {}
        wanted = {name: checked(dialect, name, value) for name, value in self._asked.items()}
        for name in wanted:
            self._require_version(name)
        if self._goes_on:
            spare = {name: value for name, value in dialect.filtered_options.items() if self._has(name)}
            wanted = {**spare, **wanted}
            for name, setting in dialect.filtered_settings.items():
                assignments[name] = dialect.option_value.format(value=setting)
        for name, value in wanted.items():
            for variable, spelled in dialect.search_options[name].spelled(value).items():
                assignments[variable] = dialect.option_value.format(value=spelled)
        return assignments | self._wide_enough(wanted)

    def _wide_enough(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        """Return the assignment that lets the index find as many rows as are asked for."""
        dialect, name = self._dialect, self._dialect.width_option
        if not name:
            return {}
        option = dialect.search_options[name]
        width = min(self._width, _greatest(option))
        if width <= int(wanted.get(name, option.default)):
            return {}
        template = dialect.option_value if name in wanted else dialect.option_at_least
        return {variable: template.format(variable=variable, value=width) for variable in option.variables}

    def _default_width(self) -> float:
        """Return how many rows the index finds where nobody says so."""
        option = self._dialect.search_options.get(self._dialect.width_option)
        return int(option.default) if option is not None else float("inf")

    def _has(self, name: str) -> bool:
        since = self._dialect.search_options[name].since
        return not since or version_numbers(_versions.get(self._connection, "")) >= version_numbers(since)

    def _require_version(self, name: str) -> None:
        if not self._has(name):
            since = self._dialect.search_options[name].since
            raise UnsupportedByDatabase(
                f"{self._dialect.title}: the search option {name} needs {since};"
                f" this server has {_versions.get(self._connection, 'none')}. Leave it out, or upgrade the server."
            )


class AsyncSearchConnection(SearchConnection):
    """The same for djanorm's async connections."""

    async def execute_streaming(self, sql: str, params: Any = None, chunk_size: int = 1000) -> Any:
        if self._is_ranked:
            for row in await self.execute(sql, params):
                yield row
            return
        async with aclosing(self._connection.execute_streaming(sql, params, chunk_size)) as rows:
            async for row in rows:
                yield row

    async def _run(self, kind: Statement, sql: str, params: Any) -> Any:
        if not self._is_tuned():
            return await arun(self._steps(kind, sql, params, {}, nested=True), self._connection)
        await arun(self._learn_version(), self._connection)
        assignments, nested = self._assignments(), in_transaction(self._connection)
        alone = nested or not (assignments and self._dialect.options_of_transaction) or takes_options(sql)

        async def send() -> Any:
            async with nullcontext() if alone else self._connection.aatomic():
                return await arun(self._steps(kind, sql, params, assignments, nested), self._connection)

        return await send() if alone else await awith_transient_retry(send)


def remember_version(connection: Any, version: str) -> None:
    _versions[connection] = version


def forget_versions() -> None:
    _versions.clear()


def fits_one_scan(dialect: Dialect, query: Any) -> bool:
    """Tell whether the index can have as many candidates at once as the query asks for."""
    option = dialect.search_options.get(dialect.width_option)
    return option is None or query.candidates() <= _greatest(option)


def rows_asked(dialect: Dialect, query: Any) -> int:
    """Return how many rows a slice asks an index for: to spare, where it finds a fixed number before the filter.

    The last of those are far from all that there are at that distance; where the filter leaves few, they would be among
    the answer.
    """
    return int(query.limit_val) * (_TO_SPARE if dialect.probe and query.is_filtered() else 1)


def _greatest(option: SearchOption) -> int:
    return int(option.allowed[-1])
