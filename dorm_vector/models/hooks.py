"""Hooks that teach djanorm's models and querysets about vectors."""

from __future__ import annotations

import copy
import re
from typing import Any

from dorm.aggregates import Aggregate
from dorm.expressions import F, Q
from dorm.fields import NOT_PROVIDED
from dorm.queryset import QuerySet, ValuesListQuerySet

from ..dialects.shared.operands import SQL
from ..engines import is_whole
from ..expressions.query_text import texts_in
from ..expressions.scope import field_across
from ..introspection import innermost, reads_vectors
from ..patching.on_import import Late
from ..patching.registry import hook

_PLAIN = (QuerySet, ValuesListQuerySet)

distribution_columns: Any = Late(f"{__package__}.distribution_columns")


def _aggregates_vectors(queryset: Any, expressions: dict[str, Any]) -> bool:
    if not any(isinstance(expression, Aggregate) for expression in expressions.values()):
        return False
    from ..expressions.aggregates import VectorAggregate, over_vectors

    return any(isinstance(expression, VectorAggregate) for expression in over_vectors(queryset, expressions).values())


@hook("dorm.queryset:QuerySet", "annotate", name="vector_aggregates")
@hook("dorm.queryset:QuerySet", "alias", name="vector_aggregates")
@hook("dorm.queryset:QuerySet", "aggregate", name="vector_aggregates")
@hook("dorm.queryset:QuerySet", "aaggregate", name="vector_aggregates")
def vector_aggregates(original: Any, queryset: Any, **expressions: Any) -> Any:
    """Make Avg and Sum over a vector field of a related model return a vector.

    Symptom: ``Author.objects.annotate(center=Avg("documents__embedding"))`` returns 0.0 on SQLite and text on
    PostgreSQL. Cause: djanorm's aggregates and plain QuerySet do not support vectors. djanorm 4.3 to 4.5.
    """
    if type(queryset) is not QuerySet or not _aggregates_vectors(queryset, expressions):
        return original(queryset, **expressions)
    from .querysets import upgraded

    return getattr(upgraded(queryset), original.__name__)(**expressions)


@hook("dorm.aggregates:Aggregate", "as_sql")
def aggregates_of_distances(original: Any, aggregate: Any, table_alias: str | None = None, **context: Any) -> SQL:
    """Let an annotation aggregate a distance, such as the minimum distance over related rows."""
    if mentions_a_vector(aggregate.expression):
        return _of_an_expression(original, aggregate, table_alias, context)
    return _compiled(original, aggregate, table_alias, context)


def _of_an_expression(original: Any, aggregate: Any, table_alias: str | None, context: dict[str, Any]) -> SQL:
    expression = aggregate.expression
    if isinstance(expression, str) or not (isinstance(expression, F) or hasattr(expression, "as_sql")):
        return _compiled(original, aggregate, table_alias, context)
    named = copy.copy(aggregate)
    if isinstance(expression, F):
        named.expression = expression.name
        return _compiled(original, named, table_alias, context)
    argument, argument_params = expression.as_sql(table_alias, **context)
    # djanorm compiles an aggregate of a column only, so compile a placeholder column and replace it.
    named.expression = _ARGUMENT
    sql, params = original(named, table_alias, **{**context, "query": None})
    column = f'"{table_alias}"."{_ARGUMENT}"' if table_alias else f'"{_ARGUMENT}"'
    before, _, after = sql.partition(column)
    first = before.count("%s")
    return f"{before}{argument}{after}", [*params[:first], *argument_params, *params[first:]]


_ELEMENTS = r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)|([{}])'


@hook("dorm.fields:ArrayField", "from_db_value")
def vector_arrays(original: Any, field: Any, value: Any) -> Any:
    """Read arrays of vectors.

    Symptom: ``ArrayField(VectorField(…))`` reads text. Cause: the driver does not decode arrays of pgvector's types,
    and ArrayField does not decode elements with its base field. djanorm 4.3 to 4.5.
    """
    base = innermost(field)
    if value is None or not hasattr(base, "to_vector"):
        return original(field, value)
    return _each_read(base, value if isinstance(value, list) else _parsed(value))


