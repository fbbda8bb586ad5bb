"""Read a query as a table, ``SELECT … FROM (the query)``, to count a slice or aggregate annotations."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from dorm.expressions import F, Q
from dorm.lookups import parse_lookup_key
from dorm.query import SQLQuery, _validate_identifier

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..expressions.outputs import as_read
from ..expressions.scope import compiling
from ..introspection import key_names
from .compiler import VectorSQLQuery

_TABLE = "derived"


class DerivedQuery(SQLQuery):
    """Counts and aggregates over the rows of another query."""

    def __init__(self, inner: VectorSQLQuery) -> None:
        super().__init__(inner.model)
        self.inner = inner.clone()

    def as_count(self, connection: Any) -> SQL:
        with compiling(connection, self.inner) as compilation:
            sql, params = self._from([])
        return compilation.statement(self._adapt_placeholders(f'SELECT COUNT(*) AS "count" {sql}', connection), params)

    def as_aggregate(self, aggregates: dict[str, Any], connection: Any) -> SQL:
        columns: list[str] = []
        params: list[Any] = []
        names: list[str] = []
        with compiling(connection, self.inner) as compilation:
            for alias, aggregate in aggregates.items():
                _validate_identifier(alias, "aggregate alias")
                named = self._named(alias, aggregate)
                sql, more = self._read(named, connection).as_sql(_TABLE, model=self.model, connection=connection)
                columns.append(f'{sql} AS "{alias}"')
                params += more
                names += self._names_in(named)
            table, table_params = self._from(names)
        sql = self._adapt_placeholders(f"SELECT {', '.join(columns)} {table}", connection)
        return compilation.statement(sql, params + table_params)

    def _named(self, alias: str, aggregate: Any) -> Any:
        """Return the aggregate over a column of the inner query that holds its expression."""
        if isinstance(aggregate.expression, str):
            return aggregate
        named = copy.copy(aggregate)
        if isinstance(aggregate.expression, F):
            named.expression = aggregate.expression.name
        else:
            named.expression = f"_{alias}"
            self.inner.annotations[named.expression] = aggregate.expression
        return named

    def _read(self, aggregate: Any, connection: Any) -> Any:
        return as_read(self.inner, {"": aggregate}, dialect_for(connection))[""]

    def _names_in(self, aggregate: Any) -> Iterator[str]:
        names = [aggregate.expression, *_names_of(getattr(aggregate, "filter", None))]
        yield from (self.model._meta.pk.column if name == "pk" else name for name in names if name != "*")

    def _from(self, names: list[str]) -> SQL:
        told_apart = self._told_apart() if self.inner.distinct_flag else []
        self.inner.selected_fields = list(dict.fromkeys([*told_apart, *names, *self.inner.group_by_fields])) or ["pk"]
        self.inner.deferred_loading = False
        sql, params = self.inner.as_subquery_sql()
        return f'FROM ({sql}) AS "{_TABLE}"', params

    def _told_apart(self) -> list[str]:
        """Return the columns by which distinct rows differ: the selected ones, or a row's key and annotations."""
        if self.inner.is_values():
            return list(self.inner.selected_fields or ())
        shown = [name for name in self.inner.annotations if self.inner._is_projected(name)]
        # Duplicates of a row have the same sort values, and PostgreSQL requires those in the SELECT list.
        return [*key_names(self.model), *shown, *(name.removeprefix("-") for name in self.inner.order_by_fields)]


def is_multiplied(query: VectorSQLQuery, connection: Any) -> bool:
    """Return whether annotations or groups change the number of rows that the filters select."""
    if not query.annotations:
        return False
    if query._annotations_have_aggregate():
        return True
    joined = query.clone()
    with compiling(connection, joined):
        for name in query.annotations:
            joined._annotation(name)
    return len(joined.joins) > len(query.joins)


def _names_of(condition: Q | None) -> Iterator[str]:
    for child in condition.children if condition is not None else ():
        if isinstance(child, Q):
            yield from _names_of(child)
        elif isinstance(child, tuple):
            parts, _lookup = parse_lookup_key(child[0])
            yield "__".join(parts)
