"""Repairs of djanorm that check names when a queryset receives them, instead of ignoring or sending them later."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any

from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import FilteredRelation
from dorm.models import _model_registry
from dorm.query import SQLQuery, _validate_identifier
from dorm.related_managers import ManyRelatedManager, ReverseOneToOneDescriptor

from ..patching.registry import repair
from ..query.names import NoSuchField
from .known_names import column_called, field_called
from .known_paths import known_path, require_paths
from .offline import UNKNOWN, refuses, rows

_NAME = "known_names_in_queries"

_in_querysets = partial(
    repair, "dorm.queryset:QuerySet", name=_NAME, is_fixed=lambda: refuses(lambda: rows().defer(UNKNOWN))
)


# Columns and relations


@_in_querysets("only")
@_in_querysets("defer")
def _known_deferrals(original: Any, queryset: Any, /, *names: str) -> Any:
    for name in names:
        known_path(SQLQuery(queryset.model), name.split("__"))
    return original(queryset, *names)


@_in_querysets("select_related")
def _known_relations(original: Any, queryset: Any, /, *paths: str) -> Any:
    for path in paths:
        _require_relations(queryset.model, path)
    return original(queryset, *paths)


def _require_relations(model: Any, path: str) -> None:
    for name in path.split("__"):
        if isinstance(getattr(model, name, None), ReverseOneToOneDescriptor):
            # djanorm loads the related object on access.
            return
        field = field_called(model, name)
        if not hasattr(field, "remote_field_to") or field.many_to_many:
            raise FieldDoesNotExist(
                f"select_related({path!r}): {model.__name__}.{name} is no foreign key. Rows of other relations come by"
                " prefetch_related()."
            )
        model = field._resolve_related_model()


@_in_querysets("prefetch_related")
def _known_prefetches(original: Any, queryset: Any, /, *relations: Any) -> Any:
    for relation in relations:
        name = getattr(relation, "lookup", relation)
        if name not in queryset.model._meta._field_cache:
            queryset._resolve_reverse_fk(name)
    return original(queryset, *relations)


@_in_querysets("distinct")
def _known_groups(original: Any, queryset: Any, /, *names: str) -> Any:
    require_paths(queryset._query, names)
    return original(queryset, *names)


# New names


@_in_querysets("annotate")
@_in_querysets("alias")
@_in_querysets("aggregate")
@_in_querysets("aaggregate")
def _identifiers(original: Any, queryset: Any, /, **expressions: Any) -> Any:
    for name, expression in expressions.items():
        _validate_identifier(name, "annotation")
        if isinstance(expression, FilteredRelation):
            known_path(SQLQuery(queryset.model), [expression.relation_name])
    return original(queryset, **expressions)


# One field


@_in_querysets("in_bulk")
@_in_querysets("ain_bulk")
def _known_key(original: Any, queryset: Any, /, id_list: Any, field_name: str = "pk") -> Any:
    field_called(queryset.model, field_name)
    return original(queryset, id_list, field_name)


@_in_querysets("cursor_paginate")
@_in_querysets("acursor_paginate")
def _known_cursor(original: Any, queryset: Any, /, *, after: Any = None, order_by: str = "pk", **options: Any) -> Any:
    name = order_by.removeprefix("-")
    require_paths(queryset._query, [name])
    pk = queryset.model._meta.pk
    sorts = {name, pk.column, pk.name} if name == "pk" else {name}
    for other in after or ():
        if other not in sorts:
            raise ValueError(
                f"cursor_paginate(order_by={order_by!r}) continues after a value of {name!r}; got one of {other!r}."
                " Give the next_cursor of a page in the same order."
            )
    return original(queryset, after=after, order_by=order_by, **options)


# Rows of a many-to-many relation

_BETWEEN: Any = SimpleNamespace(
    field=SimpleNamespace(through=None, name="others", model=SimpleNamespace(__name__="Probe"))
)

_in_relations = partial(
    repair,
    "dorm.related_managers:ManyRelatedManager",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: ManyRelatedManager.add(_BETWEEN, through_defaults={UNKNOWN: 1})),
)


@_in_relations("add")
@_in_relations("aadd")
def _known_defaults(original: Any, manager: Any, /, *objects: Any, through_defaults: Any = None) -> Any:
    columns = {field.column: through_defaults[name] for name, field in _fields_between(manager, through_defaults)}
    return original(manager, *objects, through_defaults=columns)


@_in_relations("set")
@_in_relations("aset")
def _known_defaults_of_all(
    original: Any, manager: Any, /, objs: Any, *, clear: bool = False, through_defaults: Any = None
) -> Any:
    _fields_between(manager, through_defaults)
    return original(manager, objs, clear=clear, through_defaults=through_defaults)


def _fields_between(manager: Any, names: Iterable[str] | None) -> list[tuple[str, Any]]:
    through, relation = manager.field.through, manager.field
    if names and not through:
        raise no_such_field_between(relation, names)
    between = _model_registry[through] if isinstance(through, str) else through
    return [(name, column_called(between, name)) for name in names or ()]


def no_such_field_between(relation: Any, names: Iterable[str]) -> NoSuchField:
    return NoSuchField(
        f"through_defaults={{{', '.join(map(repr, names))}: …}}: {relation.model.__name__}.{relation.name} has no model"
        " between with fields of its own. Declare one: ManyToManyField(…, through=…)."
    )
