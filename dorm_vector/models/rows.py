"""Querysets with query plans, decoded vectors, slices, aggregates and writes for models with vector fields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any

from dorm.aggregates import Aggregate
from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import CombinedExpression, F
from dorm.query import _validate_identifier
from dorm.queryset import QuerySet, _explain_row_to_str

from ..dialects.shared.operands import SQL
from ..engines import dialect_for, is_whole
from ..engines.row_source import UnknownSource, read_from
from ..engines.statement import explained
from ..expressions.distances import are_new_distances
from ..expressions.outputs import decoded, decoders, field_reader
from ..patching.on_import import Late
from ..steps import Execute, Steps, arun, run
from ..values.metrics import Metric
from .deferred import keeping_what_was_left_out
from .queryset_types import Row

if TYPE_CHECKING:
    from ..query.compiler import VectorSQLQuery
    from ..query.derived import DerivedQuery

distribution_columns: Any = Late(f"{__package__}.distribution_columns")


class Explained(QuerySet[Row]):
    """A QuerySet whose ``explain()`` uses the dialect's statement and reports how each distance is computed."""

    def explain(self, *, analyze: bool = False, format: str | None = None, verbose: bool = False) -> str:
        connection = self._get_connection()
        return run(self._plan(connection, analyze, format, verbose), connection)

    async def aexplain(self, *, analyze: bool = False, format: str | None = None, verbose: bool = False) -> str:
        connection = self._get_async_connection()
        return await arun(self._plan(connection, analyze, format, verbose), connection)

    def _plan(self, connection: Any, analyze: bool, format: str | None, verbose: bool) -> Steps[str]:
        # djanorm prepends the prefix to the SQL itself, which would lose the search options that the SQL carries.
        sql, params = self._iter_setup()[0].as_select(connection)
        prefix = self._build_explain_prefix(connection, analyze, format, verbose)
        rows = yield Execute(explained(sql, prefix), params)
        plan = "\n".join(map(_explain_row_to_str, rows))
        return plan if format else self._with_distances(plan, connection)

    def _with_distances(self, plan: str, connection: Any) -> str:
        dialect = dialect_for(connection)
        metrics = dict.fromkeys(found for value in self._query.annotations.values() for found in _measured(value))
        lines = [f"{metric.value} distance: {how}" for metric in metrics if (how := dialect.how(metric))]
        return "\n".join([plan, *lines])

    # In djanorm this is a static method that is called through self.
    def _build_explain_prefix(self, connection: Any, analyze: bool, format: str | None, verbose: bool) -> str:  # type: ignore[override]  # djanorm's
        dialect = dialect_for(connection)
        template = dialect.planning.explain_analyze if analyze else dialect.planning.explain
        if not template:
            return str(QuerySet._build_explain_prefix(connection, analyze, format, verbose))
        chosen = format or dialect.planning.explain_format
        if chosen:
            _validate_identifier(chosen, "explain format")
        return template.format(format=f" FORMAT={chosen.upper()}" if chosen else "")


def _measured(expression: Any) -> Iterator[Metric]:
    """Yield the metric of each distance in an expression."""
    if hasattr(expression, "metric"):
        yield expression.metric
    for side in (getattr(expression, "lhs", None), getattr(expression, "rhs", None)):
        if side is not None:
            yield from _measured(side)


