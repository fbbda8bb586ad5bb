"""Compile SELECT and subqueries; this overrides only what djanorm gets wrong, and leaves the rest to djanorm."""

from __future__ import annotations

from typing import Any, Self

from dorm.query import SQLQuery, _validate_identifier

from ..dialects.base import Dialect
from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..engines.statement import Statement
from ..expressions.outputs import as_read
from ..expressions.scope import compiling, current_connection, field_across
from ..introspection import key_names
from ..search.compiled import compiled_search
from ..search.connection import SearchConnection
from ..search.plans.choice import plan_for
from ..search.plans.index_order import IndexOrderPlan
from ..search.plans.plan import Plan, Purpose
from .binary_rows import is_plain, reads_binary
from .copying import copied, is_known
from .joins import is_many
from .known_statements import known_or_made
from .names import refuse
from .order import OrderingQuery, by_output
from .statement_cache import InFilter, written

# SQL requires a column even if values() selects only annotations; a constant does not change DISTINCT.
_NO_COLUMN = '1 AS "_"'

_COPIES = is_known()


class VectorSQLQuery(OrderingQuery):
    """A SQLQuery for models with vector fields: it filters, orders, counts and projects by annotations."""

    using: str | None = None
    is_combined = False
    """Whether its rows are those of several querysets."""
    outer_references: list[Any] | None = None
    """The references to the outer query that compiling a subquery found; copies made meanwhile share the list."""

    def __init__(self, model: Any, using: str | None = None, *, state: SQLQuery | None = None) -> None:
        """Take over the state of another query, which must not be used afterwards, or start an empty one."""
        if state is None:
            super().__init__(model)
        else:
            self.__dict__ = state.__dict__
        self.using = using

    def clone(self) -> Self:
        if _COPIES:
            copy = object.__new__(type(self))
            copy.__dict__ = copied(self.__dict__)
            return copy
        # djanorm's clone() would return a plain SQLQuery.
        query = type(self)(self.model, self.using, state=super().clone())
        query.search, query.options = self.search, self.options
        return query

    # the outermost SELECT

    def as_select(self, connection: Any, purpose: Purpose = Purpose.STATEMENT) -> SQL:
        def planned() -> SQL:
            return self.as_planned(connection, plan_for(self, connection, purpose), purpose)

        return known_or_made(self, connection, planned) if purpose is Purpose.STATEMENT else planned()

    def as_planned(self, connection: Any, plan: Plan | None, purpose: Purpose = Purpose.STATEMENT) -> SQL:
        """Compile the outermost SELECT over the rows that the plan finds."""
        query = self._hiding_unselected()
        if plan is not None:
            query = plan.narrowed(query)
        with compiling(connection, query) as compilation:
            sql, params = written(query, connection, Purpose.PART if purpose is Purpose.PART else Purpose.SELECT)
            is_ranked = self.is_by_distance() or (plan is not None and plan.is_client)
            if isinstance(connection, SearchConnection) and self.limit_val is not None and is_ranked:
                compilation.searches.append(compiled_search(self, connection.known_dialect, plan, is_whole=True))
        return compilation.statement(sql, params)

    def select(self, connection: Any, purpose: Purpose = Purpose.SELECT, *, marks_filter: bool = False) -> SQL:
        """Compile the outermost SELECT: djanorm's, with our columns in front and our ORDER BY at the end."""
        plan = plan_for(self, connection, purpose)
        # ORDER BY is compiled first, because the relations that it crosses must be joined before djanorm writes FROM.
        order, order_params = self._ordering(connection) if plan is None else ("", [])
        grouping = self._grouping()
        head = SelectHead.of(self, dialect_for(connection), purpose, marks_filter=marks_filter)
        if plan is not None:
            return plan.select(self, head, connection)
        sql, params = SQLQuery.as_select(head, connection)
        if grouping:
            having, having_params = self._compile_nodes(self.having_nodes, connection)
            sql, params = f"{sql}{grouping}{having and f' HAVING {having}'}", params + having_params
        lock = self._compile_for_update(connection) if self.for_update_flag else ""
        sql = f"{sql}{order}{self._limits()}{lock}"
        return Statement(sql, binary=True) if head.is_binary else sql, params + order_params

    def get_columns(self, table_alias: str | None = None) -> str:
        columns = [self._column(name, table_alias) for name in self._selected_names()]
        return ", ".join(columns) or _NO_COLUMN

    def _selected_names(self) -> list[str]:
        if self.selected_fields is None:
            return [field.column for field in self.model._meta.concrete_fields]
        names = [name for name in self.selected_fields if name is not None and not self._is_annotation(name)]
        # djanorm requests the column of a composite key, which has several.
        key = self.model._meta.pk.field_names if None in self.selected_fields else ()
        columns = [self.model._meta.get_field(name).column for name in key]
        return [column for column in columns if column not in names] + names

    def _column(self, name: str, table_alias: str | None) -> str:
        parts = name.split("__")
        field: Any = self._resolve_field(parts)
        is_joined = len(parts) > 1 or is_many(self.model, name)
        if field is None and not is_joined:
            refuse(self, name)
        column = field.column if field is not None and field.column else name
        if is_joined:
            sql, output = self._resolve_column(parts), name
        else:
            _validate_identifier(column)
            sql, output = (
                (f'"{table_alias}"."{column}"' if table_alias else f'"{column}"'),
                self._output_name(name, column),
            )
        return f'{self._read(sql, field)} AS "{output}"'

    def _read(self, sql: str, field: Any) -> str:
        """Return the SQL that selects a column; inside a statement, the column is used as it is stored."""
        return sql

    def _resolve_field(self, field_parts: list[str]) -> Any:
        field: Any = super()._resolve_field(field_parts) or field_across(self.model, list(field_parts))
        return field

    def _output_name(self, name: str, column: str) -> str:
        # Model instances are filled by column name; values() uses the requested names.
        return name if self.is_values() else column

    def is_values(self) -> bool:
        """Return whether the query returns rows in the form of values()."""
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
        if self.distinct_flag:
            # PostgreSQL sorts distinct rows only by selected columns; the reader of the rows removes them.
            query.alias_only_names -= {name.removeprefix("-") for name in self.order_by_fields}
        return query

    def _compile_nodes(self, nodes: list[Any], connection: Any) -> SQL:
        group = self.group if nodes is self.where_nodes else None
        if group is None:
            sql, params = super()._compile_nodes(nodes, connection)
            return sql, params
        inner = group.ranked(VectorSQLQuery(self.model, self.using, state=SQLQuery.clone(self)))
        inner.search, inner.outer_references = self.search, []
        inner._self_alias = f"{self._alias()}_placed"
        with compiling(connection, inner):
            ranked = inner._plain_subselect(connection, ("", []))
        if inner.outer_references:
            dialect_for(connection).require_groups_alone()
            if self.outer_references is not None:
                self.outer_references += inner.outer_references
        return group.condition(self, ranked)

    # subqueries

    def nested(self, name: str) -> VectorSQLQuery:
        """Return an empty query of the same table, for a subquery about each row."""
        query = VectorSQLQuery(self.model, self.using)
        query._self_alias = f"{self._alias()}_{name}"
        return query

    def as_subquery_sql(self, outer_alias: str | None = None, outer_model: Any = None) -> SQL:
        connection = current_connection(self)
        query = self._hiding_unselected()
        query._outer_alias, query._outer_model = outer_alias, outer_model
        table = query.get_table()
        query._self_alias = f"{table}_sub" if outer_alias == table else table
        if query.ranks() and dialect_for(connection).is_approximate:
            query = query.inside(connection)
        with compiling(connection, query):
            found = query._subselect(connection)
        self.outer_references = query.outer_references
        return found

    def _subselect(self, connection: Any) -> SQL:
        plan: Any = plan_for(self, connection, Purpose.SUBQUERY)
        references: list[Any] = []
        self.outer_references = references
        order = self._ordering(connection)
        orders_by_outer = bool(references)
        plain = self._plain_subselect(connection, order)
        # The index's form has a derived table, which cannot refer to the outer query on MariaDB.
        if plan is not None and not references:
            return self._subselect_of_ranks(connection, plan)
        if not dialect_for(connection).ordering.by_outer and orders_by_outer:
            return self._subselect_of_ranks(connection)
        return plain

    def _resolve_outer_ref(self, ref: Any) -> str:
        if self.outer_references is not None:
            self.outer_references.append(ref)
        return str(super()._resolve_outer_ref(ref))

    def _plain_subselect(self, connection: Any, ordering: SQL) -> SQL:
        order, order_params = ordering
        columns, params = self._projection()
        where, where_params = self._compile_nodes(self.where_nodes, connection)
        joins = "".join(f' {kind} JOIN "{table}" AS "{alias}" ON {on}' for kind, table, alias, on in self.joins)
        sql = f'SELECT {self._distinct(connection)}{columns} FROM "{self.get_table()}" AS "{self._alias()}"{joins}'
        sql += f" WHERE {where}" if where else ""
        sql += self._grouping()
        having, having_params = self._compile_nodes(self.having_nodes, connection)
        sql += f" HAVING {having}" if having else ""
        return f"{sql}{order}{self._limits()}", params + where_params + having_params + order_params

    def _subselect_of_ranks(self, connection: Any, plan: IndexOrderPlan | None = None) -> SQL:
        """Select from an inner query with the ranks as columns: from an index, or out of reach of ORDER BY."""
        ranks = {entry.removeprefix("-") for entry in self.order_by_fields}
        names = self._selected_names() + [name for name in self.annotations if self._is_projected(name)]
        inner = self._hiding_unselected()
        inner.alias_only_names -= ranks
        inner.order_by_fields, inner.limit_val, inner.offset_val = [], None, None
        inner = plan.narrowed(inner) if plan is not None else inner
        sql, params = inner._subselect(connection)
        sql, params = plan.found(sql, params) if plan is not None else (sql, params)
        columns = ", ".join(f'"{name}"' for name in names)
        return f'SELECT {columns} FROM ({sql}) AS "ranked"{by_output(self, connection)}{self._limits()}', params

    def _distinct(self, connection: Any) -> str:
        if not self.distinct_on_fields:
            return "DISTINCT " if self.distinct_flag else ""
        asked = SQLQuery(self.model)
        asked.distinct_on_fields = self.distinct_on_fields
        asked.as_select(connection)  # djanorm knows which databases have it, and raises for the others
        columns = (self._resolve_column([name], connection) for name in self.distinct_on_fields)
        return f"DISTINCT ON ({', '.join(columns)}) "

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
        """Return GROUP BY with each column under its table's name, because a joined table may have one of its own."""
        parts = []
        for name in self.group_by_fields:
            _validate_identifier(name)
            parts.append(f'"{name}"' if self._is_annotation(name) else self._resolve_column(name.split("__")))
        if not parts and self._annotations_have_aggregate():
            # Without fields, annotate() aggregates per row.
            parts = [self._resolve_column([name]) for name in key_names(self.model)]
        return " GROUP BY " + ", ".join(parts) if parts else ""

    def _compile_subquery(self, queryset: Any, connection: Any) -> SQL:
        """Compile ``field__in=queryset``; a slice keeps its order, so that it selects the same rows."""
        inner = queryset._query
        if isinstance(inner, VectorSQLQuery) and inner.is_derived():
            return inner.as_members(self._alias(), self.model)
        sql, params = super()._compile_subquery(queryset, connection)
        return sql, params

    def is_slice(self) -> bool:
        return self.limit_val is not None or bool(self.offset_val)

    def is_derived(self) -> bool:
        """Return whether the right-hand side of IN needs more than a column and a filter."""
        return self.is_slice() or any(map(self._is_annotation, (self.selected_fields or ())[:1]))

    def as_members(self, outer_alias: str, outer_model: Any) -> SQL:
        """Compile the rows as the right-hand side of IN."""
        query = self.clone()
        query.selected_fields = (self.selected_fields or ["pk"])[:1]
        query.deferred_loading = False
        sql, params = query.as_subquery_sql(outer_alias, outer_model)
        dialect = dialect_for(current_connection(self))
        if dialect.ordering.correlated_slice is not None and query.outer_references:
            dialect.require_one_row(self.limit_val)
            return f"COALESCE(({sql}), NULL)", params  # a scalar, without IN and LIMIT in one subquery
        # Distinct rows may also contain their sort columns.
        shown = f'"{query.selected_fields[0]}"' if query.distinct_flag else "*"
        # MySQL and MariaDB reject LIMIT directly inside IN.
        return f'SELECT {shown} FROM ({sql}) AS "chosen"', params

    def _adapt_placeholders(self, sql: str, connection: Any) -> str:
        # Every wrapper accepts %s, and ORDER BY is added after the part that djanorm would have numbered.
        return sql


