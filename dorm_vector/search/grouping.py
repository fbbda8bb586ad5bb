"""One result per group: the nearest row of each parent, of each author, or of each value of a field."""

from __future__ import annotations

from typing import Any

from dorm.aggregates import Aggregate
from dorm.exceptions import FieldDoesNotExist
from dorm.fields import JSONField
from dorm.related_managers import ManyToManyDescriptor

from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..expressions.scope import current_connection, field_across
from ..introspection import key_names
from .spec import Search, SearchCondition

NEAREST_KEY = "nearest_pk"
"""The annotation with the key of the related row that is nearest."""

_PLACE = "dorm_vector_place"


class OnePerGroup(SearchCondition):
    """Keep the nearest row of each group among the rows that pass all other conditions; the first key breaks ties.

    Args:
        path: The field to group by.
        name: The annotation with the distance.
        holder: The path to the related rows with the vectors; empty if the model has them itself.
        holder_model: The model of those rows.
    """

    def __init__(self, path: str, name: str, holder: str, holder_model: Any) -> None:
        super().__init__()
        self.path, self.name, self.holder, self.holder_model = path, name, holder, holder_model

    def __repr__(self) -> str:
        return f"OnePerGroup({self.path!r}, {self.name!r}, {self.holder!r})"

    def row_names(self, model: Any) -> list[str]:
        """Return the names that tell the rows apart: the keys of the model and of the related rows."""
        own = key_names(model)
        return [*own, *(f"{self.holder}__{name}" for name in key_names(self.holder_model))] if self.holder else own

    def columns(self, query: Any) -> list[str]:
        """Return the columns to group by."""
        names = key_names(query.model) if self.path == "pk" else [self.path]
        connection = current_connection(query)
        return [query._resolve_column(name.split("__"), connection) for name in names]

    def ranked(self, query: Any) -> Any:
        """Turn a copy of the query into one that numbers the rows of each group."""
        query.where_nodes = [node for node in query.where_nodes if not isinstance(node, OnePerGroup)]
        query.selected_fields, query.deferred_loading = self.row_names(query.model), False
        # Aggregates are computed later, over the chosen rows.
        measured = {name: each for name, each in query.annotations.items() if not isinstance(each, Aggregate)}
        query.alias_only_names, query.group_by_fields = {*measured}, []
        query.annotations = {**measured, _PLACE: _PlaceInGroup(self)}
        query.order_by_fields, query.limit_val, query.offset_val, query.joins = [], None, None, []
        query.distinct_flag, query.distinct_on_fields, query.select_related_fields = False, [], []
        return query

    def condition(self, query: Any, ranked: SQL) -> SQL:
        """Return the condition on the query's rows that the SELECT of ``ranked`` puts first in their groups."""
        names = self.row_names(query.model)
        sql, params = ranked
        left = ", ".join(query._resolve_column(name.split("__")) for name in names)
        shown = ", ".join(f'"{name}"' for name in names)
        left = f"({left})" if len(names) > 1 else left
        return f'{left} IN (SELECT {shown} FROM ({sql}) AS "placed" WHERE "{_PLACE}" = 1)', params


class _PlaceInGroup:
    """The place of a row among those of its group, from 1."""

    def __init__(self, group: OnePerGroup) -> None:
        self.group = group

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        query: Any = context["query"]
        dialect, distance = dialect_for(current_connection(query)), query.annotations[self.group.name]
        order, params = query._order_expression(dialect, distance, False, exact=True)
        keys = [query._resolve_column(name.split("__")) for name in self.group.row_names(query.model)]
        groups = ", ".join(self.group.columns(query))
        return f"ROW_NUMBER() OVER (PARTITION BY {groups} ORDER BY {', '.join([order, *keys])})", params


class RelatedKey:
    """The key of the related row that a row was joined with."""

    def __init__(self, path: str, field: Any) -> None:
        self.path, self.field = path, field

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        return context["query"]._resolve_column(self.path.split("__")), []

    def decode(self, value: Any) -> Any:
        """Return the value as an instance has it."""
        return self.field.to_python(value) if value is not None else None

    def __repr__(self) -> str:
        return f"RelatedKey({self.path!r})"


