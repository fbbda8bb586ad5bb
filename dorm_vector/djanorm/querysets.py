"""Querysets whose annotations filter, order, count and project, and whose rows carry decoded vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from dorm.aggregates import Aggregate
from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import CombinedExpression, F
from dorm.manager import BaseManager
from dorm.queryset import CombinedQuerySet, QuerySet, ValuesListQuerySet

from ..dialects import dialect_for
from ..search import SearchMethods
from .aggregating import over_vectors
from .combining import CombinedQuery, combined
from .deferred import keeping_what_was_left_out
from .derived import DerivedQuery
from .embedding_queries import EmbeddingQueries
from .explaining import Explained
from .models import reads_vectors
from .reading import decoded, decoders
from .searching import searching
from .slices import Slices, require_whole
from .sql import VectorSQLQuery


class VectorRows(Explained):
    """What every queryset over a model with vector fields does differently."""

    _query: VectorSQLQuery
    _decoders: dict[str, Any] | None = None

    def __init__(self, model: Any, using: str = "default") -> None:
        super().__init__(model, using)
        self._query = adopt(self._query, self)

    def _clone(self) -> Any:
        queryset: Any = super()._clone()
        queryset._query = adopt(queryset._query, self)
        return queryset

    def using(self, alias: str) -> Any:
        queryset: Any = super().using(alias)
        queryset._query.using = alias
        return queryset

    def _get_connection(self) -> Any:
        return searching(super()._get_connection(), self._query.options, self.model)

    def _get_async_connection(self) -> Any:
        return searching(super()._get_async_connection(), self._query.options, self.model)

    # rows

    # djanorm's is static, and is called through self.
    def _row_to_values_dict(self, row: Any, fields: list[str]) -> dict[str, Any]:  # type: ignore[override]
        return {name: self._decode(name, row[name]) for name in fields}

    def _decode(self, name: str, value: Any) -> Any:
        if self._decoders is None:
            self._decoders = {}
        if name not in self._decoders and self._query._is_annotation(name):
            self._decoders |= {name: None, **decoders(self._query)}
        elif name not in self._decoders:
            field = self._query._resolve_field(name.split("__"))
            self._decoders[name] = field.from_db_value if field is not None and reads_vectors(field) else None
        decode = self._decoders[name]
        return value if decode is None else decode(value)

    def _instance(self, row: Any, connection: Any) -> Any:
        instance = self.model._from_db_row(row, connection)
        available = row.keys()
        for name in self._query.annotations:
            if name in available:
                instance.__dict__[name] = self._decode(name, row[name])
        return instance

    def _iterator(self) -> Iterator[Any]:
        found = {} if self._query.is_values() else decoders(self._query)
        rows = super()._iterator()
        return _decoded(rows, found) if found else rows

    def _aiterator(self) -> AsyncIterator[Any]:
        found = {} if self._query.is_values() else decoders(self._query)
        rows = super()._aiterator()
        return _adecoded(rows, found) if found else rows

    def _iterator_streaming(self, chunk_size: int) -> Iterator[Any]:
        connection = self._get_connection()
        query, fields, as_values, *_ = self._iter_setup()
        sql, params = query.as_select(connection)
        for row in connection.execute_streaming(sql, params, chunk_size):
            yield self._as_row(row, fields) if as_values else self._instance(row, connection)

    async def _aiterator_streaming(self, chunk_size: int) -> AsyncIterator[Any]:
        connection = self._get_async_connection()
        query, fields, as_values, *_ = self._iter_setup()
        sql, params = query.as_select(connection)
        async for row in connection.execute_streaming(sql, params, chunk_size):
            yield self._as_row(row, fields) if as_values else self._instance(row, connection)

    def _as_row(self, row: Any, fields: list[str]) -> Any:
        """Return a row of values() as its reader sees it."""
        return self._row_to_values_dict(row, fields)

    # slices and aggregates read from a subquery, so that a slice counts what it shows, and groups are counted as such

    def _is_whole(self) -> bool:
        return self._query.limit_val is None and not self._query.offset_val and not self._query.group_by_fields

    def count(self) -> int:
        if self._is_whole():
            return int(super().count())
        connection = self._get_connection()
        return int(connection.execute(*DerivedQuery(self._query).as_count(connection))[0]["count"])

    async def acount(self) -> int:
        if self._is_whole():
            return int(await super().acount())
        connection = self._get_async_connection()
        return int((await connection.execute(*DerivedQuery(self._query).as_count(connection)))[0]["count"])

    def exists(self) -> bool:
        return bool(super().exists()) if self._is_whole() else self.count() > 0

    async def aexists(self) -> bool:
        return bool(await super().aexists()) if self._is_whole() else await self.acount() > 0

    def _build_aggregate_sql(self, aggregates: dict[str, Any], connection: Any) -> tuple[str, list[Any], list[str]]:
        sql, params = DerivedQuery(self._query).as_aggregate(aggregates, connection)
        return sql, params, list(aggregates)

    def annotate(self, **expressions: Any) -> Any:
        """Add named expressions to every row; behind values() they are among what it returns."""
        queryset: Any = super().annotate(**over_vectors(self, expressions))
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
        return super().alias(**over_vectors(self, expressions))

    def aggregate(self, **aggregates: Any) -> dict[str, Any]:
        aggregates = over_vectors(self, aggregates)
        return decoded(super().aggregate(**aggregates), decoders(self._query, aggregates))

    async def aaggregate(self, **aggregates: Any) -> dict[str, Any]:
        aggregates = over_vectors(self, aggregates)
        return decoded(await super().aaggregate(**aggregates), decoders(self._query, aggregates))

    # combinations

    def union(self, *others: Any, all: bool = False) -> Any:
        """Return the rows of this queryset and of the others, each once, or as often as it comes with ``all=True``."""
        return combined(self, others, "UNION ALL" if all else "UNION")

    def intersection(self, *others: Any) -> Any:
        """Return the rows that the others have, too."""
        return combined(self, others, "INTERSECT")

    def difference(self, *others: Any) -> Any:
        """Return the rows that the others do not have."""
        return combined(self, others, "EXCEPT")

    def _iter_setup(self) -> Any:
        setup = super()._iter_setup()
        # The model's own order is that of each part or row, and not of the whole or a group, which may not have those
        # columns.
        is_other = isinstance(self._query, CombinedQuery) or self._query.group_by_fields
        return (self._query, *setup[1:]) if is_other else setup

    # writes

    def update(self, **values: Any) -> int:
        return int(super().update(**self._bound(values)))

    async def aupdate(self, **values: Any) -> int:
        return int(await super().aupdate(**self._bound(values)))

    def _build_bulk_update_sql(self, batch: list[Any], fields: list[str], conn: Any) -> tuple[str, list[Any]] | None:
        built = super()._build_bulk_update_sql(batch, fields, conn)
        if built is None:
            return None
        columns = [self.model._meta.get_field(name) for name in fields]
        sql, params = keeping_what_was_left_out(*built, [row for row in batch if row.pk is not None], columns)
        for field in columns:
            if hasattr(field, "to_vector"):
                # The one place where a column stands beside bound vectors.
                stored = dialect_for(conn).stored.format(column=f'"{field.column}"')
                sql = sql.replace(f' ELSE "{field.column}" END', f" ELSE {stored} END")
                sql = sql.replace(f' THEN "{field.column}"', f" THEN {stored}")
        return sql, params

    def _bound(self, values: dict[str, Any]) -> dict[str, Any]:
        # djanorm swallows what get_db_prep_value raises and sends the raw value.
        fields = self.model._meta._field_cache
        for name, value in values.items():
            self._require_columns(name, value)
        return {
            name: self._bound_vector(fields[name], value) if hasattr(fields.get(name), "to_vector") else value
            for name, value in values.items()
        }

    def _require_columns(self, name: str, value: Any) -> None:
        """Raise FieldDoesNotExist where a value reads an annotation, which SQLite would take for a text."""
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
            # djanorm takes the name for the column, and SQLite an unknown column for a text.
            return F(self.model._meta.get_field(value.name).column)
        return field.get_db_prep_value(value)


async def _adecoded(rows: AsyncIterator[Any], found: dict[str, Any]) -> AsyncIterator[Any]:
    async for instance in rows:
        decoded(instance.__dict__, found)
        yield instance


def _decoded(rows: Iterator[Any], found: dict[str, Any]) -> Iterator[Any]:
    for instance in rows:
        decoded(instance.__dict__, found)
        yield instance


class VectorQuerySet(Slices, SearchMethods, EmbeddingQueries, VectorRows, QuerySet[Any]):
    """QuerySet of a model with vector fields: distances annotate, filter, order, count and project."""

    def order_by(self, *fields: Any) -> Any:
        """Sort by field names, annotation names (``"-distance"`` descends) or expressions themselves."""
        require_whole(self, "order_by")
        queryset: Any = self
        names: list[str] = []
        for field in fields:
            if isinstance(field, str):
                names.append(field)
                continue
            expression, sign = (
                (field.expression, "-" * field.descending) if hasattr(field, "descending") else (field, "")
            )
            hidden = f"_order_{len(queryset._query.annotations)}"
            queryset = queryset.alias(**{hidden: expression})
            names.append(sign + hidden)
        ordered: Any = QuerySet.order_by(queryset, *names)
        return ordered

    def values(self, *fields: str, **expressions: Any) -> Any:
        """Return dicts of the named fields and annotations; of all of them without names."""
        queryset: Any = self.annotate(**expressions) if expressions else self._clone()
        queryset._query.selected_fields = [*fields, *expressions] or self._all_names()
        queryset._query.deferred_loading = False
        return queryset

    def values_list(self, *fields: str, flat: bool = False, named: bool = False) -> VectorValuesListQuerySet:
        """Return tuples of the named fields and annotations; of all of them without names."""
        plain = QuerySet.values_list(self, *fields, flat=flat, named=named)
        queryset = VectorValuesListQuerySet(self.model, self._db)
        queryset.__dict__.update(plain.__dict__)
        queryset._query = adopt(plain._query, self)
        queryset._query.selected_fields = queryset._fields = list(fields) or self._all_names()
        queryset._query.deferred_loading = False
        return queryset

    def _all_names(self) -> list[str]:
        names = [field.attname for field in self.model._meta.concrete_fields]
        return names + [name for name in self._query.annotations if self._query._is_projected(name)]


class VectorValuesListQuerySet(Slices, SearchMethods, EmbeddingQueries, VectorRows, ValuesListQuerySet):
    """What ``values_list()`` of a VectorQuerySet returns."""

    def _clone(self) -> Self:
        plain = ValuesListQuerySet._clone(self)
        queryset = type(self)(self.model, self._db)
        queryset.__dict__.update(plain.__dict__)
        queryset._query = adopt(plain._query, self)
        return queryset

    def _show(self, names: list[str]) -> None:
        super()._show(names)
        self._fields = list(self._query.selected_fields or [])

    def _resolve_fields(self) -> list[str]:
        return self._fields

    def _as_row(self, row: Any, fields: list[str]) -> Any:
        return self._extract_row(row, fields)

    def _extract_row(self, row: Any, fields: list[str]) -> Any:
        return super()._extract_row({name: self._decode(name, row[name]) for name in fields}, fields)


def adopt(query: Any, queryset: Any) -> VectorSQLQuery:
    """Make the query one of ours, for the queryset's database."""
    if not isinstance(query, VectorSQLQuery):
        query.__class__ = VectorSQLQuery
    query.using = queryset._db
    adopted: VectorSQLQuery = query
    return adopted


def upgraded(queryset: Any) -> VectorQuerySet:
    """Return a VectorQuerySet with the state of ``queryset``, or of that of a manager."""
    queryset = queryset.get_queryset() if isinstance(queryset, BaseManager) else queryset
    if isinstance(queryset, CombinedQuerySet):
        raise TypeError("The rows of union(), intersection() or difference() are taken from their parts, one by one.")
    if not isinstance(queryset, QuerySet):
        raise TypeError(f"This is a {type(queryset).__name__}, not a queryset. Give Document.objects.all().")
    vector_queryset = VectorQuerySet(queryset.model, queryset._db)
    vector_queryset.__dict__.update(queryset.__dict__)
    vector_queryset._query = adopt(queryset._query.clone(), queryset)
    return vector_queryset