class SelectHead(VectorSQLQuery):
    """The outermost SELECT up to ORDER BY, with vectors in the format that the driver reads."""

    reader: Dialect
    is_binary: bool
    """Whether the rows arrive in binary, so that plain vector columns need no conversion."""
    is_grouped: bool
    """Whether the query writes its own GROUP BY behind the head."""
    marks_filter: bool
    """Whether to mark the parameters of WHERE, so that they are distinguishable from the others."""

    @classmethod
    def of(cls, query: VectorSQLQuery, reader: Dialect, purpose: Purpose, *, marks_filter: bool) -> Self:
        head = cls(query.model, query.using, state=query.clone())
        # The list is shared, so that joins that djanorm adds to the head appear in the query too.
        head.joins, head.reader, head.marks_filter = query.joins, reader, marks_filter
        head.is_binary = reader.loading.binary_rows and purpose is not Purpose.PART and reads_binary(query)
        head.annotations = as_read(query, query.annotations, reader)
        head.is_grouped = bool(query.group_by_fields or query._annotations_have_aggregate())
        if head.is_grouped:
            head.group_by_fields, head.having_nodes = [], []
        head.order_by_fields, head.limit_val, head.offset_val, head.for_update_flag = [], None, None, False
        return head

    def _annotations_have_aggregate(self) -> bool:
        return not self.is_grouped and bool(super()._annotations_have_aggregate())

    def _compile_nodes(self, nodes: list[Any], connection: Any) -> SQL:
        sql, params = super()._compile_nodes(nodes, connection)
        if self.marks_filter and nodes is self.where_nodes:
            return sql, [InFilter(position, param) for position, param in enumerate(params)]
        return sql, params

    def _read(self, sql: str, field: Any) -> str:
        if not hasattr(field, "to_vector") or (self.is_binary and is_plain(field)):
            return sql
        return self.reader.form(field.element).read.format(column=sql)
