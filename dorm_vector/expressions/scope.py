"""The compile in progress: the connection and the query of a piece of SQL.

djanorm does not pass the connection to expressions inside Coalesce, Case, Subquery, Exists or SET.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextvars import ContextVar
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from dorm.db.connection import get_connection
from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import F, OuterRef, Subquery
from dorm.fields import DateTimeField
from dorm.functions import _compile_condition
from dorm.query import SQLQuery

from ..dialects.shared.operands import SQL, Operand
from ..engines import dialect_for
from ..engines.statement import with_searches
from ..introspection import vector_fields
from ..patching.registry import hook

if TYPE_CHECKING:
    from ..dialects.base import Dialect


# What a field writes of its values, for those that are compared with an annotation or bound by an expression.
_AS_STORED: dict[type, Callable[[Any], Any]] = {
    dt.datetime: DateTimeField().get_db_prep_value,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: lambda value: value // dt.timedelta(microseconds=1),
    Decimal: float,
    UUID: str,
}


class compiling:  # noqa: N801  # a context manager, called as a function is
    """The compilation of a statement or of a query inside one; inner queries add their searches to the statement's."""

    def __init__(self, connection: Any, query: Any) -> None:
        self.connection, self.query = connection, query
        self.searches: list[Any] = []
        self._is_inside = False

    def __enter__(self) -> Self:
        around = _current.get()
        if around is not None and around.connection is self.connection:
            self.searches, self._is_inside = around.searches, True
        self._token = _current.set(self)
        return self

    def __exit__(self, *_error: object) -> None:
        _current.reset(self._token)

    def statement(self, sql: str, params: list[Any]) -> SQL:
        """Return the statement with the searches found in it attached, or unchanged if it is part of another one."""
        if self._is_inside:
            return sql, params
        if not _AS_STORED.keys().isdisjoint(map(type, params)):
            params = _as_stored(params, dialect_for(self.connection))
        return (with_searches(sql, self.searches) if self.searches else sql), params


def _as_stored(params: list[Any], dialect: Dialect) -> list[Any]:
    kinds = _AS_STORED.keys() if dialect.stores_text else set() if dialect.loading.intervals else {dt.timedelta}
    return [_AS_STORED[type(value)](value) if type(value) in kinds else value for value in params]


_current: ContextVar[compiling | None] = ContextVar("dorm_vector_compile", default=None)