def one_per_group(queryset: Any, field_path: str, group_by: Any, name: str) -> OnePerGroup:
    """Return the condition that keeps one row of each group.

    Raises:
        FieldDoesNotExist: There is no such field to group by.
        ValueError: The path crosses a relation to many rows.
    """
    require_group(queryset.model, group_by)
    holder = field_path.rpartition("__")[0]
    if not crosses_many(queryset.model, holder):
        return OnePerGroup(group_by, name, "", queryset.model)
    field = field_across(queryset.model, field_path.split("__"))
    return OnePerGroup(group_by, name, holder, field.model)


def require_group(model: Any, path: Any) -> None:
    """Raise an error unless the path leads to one value of each row: a field, perhaps of a row that it refers to."""
    if not isinstance(path, str):
        raise TypeError(f"nearest(group_by={path!r}): want the name of a field.")
    if path == "pk":
        return
    *before, last = _along(model, path.split("__"))
    if last is None and before and hasattr(before[-1], "_resolve_related_model"):
        model = before[-1]._resolve_related_model()
    name = path.split("__")[len(before)]
    if last is None and (hasattr(getattr(model, name, None), "source_model") or _is_many(model, name)):
        raise ValueError(
            f"nearest(group_by={path!r}): {name!r} leads to many rows, and a row has one group. To get one result per"
            f' {model.__name__} from its related rows, search them: nearest("{name}__embedding", …, group_by="pk").'
        )
    is_whole = len(before) + 1 == len(path.split("__")) or isinstance(last, JSONField)
    if last is None or not is_whole:
        names = ", ".join(field.name for field in model._meta.concrete_fields)
        raise FieldDoesNotExist(f"nearest(group_by={path!r}): {model.__name__} has no such field. It has {names}.")


def may_be_null(model: Any, path: str) -> bool:
    """Return whether rows may have no group."""
    fields = [] if path == "pk" else _along(model, path.split("__"))
    return any(field.null or isinstance(field, JSONField) for field in fields)


def _along(model: Any, names: list[str]) -> list[Any]:
    """Return the fields along a path of forward relations, up to a name that is no column, as None, or a JSON field."""
    found: list[Any] = []
    for name in names:
        field = model._meta._field_cache.get(name)
        found.append(None if _is_many(model, name) or not getattr(field, "column", None) else field)
        if not hasattr(found[-1], "_resolve_related_model"):
            break
        model = found[-1]._resolve_related_model()
    return found


def _is_many(model: Any, name: str) -> bool:
    return isinstance(vars(model).get(name) or getattr(model, name, None), ManyToManyDescriptor)


def crosses_many(model: Any, relations: str) -> bool:
    """Return whether a path of relations leads from a row to several."""
    return bool(relations) and None in _along(model, relations.split("__"))


def grouped(ranked: Any, search: Search, group_by: str) -> tuple[Any, list[SearchCondition]]:
    """Return the queryset sorted by distance and key, and the conditions that keep one row of each group."""
    if ranked._query.group_by_fields:
        raise TypeError(
            "nearest(group_by=…) chooses a row of each group, and the rows of this queryset are groups already."
            f" Call it before values() and annotate(): {ranked.model.__name__}.objects.nearest(…)."
        )
    group = one_per_group(ranked, search.field_path, group_by, search.name)
    conditions: list[SearchCondition] = [group]
    if may_be_null(ranked.model, group_by):
        conditions.append(SearchCondition(**{f"{group_by}__isnull": False}))
    holder_keys = key_names(group.holder_model)
    if group.holder and len(holder_keys) == 1:
        if NEAREST_KEY in ranked.model._meta._field_cache:
            raise ValueError(f"{ranked.model.__name__} has a field {NEAREST_KEY!r}, where nearest() would put a key.")
        key = RelatedKey(f"{group.holder}__{holder_keys[0]}", group.holder_model._meta.pk)
        ranked = ranked.annotate(**{NEAREST_KEY: key})
    return ranked.order_by(search.name, *key_names(ranked.model)), conditions
