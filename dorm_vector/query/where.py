"""Compile WHERE: filters by annotations, vectors and expressions."""

from __future__ import annotations

from typing import Any

from dorm import lookups
from dorm.aggregates import Aggregate
from dorm.expressions import Exists, F, OuterRef, RawSQL

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..exceptions import InvalidVector
from ..expressions.outputs import annotation_field
from ..expressions.scope import current_connection
from ..search.query import SearchQuery
from .joins import across_many, keep_rows
from .names import qualified

_COMPARISONS = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "IN"}
_LISTS = {"range": ("{column} BETWEEN {right}", " AND "), "in": ("{column} IN ({right})", ", ")}
_OF_VECTORS = ("exact", "in")


class FilteringQuery(SearchQuery):
    """A SQLQuery whose WHERE can compare annotations and vectors with values and expressions."""

    def _compile_leaf(self, field_parts: list[str], lookup: str, value: Any, connection: Any) -> SQL:
        if lookup not in _COMPARISONS and self._resolve_field([*field_parts, lookup]) is not None:
            # The field at the end has the name of a lookup, as "day" is.
            field_parts, lookup = [*field_parts, lookup], "exact"
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
        if lookup in _LISTS and isinstance(value, (list, tuple)) and any(map(_is_expression, value)):
            return self._compare_list(self._resolve_column(field_parts, connection), field, lookup, value, connection)
        if lookup == "range" and field is not None:
            # djanorm leaves both ends to the driver.
            value = [field.get_db_prep_value(end) for end in value]
        # If this leaf resolves to no field, djanorm would keep the previous leaf's field and bind through it.
        self._last_resolved_leaf_field = None
        sql, params = super()._compile_leaf(field_parts, lookup, value, connection)
        return sql, params

    def _resolve_column(self, field_parts: list[str], connection: Any = None) -> str:
        sql = across_many(self, field_parts, connection)
        if sql is None:
            column: str = super()._resolve_column(field_parts, connection)
            sql = qualified(self, column, field_parts)
        keep_rows(self)
        return sql

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

    def _compare_list(self, column: str, field: Any, lookup: str, values: Any, connection: Any) -> SQL:
        prepared = [
            value if field is None or _is_expression(value) else field.get_db_prep_value(value) for value in values
        ]
        sides = [self._right_side(v, connection) if _is_expression(v) else ("%s", [v]) for v in prepared]
        template, separator = _LISTS[lookup]
        right = separator.join(sql for sql, _params in sides)
        return template.format(column=column, right=right), [param for _sql, more in sides for param in more]

    def _compare_vector(self, left: SQL, field: Any, lookup: str, value: Any) -> SQL:
        connection = current_connection(self)
        if _is_expression(value) and lookup in _OF_VECTORS:
            right, right_params = self._right_side(value, connection)
            return dialect_for(connection).equality.format(left=left[0], right=right), [*left[1], *right_params]
        return equal_vectors(left, field, lookup, value, connection)

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


def equal_vectors(left: SQL, field: Any, lookup: str, value: Any, connection: Any) -> SQL:
    """Compare a vector column with a vector, or with several."""
    if lookup not in _OF_VECTORS:
        raise InvalidVector(
            f"{field.label} has no lookup {lookup!r}. It has exact, in and isnull; a distance has more."
        )
    dialect = dialect_for(connection)
    vectors = [field.to_vector(item) for item in (value if lookup == "in" else [value])]
    equal = dialect.equality.format(left=left[0], right=dialect.form(field.element).placeholder)
    params = [part for vector in vectors for part in (*left[1], vector)]
    return "(" + (" OR ".join([equal] * len(vectors)) or "1 = 0") + ")", params


def _operator(lookup: str) -> str:
    if lookup not in _COMPARISONS:
        raise NotImplementedError(f"an expression cannot follow {lookup!r}. It can follow {', '.join(_COMPARISONS)}.")
    return _COMPARISONS[lookup]


def _is_expression(value: Any) -> bool:
    return isinstance(value, (F, OuterRef)) or hasattr(value, "as_sql")