def _parsed(text: str) -> list[Any]:
    """Parse PostgreSQL's text form of an array into nested lists."""
    opened: list[list[Any]] = [[]]
    for quoted, plain, brace in re.findall(_ELEMENTS, text):
        if brace == "{":
            opened.append([])
        elif brace:
            closed = opened.pop()
            opened[-1].append(closed)
        else:
            opened[-1].append(None if plain == "NULL" else quoted or plain)
    whole: list[Any] = opened[0][-1]
    return whole


def _each_read(base: Any, elements: list[Any]) -> list[Any]:
    return [_each_read(base, part) if isinstance(part, list) else base.from_db_value(part) for part in elements]


@hook("dorm.queryset:QuerySet", "__new__")
def vector_querysets(original: Any, cls: Any, model: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Give related managers, prefetches and plain managers a queryset that can filter and order by distance.

    Symptom: ``author.documents.annotate(distance=…).filter(distance__lt=…)`` fails, or compares with a string literal
    on SQLite. Cause: djanorm builds a plain ``QuerySet`` in thirteen places. djanorm 4.3 to 4.5.
    """
    if cls is QuerySet and model is not None and any(map(reads_vectors, model._meta.concrete_fields)):
        from .querysets import VectorQuerySet

        return original(VectorQuerySet)
    return original(cls)


@hook("dorm.queryset:QuerySet", "annotate", name="upgrade_on_distance")
@hook("dorm.queryset:QuerySet", "alias", name="upgrade_on_distance")
@hook("dorm.queryset:QuerySet", "aggregate", name="upgrade_on_distance")
@hook("dorm.queryset:QuerySet", "aaggregate", name="upgrade_on_distance")
def upgrade_on_distance(original: Any, queryset: Any, **expressions: Any) -> Any:
    """Let a model without a vector field be ranked by the vector of a related model.

    Symptom: ``Comment.objects.annotate(distance=L2Distance("document__embedding", …)).order_by("distance")`` fails.
    Cause: a plain QuerySet cannot filter or order by an annotation once a relation is joined. djanorm 4.3 to 4.5.
    """
    found = expressions.values()
    if type(queryset) in _PLAIN and (any(map(mentions_a_vector, found)) or any(texts_in(list(found)))):
        from .querysets import upgraded

        return getattr(upgraded(queryset), original.__name__)(**expressions)
    return original(queryset, **expressions)


@hook("dorm.queryset:QuerySet", "order_by", name="upgrade_on_distance")
def _upgrade_on_order(original: Any, queryset: Any, *fields: Any) -> Any:
    if type(queryset) not in _PLAIN or all(isinstance(field, str) for field in fields):
        return original(queryset, *fields)
    from .querysets import upgraded

    return upgraded(queryset).order_by(*fields)


@hook("dorm.queryset:QuerySet", "values", name="related_vectors")
@hook("dorm.queryset:QuerySet", "values_list", name="related_vectors")
def related_vectors(original: Any, queryset: Any, *names: Any, **options: Any) -> Any:
    """Let ``values()`` and ``values_list()`` of a model without vectors read those of a related model.

    Symptom: ``Author.objects.values_list("documents__embedding")`` returns what the driver does: bytes, or a text.
    Cause: a plain QuerySet hands on the values of other models as they come. djanorm 4.3 to 4.5.
    """
    if type(queryset) in _PLAIN and any(_is_a_related_vector(queryset.model, name) for name in names):
        from .querysets import upgraded

        return getattr(upgraded(queryset), original.__name__)(*names, **options)
    return original(queryset, *names, **options)


def _is_a_related_vector(model: Any, path: Any) -> bool:
    parts = path.split("__") if isinstance(path, str) else []
    field = field_across(model, parts)
    return field is not None and reads_vectors(field)


@hook("dorm.queryset:QuerySet", "filter")
@hook("dorm.queryset:QuerySet", "exclude", name="upgrade_on_text")
def upgrade_on_text(original: Any, queryset: Any, *conditions: Any, **lookups: Any) -> Any:
    """Let a model without a vector field be filtered by a semantic search, without blocking the event loop.

    Symptom: ``await Author.objects.filter(pk__in=reports.nearest("embedding", "a text")[:9].values("author"))`` embeds
    the text inside the event loop. Cause: a plain QuerySet compiles its conditions without awaiting anything first.
    djanorm 4.3 to 4.5.
    """
    if type(queryset) is QuerySet and any(texts_in(Q(*conditions, **lookups))):
        from .querysets import upgraded

        queryset = upgraded(queryset)
    return original(queryset, *conditions, **lookups)


def mentions_a_vector(expression: Any) -> bool:
    from ..expressions.distances import Expression

    return isinstance(expression, Expression) or any(map(mentions_a_vector, _parts_of(expression)))


def _parts_of(expression: Any) -> list[Any]:
    """Return the subexpressions of an operator, a function, a Case or an aggregate."""
    names = ("lhs", "rhs", "expression", "default", "then")
    found = [getattr(expression, name, None) for name in names]
    found += [part for name in ("expressions", "whens") for part in getattr(expression, name, ())]
    return [part for part in found if hasattr(part, "as_sql")]


_ARGUMENT = "_aggregated"


def _compiled(original: Any, aggregate: Any, table_alias: str | None, context: dict[str, Any]) -> SQL:
    sql, params = original(aggregate, table_alias, **context)
    return sql, params


@hook("dorm.models:Model", "_do_update", name="unassigned_keys")
def unassigned_keys(original: Any, instance: Any, connection: Any, *rest: Any) -> Any:
    """Leave the primary key and the distribution column out of an UPDATE on Citus, and find the row by both.

    Citus refuses to assign a distribution column, even its own value.
    """
    if is_whole(connection):
        return original(instance, connection, *rest)
    return distribution_columns.saved(original, instance, connection, *rest)


@hook("dorm.models:Model", "_ado_update", name="unassigned_keys")
def _unassigned_keys_async(original: Any, instance: Any, connection: Any, *rest: Any) -> Any:
    if is_whole(connection):
        return original(instance, connection, *rest)
    return distribution_columns.asaved(original, instance, connection, *rest)


@hook("dorm.queryset:QuerySet", "_build_bulk_update_sql", name="conditions_of_bulk_updates")
def conditions_of_bulk_updates(original: Any, queryset: Any, batch: Any, fields: Any, connection: Any) -> Any:
    """Name the key in each condition of a bulk update on Citus, which misreads ``CASE "id" WHEN %s``."""
    built = original(queryset, batch, fields, connection)
    # A queryset of vectors changes the statement afterwards, and does this last.
    if is_whole(connection) or built is None or hasattr(queryset, "bulk_statement"):
        return built
    return distribution_columns.by_conditions(built, queryset.model, connection)


@hook("dorm.queryset:QuerySet", "bulk_create", name="returned_rows")
def returned_rows(original: Any, queryset: Any, objs: Any, *rest: Any, **options: Any) -> Any:
    """Insert rows one at a time on Citus if values of the server return: they come in the order of the shards."""
    if _returns_values(queryset, options) and distribution_columns.is_spread(queryset._get_connection()):
        rest, options = (), {**options, "batch_size": 1}
    return original(queryset, objs, *rest, **options)


@hook("dorm.queryset:QuerySet", "abulk_create", name="returned_rows")
async def _returned_rows_async(original: Any, queryset: Any, objs: Any, *rest: Any, **options: Any) -> Any:
    is_spread = distribution_columns.is_spread_async
    if _returns_values(queryset, options) and await is_spread(queryset._get_async_connection()):
        rest, options = (), {**options, "batch_size": 1}
    return await original(queryset, objs, *rest, **options)


def _returns_values(queryset: Any, options: dict[str, Any]) -> bool:
    """Return whether the server's answer has more than keys of a sequence, which have an order."""
    default = getattr(queryset.model._meta.pk, "db_default", NOT_PROVIDED)
    return bool(options.get("returning")) or default is not NOT_PROVIDED