class VectorRows(Explained[Row]):
    """The behavior that every queryset of a model with vector fields adds to djanorm's."""

    _query: VectorSQLQuery
    _decoders: dict[str, Any] | None = None
    bulk_statement: Callable[[list[Any], Any], SQL] | None = None
    """Returns the statement by which ``bulk_update()`` writes a batch, if it is not djanorm's."""

    # The class is already right, so skip the hook on QuerySet.__new__ that chooses it.
    __new__ = object.__new__

    def __init__(self, model: Any, using: str = "default") -> None:
        super().__init__(model, using)
        self._query = _compiler().VectorSQLQuery(model, using, state=self._query)

    def _clone(self) -> Any:
        if type(self).__init__ is not VectorRows.__init__ or not _copies():
            # A subclass may keep more, and so may a later djanorm.
            return super()._clone()
        queryset = object.__new__(type(self))
        queryset.__dict__ = {
            "model": self.model,
            "_db": self._db,
            "_query": self._query.clone(),
            "_result_cache": None,
            "_cache_alias": self._cache_alias,
            "_cache_timeout": self._cache_timeout,
        }
        return queryset

    def using(self, alias: str) -> Any:
        queryset: Any = super().using(alias)
        queryset._query.using = alias
        return queryset

    def _get_connection(self) -> Any:
        return _runner().searching(super()._get_connection(), self._query.options, self._query.searched_model())

    def _get_async_connection(self) -> Any:
        return _runner().searching(super()._get_async_connection(), self._query.options, self._query.searched_model())

    # rows

    # In djanorm this is a static method that is called through self.
    def _row_to_values_dict(self, row: Any, fields: list[str]) -> dict[str, Any]:  # type: ignore[override]
        return {name: self._decode(name, row[name]) for name in fields}

    def _decode(self, name: str, value: Any) -> Any:
        if self._decoders is None:
            self._decoders = {}
        if name not in self._decoders and self._query._is_annotation(name):
            self._decoders |= {name: None, **decoders(self._query)}
        elif name not in self._decoders:
            field = self._query._resolve_field(name.split("__"))
            self._decoders[name] = field_reader(field)
        decode = self._decoders[name]
        if decode is None:
            return value
        try:
            return decode(value)
        except UnknownSource:
            return read_from(self._get_connection(), decode, value)

    def _instance(self, row: Any, connection: Any) -> Any:
        instance: Any = self.model._from_db_row(row, connection)
        instance._state.db = self._db
        available = row.keys()
        for name in self._query.annotations:
            if name in available and name not in self._query.alias_only_names:
                instance.__dict__[name] = self._decode(name, row[name])
        return instance

    def _iterator(self) -> Iterator[Any]:
        rows: Iterator[Any] = _reader().read(self, super()._iterator)
        return rows

    def _aiterator(self) -> AsyncIterator[Any]:
        rows: AsyncIterator[Any] = _reader().aread(self, super()._aiterator)
        return rows

    def _iterator_streaming(self, chunk_size: int) -> Iterator[Any]:
        connection = self._get_connection()
        query, fields, as_values, *_ = self._iter_setup()
        sql, params = query.as_select(connection)
        rows = connection.execute_streaming(sql, params, chunk_size)
        try:
            for row in rows:
                yield self._as_row(row, fields) if as_values else self._instance(row, connection)
        finally:
            # Otherwise a row that cannot be decoded would leave the cursor and its transaction open.
            if hasattr(rows, "close"):
                rows.close()

    async def _aiterator_streaming(self, chunk_size: int) -> AsyncIterator[Any]:
        connection = self._get_async_connection()
        query, fields, as_values, *_ = self._iter_setup()
        sql, params = query.as_select(connection)
        async with aclosing(connection.execute_streaming(sql, params, chunk_size)) as rows:
            async for row in rows:
                yield self._as_row(row, fields) if as_values else self._instance(row, connection)

    def _as_row(self, row: Any, fields: list[str]) -> Any:
        """Return a row of ``values()`` in the form that the caller gets."""
        return self._row_to_values_dict(row, fields)

    # slices and groups are counted and aggregated in a subquery, so that the result covers exactly their rows

    def _is_whole(self) -> bool:
        return self._query.limit_val is None and not self._query.offset_val and not self._query.group_by_fields

    def _is_counted_plainly(self, connection: Any) -> bool:
        from ..query.derived import is_multiplied

        return self._is_whole() and not self._query.distinct_flag and not is_multiplied(self._query, connection)

    def count(self) -> int:
        connection = self._get_connection()
        if self._is_counted_plainly(connection):
            return int(super().count())
        return int(connection.execute(*_derived(self._query).as_count(connection))[0]["count"])

    async def acount(self) -> int:
        connection = self._get_async_connection()
        if self._is_counted_plainly(connection):
            return int(await super().acount())
        return int((await connection.execute(*_derived(self._query).as_count(connection)))[0]["count"])

    def exists(self) -> bool:
        return bool(super().exists()) if self._is_whole() else self.count() > 0

    async def aexists(self) -> bool:
        return bool(await super().aexists()) if self._is_whole() else await self.acount() > 0

    def _build_aggregate_sql(self, aggregates: dict[str, Any], connection: Any) -> tuple[str, list[Any], list[str]]:
        sql, params = _derived(self._query).as_aggregate(aggregates, connection)
        return sql, params, list(aggregates)

    def annotate(self, **expressions: Any) -> Any:
        """Add named expressions to every row; after ``values()``, they are included in its result."""
        if are_new_distances(self.model, expressions):
            queryset: Any = self._clone()
            queryset._query.annotations.update(expressions)
            queryset._query.alias_only_names.difference_update(expressions)
        else:
            queryset = super().annotate(**_over_vectors(self, expressions))
        query = queryset._query
        if query.is_values():
            if any(isinstance(expression, Aggregate) for expression in expressions.values()):
                query.group_by_fields = [name for name in query.selected_fields if not query.is_aggregate(name)]
            queryset._show([name for name in expressions if name in query.annotations])
        return queryset

    def _show(self, names: list[str]) -> None:
        chosen = self._query.selected_fields or []
        self._query.selected_fields = chosen + [name for name in names if name not in chosen]

    def alias(self, **expressions: Any) -> Any:
        return super().alias(**_over_vectors(self, expressions))

    def aggregate(self, **aggregates: Any) -> dict[str, Any]:
        aggregates = _over_vectors(self, aggregates)
        connection = self._get_connection()
        divided = run(_of_partitions(self._query, aggregates, connection), connection)
        if divided is not None:
            return divided
        return decoded(super().aggregate(**aggregates), decoders(self._query, aggregates), connection)

    async def aaggregate(self, **aggregates: Any) -> dict[str, Any]:
        aggregates = _over_vectors(self, aggregates)
        connection = self._get_async_connection()
        divided = await arun(_of_partitions(self._query, aggregates, connection), connection)
        if divided is not None:
            return divided
        values = await super().aaggregate(**aggregates)
        return decoded(values, decoders(self._query, aggregates), self._get_connection())

    # combinations

    def union(self, *others: Any, all: bool = False) -> Any:
        """Return the rows of this queryset and of the others, without duplicates unless ``all=True``."""
        return _combined(self, others, "UNION ALL" if all else "UNION")

    def intersection(self, *others: Any) -> Any:
        """Return the rows of this queryset that the others have too."""
        return _combined(self, others, "INTERSECT")

    def difference(self, *others: Any) -> Any:
        """Return the rows of this queryset that the others do not have."""
        return _combined(self, others, "EXCEPT")

    def _iter_setup(self) -> Any:
        setup = super()._iter_setup()
        # Default ordering applies to each part, not to a combination or a group, which may lack its columns.
        is_other = self._query.is_combined or self._query.group_by_fields
        return (self._query, *setup[1:]) if is_other else setup

    # writes

    def update(self, **values: Any) -> int:
        return int(super().update(**self._bound(values)))

    async def aupdate(self, **values: Any) -> int:
        return int(await super().aupdate(**self._bound(values)))

    def _build_bulk_update_sql(self, batch: list[Any], fields: list[str], conn: Any) -> tuple[str, list[Any]] | None:
        if self.bulk_statement is not None:
            return self.bulk_statement(batch, conn)
        built = super()._build_bulk_update_sql(batch, fields, conn)
        if built is None:
            return None
        columns = [self.model._meta.get_field(name) for name in fields]
        rows = [row for row in batch if row.pk is not None]
        sql, params = keeping_what_was_left_out(*built, rows, columns)
        for field in columns:
            if hasattr(field, "to_vector"):
                # The only statement that mixes a column with bound vectors.
                stored = dialect_for(conn).stored.format(column=f'"{field.column}"')
                sql = sql.replace(f' ELSE "{field.column}" END', f" ELSE {stored} END")
                sql = sql.replace(f' THEN "{field.column}"', f" THEN {stored}")
        return (sql, params) if is_whole(conn) else distribution_columns.by_conditions((sql, params), self.model, conn)

    def _bound(self, values: dict[str, Any]) -> dict[str, Any]:
        # djanorm swallows the errors of get_db_prep_value and sends the raw value.
        fields = self.model._meta._field_cache
        for name, value in values.items():
            self._require_columns(name, value)
        return {
            name: self._bound_vector(fields[name], value) if hasattr(fields.get(name), "to_vector") else value
            for name, value in values.items()
        }

    def _require_columns(self, name: str, value: Any) -> None:
        """Raise FieldDoesNotExist if a value refers to an annotation, which SQLite would treat as a string literal."""
        if isinstance(value, CombinedExpression):
            self._require_columns(name, value.lhs)
            self._require_columns(name, value.rhs)
        elif isinstance(value, F) and self._query._is_annotation(value.name):
            raise FieldDoesNotExist(
                f"update({name}=F({value.name!r})): {value.name!r} is an annotation, and a row is updated from its"
                " columns alone. Read it, and save the rows: bulk_update(rows, [field])."
            )

    def _bound_vector(self, field: Any, value: Any) -> Any:
        if type(value) is F and value.name in self.model._meta._field_cache:
            # djanorm uses the field name as the column name, and SQLite treats an unknown column as a string literal.
            return F(self.model._meta.get_field(value.name).column)
        return field.get_db_prep_value(value)


