"""Let an index answer the filters on its label fields itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from dorm.expressions import Q
from dorm.fields import AutoField, BooleanField, CharField, IntegerField, TextField, UUIDField
from dorm.lookups import parse_lookup_key

from ...dialects.base import Dialect
from ...dialects.shared.index_rules import IndexLabels
from ...expressions.compiled import CompiledSQL
from ...expressions.index_match import implies
from ...introspection import held_field, indexes_of

_MOST_VALUES = 64
"""The most labels to ask for; with more, the database applies the filter to the rows that the index finds."""


def label_condition(query: Any, dialect: Dialect) -> CompiledSQL | None:
    """Return the condition for the labels that the query's filter implies; None if no index can answer the filter."""
    rules, search = dialect.index_rules.labels, query.search
    if rules is None or search is None or "__" in search.field_path:
        return None
    field, metric = query._resolve_field([search.field_path]), query.annotations[search.name].metric
    for index in indexes_of(field):
        fits = index.labels and index.serves(field, metric, dialect)
        if fits and (index.condition is None or implies(query, index.condition)):
            return _condition(index, dict(_wanted(index, query, rules)), query, dialect)
    return None


def _condition(index: Any, wanted: Mapping[str, Sequence[str]], query: Any, dialect: Dialect) -> CompiledSQL | None:
    rules, group = dialect.index_rules.labels, tuple(name for name in index.labels if name in wanted)
    if rules is None or not group or prod(len(wanted[name]) for name in group) > _MOST_VALUES:
        return None
    alias, seed = query._alias(), index.label_groups().index(group)
    columns = {name: f'"{alias}"."{query.model._meta.get_field(name).column}"' for name in index.labels}
    asked = list(product(*(wanted[name] for name in group)))
    labels = ", ".join(rules.one(["%s"] * len(group), seed) for _values in asked)
    sql = rules.condition.format(row=index.row_labels(dialect, columns), labels=labels)
    return CompiledSQL(sql, [text for values in asked for text in values])


def _wanted(index: Any, query: Any, rules: IndexLabels) -> Iterator[tuple[str, list[str]]]:
    """Yield each label field that the filter requires to have one of some values, with the texts of the values."""
    for name, lookup, value in _claims(query.where_nodes):
        field = next((each for each in map(query.model._meta.get_field, index.labels) if name in _names(each)), None)
        if field is None or lookup not in ("exact", "in"):
            continue
        values = list(value) if lookup == "in" and isinstance(value, (list, tuple, set, frozenset)) else [value]
        texts = [_text(held_field(field), _key(each), rules) for each in values]
        if texts and None not in texts:
            yield field.name, list(dict.fromkeys(text for text in texts if text is not None))


def _claims(nodes: Sequence[Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the comparisons that every row must pass: field name, lookup and value."""
    for node in nodes:
        if isinstance(node, Q):
            if not node.negated and node.connector == "AND":
                yield from _claims(node.children)
        elif isinstance(node, tuple):
            parts, lookup = (node[0], node[1]) if len(node) == 3 else parse_lookup_key(node[0])
            if len(parts) == 1:
                yield parts[0], lookup, node[-1]


def _names(field: Any) -> tuple[str, ...]:
    return (field.name, getattr(field, "attname", field.name), *(("pk",) if field.primary_key else ()))


def _key(value: Any) -> Any:
    return value.pk if hasattr(value, "_meta") else value


def _text(field: Any, value: Any, rules: IndexLabels) -> str | None:
    """Return the value as the database writes it as text; None if it may write another one."""
    if isinstance(field, BooleanField):
        return (rules.true if value else rules.false) if isinstance(value, bool) else None
    if isinstance(field, (IntegerField, AutoField)):
        return str(value) if type(value) is int else None
    if isinstance(field, UUIDField):
        return str(value) if isinstance(value, uuid.UUID) else None
    return str(value) if isinstance(field, (CharField, TextField)) and type(value) is str else None
