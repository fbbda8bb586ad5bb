"""SQLQuery that filters, orders, counts and projects by annotations.

Only what djanorm gets wrong is overridden; the rest of each statement is its own.
"""

from __future__ import annotations

from typing import Any

from dorm import lookups
from dorm.aggregates import Aggregate
from dorm.expressions import Exists, F, OuterRef, RawSQL
from dorm.query import SQLQuery, _validate_identifier

from ..dialects.base import Dialect
from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..engines.statement import Statement
from ..exceptions import InvalidVector
from ..expressions.outputs import annotation_field, as_read
from ..expressions.scope import compiling, current_connection, note_search
from ..search.compiled import CompiledSearch, compiled_search
from ..search.connection import SearchConnection
from ..search.plans.index_order import IndexOrderPlan, index_order_plan
from ..search.plans.late_materialization import late_plan
from ..search.plans.probe import companion_answer, through_an_index
from ..search.query import SearchQuery
from .binary_rows import is_plain, reads_binary
from .names import across_many, qualified, refuse
from .order import _ascending, by_output
from .statement_cache import InFilter, written
from .where import _is_expression, _operator

# SQL wants a column where values() asks for annotations alone; a constant keeps DISTINCT what it is.
_NO_COLUMN = '1 AS "_"'

_NO_LIMIT = 2**63 - 1


