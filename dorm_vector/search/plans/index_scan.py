"""Plan a slice of nearest() over the rows that an index finds; the rest of the query applies to those rows."""

from __future__ import annotations

from typing import Any

from ...dialects.base import Dialect
from ...engines import dialect_for
from ...expressions.compiled import CompiledSQL
from ...expressions.index_match import implies
from ...expressions.operands import VALUES
from ...indexes.contents import index_contents
from ...introspection import indexes_of
from ..spec import Within
from ..width import rows_asked
from .plan import Plan
from .shortlist import shortlisted


class IndexScanPlan(Plan):
    """A plan in which an index, named in the SQL or chosen by the database, finds approximate nearest neighbors.

    The runner sorts the rows on arrival, and removes those that are too far. ``index`` is None if the database decides.
    """

    kind = "index"

    def __init__(self, connection: Any, index: Any) -> None:
        self.connection, self.index = connection, index

    def narrowed(self, query: Any) -> Any:
        query.where_nodes = [node for node in query.where_nodes if not isinstance(node, Within)]
        query.alias_only_names -= {query.order_by_fields[0]}
        if query.search.shortlist is not None:
            query = shortlisted(query, self.connection)
        return query if self.index is None else probed(query, self.connection, self.index)


def index_scan_plan(query: Any, connection: Any, dialect: Dialect) -> IndexScanPlan | None:
    """Return the plan of a slice of ``nearest()``, or None if no index can answer it."""
    if not query.ranks():
        return None
    index = asked_index(query, dialect)
    return IndexScanPlan(connection, index) if index is not None or dialect.is_approximate else None


def asked_index(query: Any, dialect: Dialect) -> Any:
    """Return the index that a slice of ``nearest(exact=False)`` names; None if the database decides or none fits."""
    search = query.search
    if (
        not dialect.index_use.probe
        or not search.approximate
        or not 1 <= query.candidates() <= dialect.index_use.probe_width
    ):
        return None
    field, distance = query._resolve_field(search.field_path.split("__")), query.annotations[search.name]
    if not isinstance(distance.vector, VALUES):
        return None
    return next((index for index in indexes_of(field) if _serves(index, field, distance, query, dialect)), None)


def probed(query: Any, connection: Any, index: Any) -> Any:
    """Return the query over the most rows that the index can find, because fewer would take it as long."""
    dialect, search = dialect_for(connection), query.search
    path = search.field_path.split("__")
    column, field = query._resolve_column(path, connection), query._resolve_field(path)
    row = column.rpartition(".")[0] or f'"{query._alias()}"'
    sql = dialect.index_use.probe.format(
        row=row, index=index.name, vector=dialect.placeholder, count=dialect.index_use.probe_width
    )
    query.limit_val = rows_asked(dialect, query)
    query.where_nodes = [*query.where_nodes, CompiledSQL(sql, [field.to_vector(query.annotations[search.name].vector)])]
    return query


def _serves(index: Any, field: Any, distance: Any, query: Any, dialect: Any) -> bool:
    if not index.serves(field, distance.metric, dialect) or index_contents(index, field, dialect) is None:
        return False
    return index.condition is None or implies(query, index.condition)
