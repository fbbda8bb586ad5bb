"""Find a shortlist with a small index, and rerank its rows exactly."""

from __future__ import annotations

from typing import Any

from ...dialects.base import Dialect
from ...dialects.shared.operands import SQL
from ...engines import dialect_for
from ...expressions.scope import scope, vector_field
from ...indexes.contents import IndexContents, index_contents
from ...introspection import indexes_of
from ...values.elements import Element
from ..spec import Shortlist
from .keys import among, found_keys

_SHORTLIST = "_shortlist"

_WHOLE = IndexContents(Element.FLOAT32, 0)


class ShortlistRank:
    """The sort key of a shortlist: a distance as its index measures it."""

    def __init__(self, distance: Any, index: Any) -> None:
        # This is not named distance, because an expression with that attribute sorts as a similarity, in reverse.
        self.measured, self.index = distance, index

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        where = scope(table_alias, **context)
        left, right, _dimensions = self.measured._operands(where)
        held = index_contents(self.index, where.field(self.measured.field_path), where.dialect) or _WHOLE
        return where.dialect.rank(self.index.measure, held.of(left), held.of(right), held.dimensions)


def shortlisted(query: Any, connection: Any) -> Any:
    """Return the search over its shortlist only, or unchanged if the database has no such index."""
    search, dialect = query.search, dialect_for(connection)
    distance = query.annotations[search.name]
    field = query._resolve_field(search.field_path.split("__"))
    index = search.shortlist.index
    if (
        query.having_nodes
        or not index.serves(field, distance.metric, dialect)
        or not (contents := index_contents(index, field, dialect))
        or not contents.is_reduced
    ):
        return query
    inner = found_keys(query, query.candidates())
    inner.annotations = {**inner.annotations, _SHORTLIST: ShortlistRank(distance, index)}
    inner.alias_only_names = {*inner.annotations}
    inner.order_by_fields = [_SHORTLIST]
    outer = query.clone()
    outer._outer_alias, outer._outer_model, outer._self_alias = (
        query._outer_alias,
        query._outer_model,
        query._self_alias,
    )
    outer.where_nodes = [among(inner)]
    # No index is needed to sort the few rows found.
    outer.search = search.exactly()
    return outer


def with_shortlist(queryset: Any, size: int, name: str | None) -> Any:
    found = queryset._clone()
    search = found._query.search
    if search is None:
        raise ValueError(f'rerank() ranks what nearest() finds: nearest("embedding", vector).rerank({size!r})[:10].')
    if callable(size):
        raise TypeError("queryset.rerank(shortlist) takes a number of rows. By a function: rerank(rows, reranker).")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"rerank(shortlist={size!r}): want a whole number of rows, at least 1.")
    field, distance = vector_field(queryset.model, search.field_path), found._query.annotations[search.name]
    index = _small_index(field, distance, name, dialect_for(queryset._get_connection()))
    found._query.search = search.over(Shortlist(size, index))
    return found


def _small_index(field: Any, distance: Any, name: str | None, dialect: Dialect) -> Any:
    small = [index for index in indexes_of(field) if index.precision or index.dimensions]
    found = [index for index in small if index.metric is distance.metric and name in (None, index.name)]
    if found and len({index.kind for index in found}) == len(found):
        # Indexes of different kinds are for different databases; this one uses the first that it can build, if any.
        return next((index for index in found if index.is_built_by(dialect)), found[0])
    metric = distance.metric.value
    if found:
        raise ValueError(f'rerank() finds {" and ".join(index.name for index in found)}: choose, index="…".')
    raise ValueError(
        f"{field.label} has no small index{f' {name!r}' if name else ''} for the distance {metric}. It has"
        f" {', '.join(f'{index.name} ({index.metric.value})' for index in small) or 'none'}. Declare"
        f' HnswIndex(fields=[{field.name!r}], name="…", distance={metric!r}, precision="bit").'
    )