class VectorSQLQuery(SearchQuery):
    """SQLQuery for models with vector fields."""

    using: str | None = None
    _is_binary = False
    """Whether the rows of the outermost SELECT come in binary, so that vector columns need no reading form."""
    _reader: Dialect | None = None
    """The dialect whose read form wraps vector columns: set in the outermost SELECT alone."""
    is_part: bool = False
    """Whether this is one SELECT of a union, whose order nobody sees."""
    marks_filter: bool = False
    """Whether the parameters of WHERE are to be known again among the others."""

    def __init__(self, model: Any, using: str | None = None, *, state: SQLQuery | None = None) -> None:
        """Take over the state of another query, which is not used further, or begin an empty one."""
        if state is None:
            super().__init__(model)
        else:
            vars(self).update(vars(state))
        self.using = using

    def clone(self) -> VectorSQLQuery:
        # djanorm's own makes a plain SQLQuery.
        query = type(self)(self.model, self.using, state=super().clone())
        query.search, query.options = self.search, self.options
        return query

    # WHERE

    def _compile_nodes(self, nodes: list[Any], connection: Any) -> SQL:
        sql, params = super()._compile_nodes(nodes, connection)
        if self.marks_filter and nodes is self.where_nodes:
            return sql, [InFilter(position, param) for position, param in enumerate(params)]
        return sql, params

    def _compile_leaf(self, field_parts: list[str], lookup: str, value: Any, connection: Any) -> SQL:
        if hasattr(value, "as_condition"):
            condition: SQL = value.as_condition(self._resolve_column(field_parts, connection), dialect_for(connection))
            return condition
        if len(field_parts) == 1 and self._is_comparable(field_parts[0]):
            return self._compare_annotation(field_parts[0], lookup, value, connection)
        field = self._resolve_field(field_parts)
        if hasattr(field, "to_vector") and lookup != "isnull" and value is not None:
            return self._compare_vector((self._resolve_column(field_parts, connection), []), field, lookup, value)
        if _is_expression(value) and not isinstance(value, (Exists, RawSQL)):
            # djanorm reads every lookup of an OuterRef or a Subquery as "equal", and binds other expressions as values.
            return self._compare((self._resolve_column(field_parts, connection), []), lookup, value, connection)
        # djanorm keeps the field of the leaf before when this one resolves to none, and binds through it.
        self._last_resolved_leaf_field = None
        sql, params = super()._compile_leaf(field_parts, lookup, value, connection)
        return sql, params

    def _resolve_column(self, field_parts: list[str], connection: Any = None) -> str:
        sql = across_many(self, field_parts, connection)
        return sql or qualified(self, str(super()._resolve_column(field_parts, connection)), field_parts)

    def _compare_annotation(self, name: str, lookup: str, value: Any, connection: Any) -> SQL:
        left, field = self._annotation(name), annotation_field(self, name)
        if field is None or lookup == "isnull" or value is None:
            return self._compare(left, lookup, value, connection)
        return self._compare_vector(left, field, lookup, value)

    def _compare(self, left: SQL, lookup: str, value: Any, connection: Any) -> SQL:
        sql, params = left
        if value is None and lookup == "exact":
            return f"{sql} IS NULL", params
        if _is_expression(value) or hasattr(value, "_query"):
            right, right_params = self._right_side(value, connection)
            return f"{sql} {_operator(lookup)} {right}", params + right_params
        compared, right_params = lookups.build_lookup_sql(sql, lookup, value, vendor=connection.vendor)
        return compared, params + right_params

    def _compare_vector(self, left: SQL, field: Any, lookup: str, value: Any) -> SQL:
        if lookup not in ("exact", "in"):
            raise InvalidVector(
                f"{field.label} has no lookup {lookup!r}. It has exact, in and isnull; a distance has more."
            )
        connection = current_connection(self)
        dialect = dialect_for(connection)
        if _is_expression(value):
            right, right_params = self._right_side(value, connection)
            return dialect.equality.format(left=left[0], right=right), [*left[1], *right_params]
        vectors = [field.to_vector(item) for item in (value if lookup == "in" else [value])]
        equal = dialect.equality.format(left=left[0], right=dialect.form(field.element).placeholder)
        params = [part for vector in vectors for part in (*left[1], vector)]
        return "(" + (" OR ".join([equal] * len(vectors)) or "1 = 0") + ")", params

    def _right_side(self, value: Any, connection: Any) -> SQL:
        if hasattr(value, "_query"):
            sql, params = self._compile_subquery(value, connection)
            return f"({sql})", params
        if isinstance(value, OuterRef):
            return self._resolve_outer_ref(value), []
        if isinstance(value, F):
            if self._is_annotation(value.name):
                return self._annotation(value.name)
            return self._resolve_column(value.name.split("__"), connection), []
        sql, params = value.as_sql(self._alias(), model=self.model, connection=connection, query=self)
        return sql, list(params)

    # ORDER BY

    def _ordering(self, connection: Any) -> SQL:
        parts: list[str] = []
        params: list[Any] = []
        for entry in self.order_by_fields:
            sql, more = self._order(entry.removeprefix("-"), entry.startswith("-"), connection)
            parts.append(sql)
            params += more
        return (" ORDER BY " + ", ".join(parts) if parts else ""), params

    def _order(self, name: str, descending: bool, connection: Any) -> SQL:
        if self._is_annotation(name):
            return self._order_annotation(name, descending)
        return f"{self._order_column(name, connection)} {'DESC' if descending else 'ASC'}", []

    def _order_annotation(self, name: str, descending: bool) -> SQL:
        if isinstance(self.annotations[name], Aggregate):
            return f'"{name}" {"DESC" if descending else "ASC"}', []
        dialect, expression = dialect_for(current_connection(self)), self.annotations[name]
        if hasattr(expression, "distance"):
            # Of a similarity: as the one goes down, the other goes up, and the distance is what an index can serve.
            return self._order_expression(dialect, expression.distance, not descending)
        if (self._is_projected(name) and not self._is_searched_exactly(name)) and (
            descending or self.distinct_flag or self._annotation(name) == self._annotation(name, ranking=True)
        ):
            template = dialect.descending if descending else _ascending(dialect, expression)
            return template.format(value=f'"{name}"', rank=f'"{name}"'), []
        return self._order_expression(dialect, expression, descending, exact=self._is_searched_exactly(name))

    def _order_expression(self, dialect: Dialect, expression: Any, descending: bool, exact: bool = False) -> SQL:
        if descending:
            value, params = self._compiled(expression)
            return dialect.descending.format(value=value), params * dialect.descending.count("{value}")
        rank, params = self._compiled(expression, ranking=True)
        rank = dialect.exact_rank.format(rank=rank) if exact else rank
        template = _ascending(dialect, expression)
        return template.format(rank=rank), params * template.count("{rank}")

    def _is_searched_exactly(self, name: str) -> bool:
        return self.search is not None and self.search.exact and self.search.name == name

    def _order_column(self, name: str, connection: Any) -> str:
        _validate_identifier(name)
        return self._resolve_column(name.split("__"), connection)

    def _limits(self) -> str:
        limit = self.limit_val if self.limit_val is not None else (_NO_LIMIT if self.offset_val else None)
        sql = f" LIMIT {int(limit)}" if limit is not None else ""
        return sql + (f" OFFSET {int(self.offset_val)}" if self.offset_val else "")

    # SELECT

    def as_select(self, connection: Any) -> SQL:
        query = self._hiding_unselected()
        answer = companion_answer(self, connection)
        if answer is not None:
            query = answer.narrowed(query)
        elif self.ranks():
            query = through_an_index(query, connection)
        with compiling(connection, query) as compilation:
            sql, params = written(query, connection)
            if isinstance(connection, SearchConnection) and self.limit_val is not None and self.is_by_distance():
                note_search(self._compiled_search(connection, answer))
        return compilation.statement(sql), params

    def _compiled_search(self, connection: Any, companion: Any) -> CompiledSearch:
        if companion is not None:
            return CompiledSearch(self, companion=companion, is_whole=True)
        return compiled_search(self, dialect_for(connection), is_whole=True)

    def _select(self, connection: Any) -> SQL:
        """Compile the outermost SELECT: djanorm's, with our columns before and our order behind."""
        way = None if self.is_part else index_order_plan(self, connection) or late_plan(self, connection)
        if way is not None:
            return way.select(self, self._head(connection), connection)
        # First, so that the relations it crosses are joined when djanorm writes FROM.
        order, order_params = self._ordering(connection)
        head = self._head(connection)
        sql, params = SQLQuery.as_select(head, connection)
        lock = self._compile_for_update(connection) if self.for_update_flag else ""
        written = f"{sql}{order}{self._limits()}{lock}"
        return Statement(written, binary=True) if head._is_binary else written, params + order_params

    def _head(self, connection: Any) -> VectorSQLQuery:
        head = self.clone()
        head.joins, head._reader, head.marks_filter = self.joins, dialect_for(connection), self.marks_filter
        head._is_binary = head._reader.binary_rows and not self.is_part and reads_binary(self)
        head.annotations = as_read(self, self.annotations, head._reader)
        head.order_by_fields, head.limit_val, head.offset_val, head.for_update_flag = [], None, None, False
        return head

    def get_columns(self, table_alias: str | None = None) -> str:
        columns = [self._column(name, table_alias) for name in self._selected_names()]
        return ", ".join(columns) or _NO_COLUMN

    def _selected_names(self) -> list[str]:
        if self.selected_fields is None:
            return [field.column for field in self.model._meta.concrete_fields]
        return [name for name in self.selected_fields if not self._is_annotation(name)]

    def _column(self, name: str, table_alias: str | None) -> str:
        parts = name.split("__")
        field: Any = self._resolve_field(parts)
        if field is None and len(parts) == 1:
            refuse(self, name)
        column = field.column if field is not None and field.column else name
        if len(parts) > 1:
            sql, output = self._resolve_column(parts), name
        else:
            _validate_identifier(column)
            sql, output = (
                (f'"{table_alias}"."{column}"' if table_alias else f'"{column}"'),
                self._output_name(name, column),
            )
        if self._reader is not None and hasattr(field, "to_vector") and not (self._is_binary and is_plain(field)):
            sql = self._reader.form(field.element).read.format(column=sql)
        return f'{sql} AS "{output}"'

    def _output_name(self, name: str, column: str) -> str:
        # Model instances are filled by column; values() answers under the names it was asked with.
        return name if self.is_values() else column

    def is_values(self) -> bool:
        """Tell whether rows are wanted as values() gives them."""
        return self.selected_fields is not None and not self.deferred_loading

    def _hiding_unselected(self) -> VectorSQLQuery:
        query = self.clone()
        query._outer_alias, query._outer_model, query._self_alias = (
            self._outer_alias,
            self._outer_model,
            self._self_alias,
        )
        if self.is_values():
            chosen = self.selected_fields or []
            query.alias_only_names |= {name for name in self.annotations if name not in chosen}
        return query

    # subqueries

    def as_subquery_sql(self, outer_alias: str | None = None, outer_model: Any = None) -> SQL:
        connection = current_connection(self)
        query = self._hiding_unselected()
        query._outer_alias, query._outer_model = outer_alias, outer_model
        table = query.get_table()
        query._self_alias = f"{table}_sub" if outer_alias == table else table
        if query.ranks() and dialect_for(connection).is_approximate:
            query = query.inside(connection)
        with compiling(connection, query):
            return query._subselect(connection)

    def _subselect(self, connection: Any) -> SQL:
        search = index_order_plan(self, connection)
        if search is not None:
            return self._subselect_of_ranks(connection, search)
        order, order_params = self._ordering(connection)
        if f'"{self._outer_alias}".' in order and not dialect_for(connection).orders_by_outer:
            return self._subselect_of_ranks(connection)
        columns, params = self._projection()
        where, where_params = self._compile_nodes(self.where_nodes, connection)
        joins = "".join(f' {kind} JOIN "{table}" AS "{alias}" ON {on}' for kind, table, alias, on in self.joins)
        distinct = "DISTINCT " if self.distinct_flag else ""
        sql = f'SELECT {distinct}{columns} FROM "{self.get_table()}" AS "{self._alias()}"{joins}'
        sql += f" WHERE {where}" if where else ""
        sql += self._grouping()
        having, having_params = self._compile_nodes(self.having_nodes, connection)
        sql += f" HAVING {having}" if having else ""
        return f"{sql}{order}{self._limits()}", params + where_params + having_params + order_params

    def _subselect_of_ranks(self, connection: Any, search: IndexOrderPlan | None = None) -> SQL:
        """Select from a query that has the ranks as columns: what an index found, or what ORDER BY could not reach."""
        ranks = {entry.removeprefix("-") for entry in self.order_by_fields}
        names = self._selected_names() + [name for name in self.annotations if self._is_projected(name)]
        inner = self._hiding_unselected()
        inner.alias_only_names -= ranks
        inner.order_by_fields, inner.limit_val, inner.offset_val = [], None, None
        inner.where_nodes = search.narrowed(self.where_nodes) if search else self.where_nodes
        sql, params = inner._subselect(connection)
        sql, params = search.found(sql, params) if search else (sql, params)
        columns = ", ".join(f'"{name}"' for name in names)
        return f'SELECT {columns} FROM ({sql}) AS "ranked"{by_output(self, connection)}{self._limits()}', params

    def _projection(self) -> SQL:
        params: list[Any] = []
        parts = [self.get_columns(self._alias())] if self._selected_names() or not self.annotations else []
        for name in self.annotations:
            sql, more = self._annotation(name)
            if self._is_projected(name):
                parts.append(f'{sql} AS "{name}"')
                params += more
        return ", ".join(parts) or _NO_COLUMN, params

    def _grouping(self) -> str:
        for name in self.group_by_fields:
            _validate_identifier(name)
        return " GROUP BY " + ", ".join(f'"{name}"' for name in self.group_by_fields) if self.group_by_fields else ""

    def _compile_subquery(self, queryset: Any, connection: Any) -> SQL:
        """Compile ``field__in=queryset``; a slice keeps its order, so that it is the same rows."""
        inner = queryset._query
        if isinstance(inner, VectorSQLQuery) and inner.is_slice():
            return inner.as_members(self._alias(), self.model)
        sql, params = super()._compile_subquery(queryset, connection)
        return sql, params

    def is_slice(self) -> bool:
        return self.limit_val is not None or bool(self.offset_val)

    def as_members(self, outer_alias: str, outer_model: Any) -> SQL:
        """Compile the slice for a place behind IN."""
        query = self.clone()
        query.selected_fields = (self.selected_fields or ["pk"])[:1]
        query.deferred_loading = False
        sql, params = query.as_subquery_sql(outer_alias, outer_model)
        # MySQL and MariaDB refuse LIMIT directly inside IN.
        return f'SELECT * FROM ({sql}) AS "chosen"', params

    def _adapt_placeholders(self, sql: str, connection: Any) -> str:
        # Every wrapper takes %s, and ORDER BY is added behind what djanorm would have numbered.
        return sql

    # annotations

    def _alias(self) -> str:
        return str(self._self_alias or self.get_table())

    def _is_comparable(self, name: str) -> bool:
        # Aggregates belong in HAVING, which djanorm writes.
        return self._is_annotation(name) and not isinstance(self.annotations[name], Aggregate)

    def _is_annotation(self, name: str) -> bool:
        if name not in self.annotations:
            return False
        return name in self.alias_only_names or name not in self.model._meta._field_cache

    def is_aggregate(self, name: str) -> bool:
        return isinstance(self.annotations.get(name), Aggregate)

    def _is_projected(self, name: str) -> bool:
        return name in self.annotations and name not in self.alias_only_names

    def _annotation(self, name: str, *, ranking: bool = False) -> SQL:
        expression = self.annotations[name]
        return self._compiled(getattr(expression, "unread", expression), ranking=ranking)

    def _compiled(self, expression: Any, *, ranking: bool = False) -> SQL:
        compile_sql = getattr(expression, "as_ranking_sql", expression.as_sql) if ranking else expression.as_sql
        sql, params = compile_sql(self._alias(), model=self.model, connection=current_connection(self), query=self)
        return sql, list(params)