def as_vector_query(query: Any, using: str) -> VectorSQLQuery:
    """Return the query as a VectorSQLQuery for a database."""
    if hasattr(query, "is_by_distance"):
        query.using = using
    else:
        query = _compiler().VectorSQLQuery(query.model, using, state=query)
    found: VectorSQLQuery = query
    return found


# The compiler is imported by the first query, because a process may only declare models. An import statement on a path
# that every query takes would cost more than these calls.


@cache
def _compiler() -> Any:
    from ..query import compiler

    return compiler


@cache
def _runner() -> Any:
    from ..search import connection

    return connection


@cache
def _reader() -> Any:
    from . import reading

    return reading


@cache
def _copies() -> bool:
    """Return whether this djanorm's querysets have the attributes that ``_clone()`` copies, and no others."""
    known = {"model", "_db", "_query", "_result_cache", "_cache_alias", "_cache_timeout"}
    nothing: Any = None
    return vars(QuerySet(nothing)).keys() == known


def _derived(query: Any) -> DerivedQuery:
    from ..query.derived import DerivedQuery

    return DerivedQuery(query)


def _combined(base: Any, others: Sequence[Any], operator: str) -> Any:
    from ..query.combined import combined

    return combined(base, others, operator)


def _over_vectors(queryset: Any, expressions: dict[str, Any]) -> dict[str, Any]:
    if not any(isinstance(expression, Aggregate) for expression in expressions.values()):
        return expressions
    from ..expressions.aggregates import over_vectors

    return over_vectors(queryset, expressions)


def _of_partitions(query: Any, aggregates: dict[str, Any], connection: Any) -> Steps[dict[str, Any] | None]:
    if not any(hasattr(aggregate, "routine") for aggregate in aggregates.values()):
        return None
    from ..query.partition_aggregates import of_partitions

    return (yield from of_partitions(query, aggregates, connection))