def _remember_connection(original: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
    """Pass the statement's connection to expressions nested in functions, subqueries and SET.

    Symptom: with two databases in one process, SQL inside Coalesce, Case, Subquery, Exists or ``update()`` is written
    for the wrong one. Cause: ``SQLQuery`` passes the connection to annotations only. djanorm 4.3 to 4.5.
    """
    connection = kwargs.get("connection", args[-1] if args else None)
    with compiling(connection, query) as compilation:
        sql, params = original(query, *args, **kwargs)
    return compilation.statement(sql, params)


for _method in ("as_select", "as_count", "as_exists", "as_update", "as_delete"):
    hook("dorm.query:SQLQuery", _method, name="remember_connection")(_remember_connection)


class FieldResolver:
    """Resolve field paths to the fields of a model and the annotations of a query."""

    def __init__(self, query: Any, model: Any) -> None:
        self.query, self.model = query, model

    def field(self, path: str) -> Any:
        """Return the field at the end of ``path``, or None."""
        parts = path.split("__")
        if self.query is not None:
            return self.query._resolve_field(parts) or field_across(self.model, parts)
        return self.model._meta.get_field(path) if self.model is not None else None

    def annotation(self, path: str) -> Any:
        """Return the annotation with this name, or None."""
        annotations = getattr(self.query, "annotations", {})
        if path not in annotations or (path in self.model._meta._field_cache and not self._is_alias(path)):
            return None
        return getattr(annotations[path], "unread", annotations[path])

    def _is_alias(self, name: str) -> bool:
        return name in self.query.alias_only_names

    def source(self, operand: Any) -> Any:
        """Return the field of an operand, or an expression and the resolver for its names, or None."""
        if isinstance(operand, OuterRef):
            model = getattr(self.query, "_outer_model", None)
            return FieldResolver(None, model).field(operand.name) if model is not None else None
        if isinstance(operand, Subquery):
            inner = operand.queryset._query
            chosen = [*(inner.selected_fields or ()), *inner.annotations]
            return FieldResolver(inner, inner.model).source(chosen[0]) if chosen else None
        path = operand if isinstance(operand, str) else operand.name if isinstance(operand, F) else ""
        annotation = self.annotation(path)
        if annotation is not None and annotation is not operand:
            return annotation, self
        return self.field(path) if path else None


class CompileScope(FieldResolver):
    """The scope of an expression: its dialect, and the query and model that its field paths resolve against."""

    def __init__(
        self,
        query: Any,
        model: Any,
        dialect: Dialect,
        connection: Any,
        table_alias: str | None,
        assumed: int | None = None,
    ) -> None:
        """Take as ``assumed`` the dimensions of a column without a model, as in a migration."""
        super().__init__(query, model)
        self.dialect, self.connection, self.table_alias, self.assumed = dialect, connection, table_alias, assumed

    def column(self, path: str) -> Operand:
        """Join the relations in ``path``, and return the qualified column at its end."""
        if self.query is None:
            field = self.field(path)
            return Operand(
                _qualified(self.table_alias, field.column if field else path), nullable=_nullable(field, path)
            )
        sql = self.query._resolve_column(path.split("__"), self.connection)
        if "." not in sql:
            sql = f'"{self._alias()}".{sql}'
        return Operand(sql, nullable=_nullable(self.field(path), path))

    def condition(self, condition: Any, table_alias: str | None) -> SQL:
        """Return the SQL of a Q over the columns of a table."""
        sql, params = _compile_condition(condition, table_alias=table_alias, connection=self.connection)
        return sql, list(params)

    def outer(self, reference: OuterRef) -> Operand:
        return Operand(self.query._resolve_outer_ref(reference))

    def subquery(self, subquery: Subquery) -> Operand:
        sql, params = subquery.as_sql(self._alias(), model=self.model)
        return Operand(sql, tuple(params))

    def _alias(self) -> str:
        own = getattr(self.query, "_self_alias", None)
        return str(own or self.table_alias or self.model._meta.db_table)


def field_across(model: Any, parts: list[str]) -> Any:
    """Return the field at the end of a path with reverse relations, which djanorm does not look up."""
    for name in parts[:-1]:
        relation: Any = model._meta._field_cache.get(name) or getattr(model, name, None)
        related = getattr(relation, "field", relation)
        model = related._resolve_related_model() if hasattr(related, "_resolve_related_model") else None
        model = getattr(relation, "source_model", model)
        if model is None:
            return None
    return model._meta._field_cache.get(parts[-1]) if len(parts) > 1 else None


def scope(
    table_alias: str | None, *, model: Any = None, connection: Any = None, query: Any = None, **_others: Any
) -> CompileScope:
    """Return the scope of an expression from the arguments of its ``as_sql()`` and the compile in progress."""
    current = _current.get()
    if query is None and current is not None and model in (None, current.query.model):
        query = current.query
    if current is not None:
        connection = current.connection
    elif connection is None:
        connection = get_connection(getattr(query, "using", None) or "default")
    model = model or (query.model if query is not None else None)
    return CompileScope(query, model, dialect_for(connection), connection, table_alias)


def current_connection(query: Any) -> Any:
    """Return the connection of the statement that ``query`` is part of."""
    current = _current.get()
    return current.connection if current is not None else get_connection(query.using or "default")


def note_search(search: Any) -> None:
    """Add a search to the statement that is being compiled, for its runner."""
    current = _current.get()
    if current is not None:
        current.searches.append(search)


def is_compiling() -> bool:
    """Return whether a statement is being compiled, so that a query compiled now is a part of it."""
    return _current.get() is not None


def current_query() -> Any:
    """Return the query of the statement that is being compiled, or None."""
    current = _current.get()
    return current.query if current is not None else None


def _qualified(table_alias: str | None, column: str) -> str:
    return f'"{table_alias}"."{column}"' if table_alias else f'"{column}"'


def _nullable(field: Any, path: str) -> bool:
    # The outer join of a relation may find no row.
    return field is None or field.null or "__" in path


__all__ = ["SQL", "CompileScope", "FieldResolver", "compiling", "current_connection", "current_query", "scope"]


def vector_field(model: Any, path: str) -> Any:
    """Return the vector field at the end of ``path``; raises FieldDoesNotExist if there is none."""
    if not isinstance(path, str):
        raise TypeError(f"A vector field goes by its name; got {path!r}.")
    own = model._meta._field_cache.get(path)
    if hasattr(own, "to_vector"):
        return own
    try:
        field = FieldResolver(SQLQuery(model), model).field(path)
    except FieldDoesNotExist:
        field = None
    if not hasattr(field, "to_vector"):
        names = ", ".join(field.name for field in vector_fields(model)) or "none of its own"
        raise FieldDoesNotExist(f"{model.__name__} has no vector field {path!r}. It has {names}.")
    return field
