"""Take the whole statement of an unfiltered search from a cache: its SQL, its plan, and what its runner has to know.

A filter decides the plan by its values, and so do a companion table, sign bits and ranking in the client by what the
server has; such searches are planned each time, and only their SELECT is cached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..engines.statement import Statement, is_binary, searches_in
from ..expressions.scope import is_compiling
from ..introspection import has_companions
from ..search.compiled import CompiledSearch
from ..search.connection import SearchConnection
from ..search.plans.index_scan import IndexScanPlan
from ..search.spec import SearchCondition
from ..search.warnings import misses
from .statement_cache import MOST, NoShape, filled, shape_of, slot_of

_KNOWN = "dorm_vector_known_statements"


def known_or_made(query: Any, connection: Any, make: Callable[[], SQL]) -> SQL:
    """Return the statement of the query, and remember it if all queries of its shape have the same."""
    vectors: list[Any] = []
    key = _key(query, connection, vectors)
    if key is None:
        return make()
    known = vars(query.model._meta).setdefault(_KNOWN, {})
    if key in known:
        return taken(known[key], query, connection, vectors)
    sql, params = make()
    kept = _kept(query, sql, params, vectors)
    if kept is not None:
        if len(known) >= MOST:
            known.clear()
        known[key] = kept
    return sql, params


def taken(found: Any, query: Any, connection: Any, vectors: list[Any]) -> SQL:
    """Return a remembered statement with the vectors of a query."""
    sql, slots, facts, _indexes = found
    values = [filled(slot, vectors, ()) for slot in slots]
    if facts is None:
        return sql, values
    width, widths, goes_on, is_scan, is_whole = facts
    plan = IndexScanPlan(connection, None) if is_scan else None
    search = CompiledSearch(query, width, widths, goes_on, plan, is_whole)
    return Statement(sql, binary=is_binary(sql), searches=(search,)), values


def _key(query: Any, connection: Any, vectors: list[Any]) -> Any:
    """Return what the statement depends on besides the numbers of its vectors; None if that is more than a shape."""
    if is_compiling() or query.having_nodes or query.joins or query.ctes:
        return None
    conditions = []
    for node in query.where_nodes:
        if type(node) is not SearchCondition or not _is_about_null(node.children):
            return None
        conditions.append((*node.children[0], node.negated))
    dialect = dialect_for(connection)
    if _asks_the_server(dialect) or has_companions(query.model, dialect.companions):
        return None
    try:
        shape = shape_of(query, vectors)
    except NoShape:
        return None
    return dialect, isinstance(connection, SearchConnection), tuple(conditions), shape


def _is_about_null(children: list[Any]) -> bool:
    """Return whether a condition is one that a search has of each row: to have a vector."""
    return len(children) == 1 and type(children[0]) is tuple and type(children[0][1]) is bool


def _asks_the_server(dialect: Dialect) -> bool:
    """Return whether more than the query decides the plan of an unfiltered search."""
    return bool(dialect.client_ranking.bytes_per_ms or dialect.sign_column is not None or dialect.index_use.probe)


def _kept(query: Any, sql: str, params: list[Any], vectors: list[Any]) -> Any:
    """Return what is remembered of a statement; None if others of its shape may have another one."""
    searches = searches_in(sql)
    if len(searches) > 1 or (query.search is not None and misses(query)):
        return None
    search = searches[0] if searches else None
    plan = search.plan if search is not None else None
    is_scan = type(plan) is IndexScanPlan and plan.index is None and plan.labels is None
    if search is not None and (search.query is not query or (plan is not None and not is_scan)):
        return None
    try:
        slots = [slot_of(param, vectors) for param in params]
    except NoShape:
        return None
    facts = (search.width, search.widths, search.goes_on, is_scan, search.is_whole) if search is not None else None
    # The indexes stay alive, because the shape has their ids.
    return sql, slots, facts, tuple(query.model._meta.indexes)
