"""Repairs of ``F()`` as an annotation, in a selection, and across a relation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from dorm.aggregates import Count
from dorm.expressions import F, Q, RawSQL, Value
from dorm.manager import BaseManager
from dorm.query import SQLQuery
from dorm.queryset import QuerySet, ValuesListQuerySet

from ...dialects.shared.operands import SQL
from ...expressions.operands import compiled
from ...expressions.scope import scope
from ...patching.registry import repair
from ...patching.stand_ins import Statements
from ...query.joins import is_many
from ..known_references import references_in
from ..offline import decided_model, model

_PLAIN = (QuerySet, ValuesListQuerySet)


def _annotates_fields() -> bool:
    query = SQLQuery(model())
    query.annotations = {"name": F("title")}
    try:
        sql, _params = query.as_select(Statements("sqlite"))
    except AttributeError:
        return False
    return 'AS "name"' in sql


@repair("dorm.expressions:F", "as_sql", is_fixed=_annotates_fields, added=True)
def annotated_references(_original: Any, reference: Any, table_alias: str | None = None, **context: Any) -> SQL:
    """Let ``F()`` be an annotation, of a related row too.

    Symptom: ``Ticket.objects.annotate(tag=F("tags__name"))`` and ``annotate(name=F("title"))`` raise "'F' object has no
    attribute 'as_sql'". Cause: it is known only inside other expressions. djanorm 4.3 to 4.5.
    """
    operand = compiled(reference, scope(table_alias, **context))
    return operand.sql, list(operand.params)


def _annotates_constants() -> bool:
    queryset: Any = QuerySet(model())
    try:
        sql, _params = queryset.annotate(one=Value(1))._query.as_select(Statements("sqlite"))
    except AttributeError:
        return False
    return 'AS "one"' in sql


@repair("dorm.queryset:QuerySet", "annotate", is_fixed=_annotates_constants)
@repair("dorm.queryset:QuerySet", "alias", name="annotated_constants", is_fixed=_annotates_constants)
def annotated_constants(original: Any, queryset: Any, /, **expressions: Any) -> Any:
    """Let ``Value()`` be an annotation.

    Symptom: ``Ticket.objects.annotate(one=Value(1))`` raises "'Value' object has no attribute 'as_sql'". Cause: it is
    known only inside other expressions. djanorm 4.3 to 4.5.
    """
    constants = {name: RawSQL("%s", (found.value,)) for name, found in expressions.items() if type(found) is Value}
    return original(queryset, **{**expressions, **constants})


def _compares_across() -> bool:
    queryset: Any = QuerySet(decided_model())
    try:
        sql, _params = queryset.filter(title=F("other__title"))._query.as_select(Statements("sqlite"))
    except (AttributeError, ValueError):
        return False
    return '"decision_other"."title"' in sql


_across = partial(repair, "dorm.queryset:QuerySet", name="references_across_relations", is_fixed=_compares_across)


@_across("annotate")
@_across("alias")
def references_across_relations(original: Any, queryset: Any, /, **expressions: Any) -> Any:
    """Let ``F()`` reach related rows in annotations and on the right side of filters, in models without vectors.

    Symptom: ``Ticket.objects.filter(hours__gt=F("project__budget"))`` raises "no field 'project__budget'", and
    ``annotate(tag=Upper(F("tags__name"))).order_by("tag")`` raises "no such column". Cause: the right side is looked up
    as one name, and the names of annotations as columns. djanorm 4.3 to 4.5.
    """
    found = expressions.values()
    if type(queryset) in _PLAIN and (any(type(value) is F for value in found) or _crosses(queryset.model, found)):
        from ...models.querysets import upgraded

        return getattr(upgraded(queryset), original.__name__)(**expressions)
    return original(queryset, **expressions)


@_across("filter")
@_across("exclude")
def _compared_across(original: Any, queryset: Any, /, *conditions: Any, **lookups: Any) -> Any:
    if type(queryset) in _PLAIN and _crosses(queryset.model, _compared((*conditions, *lookups.items()))):
        from ...models.querysets import upgraded

        queryset = upgraded(queryset)
    return original(queryset, *conditions, **lookups)


def _compared(nodes: Iterable[Any]) -> Iterator[Any]:
    """Yield the right side of each condition that is no plain value."""
    for node in nodes:
        if isinstance(node, Q):
            yield from _compared(node.children)
        elif isinstance(node, tuple):
            yield from (part for part in _each(node[1]) if isinstance(part, F) or hasattr(part, "as_sql"))


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _crosses(model: Any, expressions: Iterable[Any]) -> bool:
    names = (name for expression in expressions for name in references_in(expression))
    return any("__" in name or is_many(model, name) for name in names)


def _groups_by_values() -> bool:
    queryset: Any = QuerySet(model())
    sql, _params = queryset.values("title").annotate(n=Count("pk"))._query.as_select(Statements("sqlite"))
    return 'GROUP BY "probe"."title"' in sql


@repair("dorm.queryset:QuerySet", "annotate", is_fixed=_groups_by_values)
def groups_of_values(original: Any, queryset: Any, /, **expressions: Any) -> Any:
    """Group the rows of ``values()`` by the selected fields, in models without vectors.

    Symptom: ``Ticket.objects.values("status").annotate(n=Count("pk"))`` returns one row that counts every ticket, or
    one row per ticket where a relation is joined; after ``values_list()`` the annotation is missing. Cause: the query
    has no GROUP BY, or one by the columns of the model. djanorm 4.3 to 4.5.
    """
    query = queryset._query
    if type(queryset) in _PLAIN and query.selected_fields is not None and not query.deferred_loading:
        from ...models.querysets import upgraded

        return upgraded(queryset).annotate(**expressions)
    return original(queryset, **expressions)


def _selects_expressions() -> bool:
    queryset: Any = QuerySet(model())
    try:
        return "title" in queryset.values(name=F("title"))._query.annotations["name"].name
    except TypeError:
        return False


_selected = partial(repair, name="selected_expressions", is_fixed=_selects_expressions)


@_selected("dorm.queryset:QuerySet", "values")
@_selected("dorm.queryset:QuerySet", "values_list")
def selected_expressions(original: Any, queryset: Any, /, *fields: Any, **options: Any) -> Any:
    """Select expressions: ``values("title", tag=F("tags__name"))`` and ``values_list(F("title"), Length("title"))``.

    Symptom: ``values(name=F("title"))`` and ``values_list(Upper(F("title")))`` raise TypeError. Cause: both take names
    of fields only. djanorm 4.3 to 4.5.
    """
    expressions = options.keys() - {"flat", "named"}
    if type(queryset) in _PLAIN and (expressions or not all(isinstance(field, str) for field in fields)):
        from ...models.querysets import upgraded

        return getattr(upgraded(queryset), original.__name__)(*fields, **options)
    return original(queryset, *fields, **options)


class _Names:
    def values(self, **expressions: Any) -> Any:
        return expressions


def _managers_select_expressions() -> bool:
    manager: Any = BaseManager()
    manager.get_queryset = _Names
    try:
        return bool(manager.values(name=F("title")))
    except TypeError:
        return False


@repair("dorm.manager:BaseManager", "values", name="selected_expressions", is_fixed=_managers_select_expressions)
def _selected_by_managers(original: Any, manager: Any, /, *fields: Any, **expressions: Any) -> Any:
    return manager.get_queryset().values(*fields, **expressions) if expressions else original(manager, *fields)
