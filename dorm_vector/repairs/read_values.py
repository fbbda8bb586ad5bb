"""Repairs of the values that are read: those of ``values()``, of annotations and of aggregates."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

from dorm.aggregates import Aggregate, Sum
from dorm.fields import DurationField, FloatField
from dorm.queryset import QuerySet, ValuesListQuerySet

from ..expressions.outputs import decoded, field_reader, reader_of
from ..expressions.scope import FieldResolver
from ..patching.registry import repair
from ..patching.stand_ins import Statements
from .offline import unregistered

_PLAIN = (QuerySet, ValuesListQuerySet)


# Durations


@cache
def _timed() -> Any:
    made = unregistered("timed")
    DurationField().contribute_to_class(made, "took")
    return made


def _selects_durations() -> bool:
    rows: Any = QuerySet(_timed())
    return isinstance(rows.values("took")._row_to_values_dict({"took": 1}, ["took"])["took"], dt.timedelta)


@repair("dorm.queryset:QuerySet", "values", is_fixed=_selects_durations)
@repair("dorm.queryset:QuerySet", "values_list", name="selected_durations", is_fixed=_selects_durations)
def selected_durations(original: Any, queryset: Any, /, *names: Any, **options: Any) -> Any:
    """Return timedeltas of DurationFields in ``values()`` and ``values_list()``.

    Symptom: they return microseconds as integers on every database but PostgreSQL. Cause: only instances read a column
    by its field. djanorm 4.3 to 4.5.
    """
    if type(queryset) in _PLAIN and _selects_a_duration(queryset, names):
        from ..models.querysets import upgraded

        return getattr(upgraded(queryset), original.__name__)(*names, **options)
    return original(queryset, *names, **options)


def _selects_a_duration(queryset: Any, names: Any) -> bool:
    chosen = names or [field.name for field in queryset.model._meta.concrete_fields]
    query, annotations = queryset._query, queryset._query.annotations
    fields = FieldResolver(query, queryset.model)
    return any(
        isinstance(name, str) and name not in annotations and field_reader(fields.field(name)) is not None
        for name in chosen
    )


class _Answered(QuerySet[Any]):
    def _get_connection(self) -> Any:
        return Statements("sqlite", [{"total": 1}])


def _sums_durations() -> bool:
    rows: Any = object.__new__(_Answered)
    rows.__init__(_timed(), "default")
    return isinstance(rows.aggregate(total=Sum("took"))["total"], dt.timedelta)


@repair("dorm.queryset:QuerySet", "aggregate", is_fixed=_sums_durations)
def aggregated_durations(original: Any, queryset: Any, /, **aggregates: Any) -> Any:
    """Return timedeltas from ``Sum``, ``Avg``, ``Min`` and ``Max`` of a DurationField.

    Symptom: they return microseconds on every database but PostgreSQL, as integers, floats or decimals. Cause: no
    aggregate reads its value by the field. djanorm 4.3 to 4.5.
    """
    return decoded(original(queryset, **aggregates), _readers(queryset, aggregates), None)


@repair("dorm.queryset:QuerySet", "aaggregate", name="aggregated_durations", is_fixed=_sums_durations)
async def _aggregated_async(original: Any, queryset: Any, /, **aggregates: Any) -> Any:
    return decoded(await original(queryset, **aggregates), _readers(queryset, aggregates), None)


@repair("dorm.queryset:QuerySet", "annotate", name="aggregated_durations", is_fixed=_sums_durations)
def _annotated(original: Any, queryset: Any, /, **expressions: Any) -> Any:
    if type(queryset) in _PLAIN and _readers(queryset, expressions):
        from ..models.querysets import upgraded

        return upgraded(queryset).annotate(**expressions)
    return original(queryset, **expressions)


def _readers(queryset: Any, expressions: dict[str, Any]) -> dict[str, Any]:
    names = FieldResolver(queryset._query, queryset.model)
    aggregates = {name: found for name, found in expressions.items() if isinstance(found, Aggregate)}
    return {name: read for name, found in aggregates.items() if (read := reader_of(found, names)) is not None}


# Floats

_DOUBLE = "DOUBLE PRECISION"


def _holds_a_float() -> bool:
    return FloatField().db_type(Statements("postgresql")) == _DOUBLE


@repair("dorm.fields:FloatField", "db_type", is_fixed=_holds_a_float)
def double_precision(original: Any, field: Any, connection: Any) -> str:
    """Create the column of a FloatField with double precision on PostgreSQL.

    Symptom: 149.99 is read back as 149.99000549316406, and ``filter(price=149.99)`` finds nothing. Cause: the column is
    REAL, which is four bytes on PostgreSQL and eight on every other database. Columns that exist keep their type until
    an ``AlterField`` of the same field, which ``dorm lint-migrations`` prints. djanorm 4.3 to 4.5.
    """
    return _DOUBLE if connection.vendor == "postgresql" else str(original(field, connection))
