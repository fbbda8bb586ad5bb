"""What conformance tests know of the inside of the package; they import everything else from ``dorm_vector``.

- The facts of a dialect (``Database.dialect``, ``dialect_for``, ``Unsupported``, ``Routine``, ``LONGEST``) claim what a
  database refuses. A test has to expect the refusal where it is claimed, and proves the claim to be true.
- ``switched_off`` shows in the same test what djanorm does without a repair, so that no test passes for another reason.
- The cache of SELECTs shows in no row: `forgotten` and `cached` make tests compare a cached one with a new one.
- ``near_rows``, ``tuning`` and the plans of candidates have the sizes at which the package changes its way; tests lower
  them or ask for them.
- The JSON conditions, ``words_of`` and ``state_of`` belong to what users call through LangChain, ``hybrid_search()``
  and ``create_tables()``; the tests cover more inputs than those can pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dorm_vector.dialects.shared.unsupported import Unsupported
from dorm_vector.engines import dialect_for
from dorm_vector.engines.statement import searches_in
from dorm_vector.exceptions import StoredDimensionMismatch
from dorm_vector.expressions.conditions import JsonCompare, JsonContains, JsonEmpty, JsonExists, JsonIn, Like
from dorm_vector.patching.registry import switched_off
from dorm_vector.query import compiler, known_statements, statement_cache
from dorm_vector.retrieval import near_rows
from dorm_vector.retrieval.query_terms import words_of
from dorm_vector.schema.tables import state_of
from dorm_vector.search import filter_sql, tuning, watching
from dorm_vector.search.plans import group_candidates
from dorm_vector.search.plans.choice import plan_for
from dorm_vector.search.plans.plan import Purpose
from dorm_vector.values.lengths import LONGEST, SHORTEST
from dorm_vector.values.routines import Routine

__all__ = [
    "LONGEST",
    "MOST_CACHED",
    "SHORTEST",
    "JsonCompare",
    "JsonContains",
    "JsonEmpty",
    "JsonExists",
    "JsonIn",
    "Like",
    "Routine",
    "StoredDimensionMismatch",
    "Unsupported",
    "cached",
    "dialect_for",
    "forgotten",
    "group_candidates",
    "near_rows",
    "state_of",
    "switched_off",
    "tuning",
    "watching",
    "words_of",
    "written_as_new",
]

MOST_CACHED = statement_cache.MOST


def cached(model: Any) -> dict[Any, Any]:
    """Return the SELECTs of the model that are cached, by shape."""
    found: dict[Any, Any] = vars(model._meta)[statement_cache._WRITTEN]
    return found


def forgotten(model: Any) -> None:
    """Empty the model's caches."""
    vars(model._meta).pop(statement_cache._WRITTEN, None)
    vars(model._meta).pop(known_statements._KNOWN, None)


def written_as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare each SELECT that the cache fills with one that is compiled without the cache, until the test ends."""
    written: Callable[..., Any] = statement_cache.written

    def compared(query: Any, connection: Any, purpose: Any) -> Any:
        found = written(query, connection, purpose)
        compiled = query.clone().select(connection, purpose)
        assert found == compiled
        assert [type(param) for param in found[1]] == [type(param) for param in compiled[1]]
        return found

    taken: Callable[..., Any] = known_statements.taken

    def compared_whole(entry: Any, query: Any, connection: Any, given: Any) -> Any:
        found = taken(entry, query, connection, given)
        made = query.as_planned(connection, plan_for(query, connection, Purpose.STATEMENT))
        assert found == made
        assert [type(param) for param in found[1]] == [type(param) for param in made[1]]
        dialect, found_in, made_in = dialect_for(connection), searches_in(found[0]), searches_in(made[0])
        assert [told(search, dialect) for search in found_in] == [told(search, dialect) for search in made_in]
        assert all(search.is_bare is search.needs_nothing(dialect) for search in found_in)
        return found

    known_filter: Callable[..., Any] = filter_sql.taken

    def compared_filter(sql: str, query: Any, connection: Any, values: list[Any]) -> Any:
        found = known_filter(sql, query, connection, values)
        compiled = filter_sql.compiled(query, connection)
        assert found == compiled
        assert [type(param) for param in found.params] == [type(param) for param in compiled.params]
        return found

    monkeypatch.setattr(filter_sql, "taken", compared_filter)
    monkeypatch.setattr(compiler, "written", compared)
    monkeypatch.setattr(known_statements, "taken", compared_whole)


def told(search: Any, dialect: Any) -> dict[str, Any]:
    """Return what a statement tells its runner of a search."""
    plan = search.plan
    chosen = plan and (type(plan), plan.index, plan.labels)
    return {**vars(search), "is_bare": search.needs_nothing(dialect), "plan": chosen}
