"""Take the whole statement of a search from a cache: its SQL, its plan, and what its runner has to know.

A filter of ``nearest()`` decides the plan by its values, and so do a companion table, sign bits and ranking in the
client by what the server has; such searches are planned each time, and only their SELECT is cached.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_, itemgetter
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.operands import SQL
from ..engines import dialect_for
from ..engines.statement import Statement, is_binary, searches_in
from ..expressions.index_match import index_facts
from ..expressions.scope import is_compiling
from ..introspection import has_companions
from ..search.compiled import CompiledSearch
from ..search.connection import SearchConnection
from ..search.filter_sql import plain_shape
from ..search.plans.index_scan import IndexScanPlan
from ..search.spec import SearchCondition
from ..search.warnings import misses
from .statement_cache import MOST, InFilter, NoShape, filled, frozen, slot_of

_KNOWN = "dorm_vector_known_statements"

Given = tuple[list[Any], list[Any]]
"""The vectors of a query, and the values of its filter."""


def known_or_made(query: Any, connection: Any, make: Callable[[], SQL]) -> SQL:
    """Return the statement of the query, and remember it if all queries of its shape have the same."""
    vectors: list[Any] = []
    values: list[Any] = []
    key = _key(query, connection, vectors, values)
    if key is None:
        return make()
    known = vars(query.model._meta).setdefault(_KNOWN, {})
    # Asked once, because another thread may empty it.
    found = known.get(key)
    if found is not None:
        return taken(found, query, connection, (vectors, values))
    sql, params = make()
    kept = _kept(query, dialect_for(connection), sql, params, (vectors, values))
    if kept is not None:
        if len(known) >= MOST:
            known.clear()
        known[key] = kept
    return sql, params


def taken(found: Any, query: Any, connection: Any, given: Given) -> SQL:
    """Return a remembered statement with the vectors and the filter values of a query."""
    sql, slots, facts, _indexes = found
    values = [filled(slot, *given) for slot in slots]
    if facts is None:
        return sql, values
    plain, binary, width, widths, goes_on, is_scan, is_whole, is_bare = facts
    plan = IndexScanPlan(connection, None) if is_scan else None
    search = CompiledSearch(query, width, widths, goes_on, plan, is_whole)
    search.is_bare = is_bare
    return Statement(plain, binary=binary, searches=(search,)), values


_RARE = (
    *("having_nodes", "joins", "ctes", "group_by_fields", "filtered_relations", "distinct_on_fields"),
    *("select_related_fields", "selected_related_fields", "prefetch_related_fields", "for_update_flag"),
    *("for_update_skip_locked", "for_update_no_wait", "for_update_of", "_outer_alias", "_outer_model", "_self_alias"),
)
"""What the queries have none of whose whole statements are remembered."""
_rare = itemgetter(*_RARE)
_SAID = ("limit_val", "offset_val", "deferred_loading", "distinct_flag")
_said = itemgetter(*_SAID)
_READ = frozenset(
    (
        *(*_RARE, *_SAID, "model", "where_nodes", "order_by_fields", "selected_fields", "annotations"),
        *("alias_only_names", "search", "options", "using"),
        *("_last_resolved_leaf_field", "_join_params", "outer_references"),
    )
)
"""All that the key reads of a query, or that says nothing about its SQL; a query with more is none for the cache."""


def _key(query: Any, connection: Any, vectors: list[Any], values: list[Any]) -> Any:
    """Return what the statement depends on besides its numbers, which are collected; None if that is no shape."""
    state = vars(query)
    if not _READ.issuperset(state) or any(_rare(state)) or query.options or is_compiling():
        return None
    conditions = _conditions(query, state["where_nodes"], values)
    dialect = dialect_for(connection)
    if conditions is None or _asks_the_server(dialect) or has_companions(query.model, dialect):
        return None
    try:
        annotations = frozen(state["annotations"], vectors)
    except NoShape:
        return None
    chosen, search = state["selected_fields"], query.search
    return (
        (dialect, isinstance(connection, SearchConnection), type(query), query.get_table(), query.using),
        (*_said(state), tuple(state["order_by_fields"]), None if chosen is None else tuple(chosen)),
        (conditions, annotations, frozenset(state["alias_only_names"]), search and search.shape()),
        index_facts(query, vectors),
    )


def _conditions(query: Any, nodes: list[Any], values: list[Any]) -> tuple[Any, ...] | None:
    """Return the conditions of a search by whether rows have a vector, or the plain filter of others; or None."""
    found = []
    for node in nodes:
        if type(node) is not SearchCondition or not _is_about_null(node.children):
            return plain_shape(query, values) if query.search is None else None
        found.append((*node.children[0], node.negated))
    return tuple(found)


def _is_about_null(children: list[Any]) -> bool:
    """Return whether a condition is one that a search has of each row: to have a vector."""
    return len(children) == 1 and type(children[0]) is tuple and type(children[0][1]) is bool


def _asks_the_server(dialect: Dialect) -> bool:
    """Return whether more than the query decides the plan of an unfiltered search."""
    return bool(dialect.client_ranking.bytes_per_ms or dialect.sign_column is not None or dialect.index_use.probe)


def _kept(query: Any, dialect: Dialect, sql: str, params: list[Any], given: Given) -> Any:
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
        slots = _slots(params, *given)
    except NoShape:
        return None
    facts = None
    if search is not None:
        is_bare = search.needs_nothing(dialect)
        facts = (
            str(sql),
            is_binary(sql),
            search.width,
            search.widths,
            search.goes_on,
            is_scan,
            search.is_whole,
            is_bare,
        )
    # The indexes stay alive, because the shape has their ids.
    return sql, slots, facts, tuple(query.model._meta.indexes)


def _slots(params: list[Any], vectors: list[Any], values: list[Any]) -> list[Any]:
    """Return the source of each parameter; raises NoShape if the values of the filter are not found exactly once."""
    count = len(values)
    places = [at for at in range(len(params) - count + 1) if all(map(is_, params[at:], values))] if count else [0]
    if len(places) != 1:
        raise NoShape
    marked = [*params]
    for position, value in enumerate(values):
        marked[places[0] + position] = InFilter(position, value)
    return [slot_of(param, vectors, count) for param in marked]
