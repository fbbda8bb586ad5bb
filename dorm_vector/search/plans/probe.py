"""Searches on a database whose index has to be asked by name: which rows it finds, for the rest of the query."""

from __future__ import annotations

from typing import Any

from ...engines import dialect_for
from ...expressions.compiled import Condition as Found
from ...expressions.index_match import implies
from ...expressions.operands import VALUES
from ...indexes.contents import index_contents
from ...introspection import has_companions, indexes_of
from ..compiled import rows_asked
from ..spec import Within
from .shortlist import shortlisted


def through_an_index(query: Any, connection: Any) -> Any:
    """Return a slice of a search as the index that serves it wants it; as it is where none does."""
    index = asked_index(query, connection)
    if index is None and not dialect_for(connection).is_approximate:
        return query
    # The rows are sorted, and those too far are left out, on arrival.
    query.where_nodes = [node for node in query.where_nodes if not isinstance(node, Within)]
    query.alias_only_names -= {query.order_by_fields[0]}
    if query.search.shortlist is not None:
        query = shortlisted(query, connection)
    return query if index is None else probed(query, connection, index)


def companion_answer(query: Any, connection: Any) -> Any:
    """Return what a companion of the model's table is asked for the query; None where none can answer it."""
    if query.limit_val is None or not has_companions(query.model, dialect_for(connection).companions):
        return None
    # Late: few models have one.
    from .companion import companion_plan

    return companion_plan(query, connection)


def asked_index(query: Any, connection: Any) -> Any:
    """Return the index that a slice of ``nearest(exact=False)`` asks; None where the database decides, or none can."""
    dialect, search = dialect_for(connection), query.search
    if not dialect.probe or not search.approximate or not 1 <= query.candidates() <= dialect.probe_width:
        return None
    field, distance = query._resolve_field(search.field_path.split("__")), query.annotations[search.name]
    if not isinstance(distance.vector, VALUES):
        return None
    return next((index for index in indexes_of(field) if _serves(index, field, distance, query, dialect)), None)


def probed(query: Any, connection: Any, index: Any) -> Any:
    """Return the query over the rows that the index finds: as many as it ever does, since fewer take it as long."""
    dialect, search = dialect_for(connection), query.search
    path = search.field_path.split("__")
    column, field = query._resolve_column(path, connection), query._resolve_field(path)
    row = column.rpartition(".")[0] or f'"{query._alias()}"'
    sql = dialect.probe.format(row=row, index=index.name, vector=dialect.placeholder, count=dialect.probe_width)
    query.limit_val = rows_asked(dialect, query)
    query.where_nodes = [*query.where_nodes, Found(sql, [field.to_vector(query.annotations[search.name].vector)])]
    return query


def _serves(index: Any, field: Any, distance: Any, query: Any, dialect: Any) -> bool:
    if not index.serves(field, distance.metric, dialect) or index_contents(index, field, dialect) is None:
        return False
    return index.condition is None or implies(query, index.condition)
