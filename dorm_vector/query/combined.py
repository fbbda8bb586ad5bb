"""Combine the rows of several querysets: ``union()``, ``intersection()`` and ``difference()``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from dorm.query import _validate_identifier

from ..dialects.shared.operands import SQL
from ..expressions.scope import compiling, current_connection
from ..search.plans.plan import Purpose
from .compiler import VectorSQLQuery
from .names import NoSuchField
from .order import by_output


class CombinedQuery(VectorSQLQuery):
    """The query of a combined queryset; it can be sorted, sliced, counted and read, but not filtered again."""

    is_combined = True
    parts: Sequence[Any] = ()
    """The querysets to combine; each is compiled together with the whole, for its connection."""
    operator: str = "UNION"

    def clone(self) -> CombinedQuery:
        query: Any = super().clone()
        query.parts, query.operator = self.parts, self.operator
        cloned: CombinedQuery = query
        return cloned

    def is_slice(self) -> bool:
        return True

    def as_select(self, connection: Any, purpose: Purpose = Purpose.STATEMENT) -> SQL:
        return self._statement("{sql}", connection)

    def as_count(self, connection: Any) -> SQL:
        return self._statement('SELECT COUNT(*) AS "count" FROM ({sql}) AS "counted"', connection)

    def as_exists(self, connection: Any) -> SQL:
        return self._statement('SELECT 1 FROM ({sql}) AS "found" LIMIT 1', connection)

    def _statement(self, template: str, connection: Any) -> SQL:
        with compiling(connection, self) as compilation:
            sql, params = self._combined(connection)
        return compilation.statement(template.format(sql=sql), params)

    def _combined(self, connection: Any) -> SQL:
        self._require_whole()
        selects = [_as_part(queryset, connection) for queryset in self.parts]
        # Some databases reject ORDER BY or LIMIT inside a combined SELECT.
        sql = f" {self.operator} ".join(f'SELECT {shown} FROM ({sql}) AS "part"' for sql, _params, shown in selects)
        columns = ", ".join(map(self._projected, self.selected_fields or ())) if self.is_values() else "*"
        tail = f"{by_output(self._sorted(), connection)}{self._limits()}"
        return f'SELECT {columns} FROM ({sql}) AS "combined"{tail}', [
            value for _sql, more, _shown in selects for value in more
        ]

    def as_subquery_sql(self, outer_alias: str | None = None, outer_model: Any = None) -> SQL:
        return self.as_select(current_connection(self))

    def as_update(self, *_args: Any, **_options: Any) -> NoReturn:
        self._refuse()

    def as_delete(self, *_args: Any, **_options: Any) -> NoReturn:
        self._refuse()

    def _projected(self, name: str) -> str:
        _validate_identifier(name)
        return f'"{self._column_of(name)}" AS "{name}"'

    def _column_of(self, name: str) -> str:
        """Return the column name that the parts use for a field or an annotation."""
        chosen = self.parts[0]._query.selected_fields or () if self.parts[0]._query.is_values() else ()
        if name in chosen or self._is_annotation(name):
            return name
        field: Any = None if chosen else self._resolve_field([name])
        if field is None or not field.column:
            names = chosen or [known.name for known in self.model._meta.concrete_fields]
            raise NoSuchField(f"What is combined has no {name!r}. It has {', '.join([*names, *self.annotations])}.")
        return str(field.column)

    def _sorted(self) -> CombinedQuery:
        query = self.clone()
        signs = [("-" * name.startswith("-"), name.removeprefix("-")) for name in self.order_by_fields]
        query.order_by_fields = [sign + self._column_of(name) for sign, name in signs]
        return query

    def _require_whole(self) -> None:
        added = self.annotations.keys() - self.parts[0]._query.annotations.keys()
        changed = self.where_nodes or self.having_nodes or self.distinct_flag or self.group_by_fields
        if added or changed or self.select_related_fields or self.for_update_flag or self.search is not None:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise TypeError(
            "What union(), intersection() and difference() give can be sorted, sliced, counted and read. Filter and"
            f" annotate before; to change its rows: {self.model.__name__}.objects.filter(pk__in=found).update(…)."
        )


def combined(base: Any, others: Sequence[Any], operator: str) -> Any:
    """Return the combined queryset; its rows have the type and columns of ``base``."""
    queryset, query = base._clone(), CombinedQuery(base.model)
    query.parts, query.operator, query.using = (
        [base._clone(), *(other._clone() for other in others)],
        operator,
        base._db,
    )
    for name in ("annotations", "alias_only_names", "selected_fields", "deferred_loading"):
        setattr(query, name, getattr(queryset._query, name))
    queryset._query = query
    return queryset


def _as_part(queryset: Any, connection: Any) -> tuple[str, list[Any], str]:
    """Return the SELECT of a part, its parameters, and the columns that it is combined by."""
    query, shown = queryset._iter_setup()[0], "*"
    if isinstance(query, VectorSQLQuery):
        query = query.exactly() if query.ranks() else query
        sql, params = query.as_select(connection, Purpose.PART)
        if query.is_values():
            # A SELECT may have more columns: those that distinct rows are sorted by, or a constant.
            shown = ", ".join(f'"{name}"' for name in query.selected_fields or ())
    else:
        sql, params = query.as_select(connection)
    return sql, list(params), shown
