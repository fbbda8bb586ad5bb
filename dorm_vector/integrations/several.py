"""Where a store reads its documents: one database, or several at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from ..exceptions import PartialAnswer, frames_inside
from ..retrieval.each_database import Answers, OnError, ReadEach, chosen_databases, chosen_reaction, in_order
from ..retrieval.federated import by_distance
from ..retrieval.federated_hybrid import afederated_hybrid_search, federated_hybrid_search
from ..steps import Count, Fetch, Step
from .steps import SearchBoth


class OneDatabase:
    """The database of the queryset, which is read and written."""

    def require_one(self, what: str) -> None:
        """Do nothing, because documents have a place to go to."""

    def reading(self, queryset: Any, first: int = 0, last: int | None = None) -> Step:
        return Fetch(queryset[first:last] if first or last is not None else queryset)

    def counting(self, queryset: Any) -> Step:
        return Count(queryset)

    def nearest(self, ranked: Any, name: str, k: int) -> Step:
        return Fetch(ranked[:k])

    def hybrid(self, queryset: Any, options: dict[str, Any]) -> Step:
        return SearchBoth(queryset, options)


class SeveralDatabases(OneDatabase):
    """Databases that are searched at once, and not written to."""

    def __init__(self, store: str, aliases: list[str], on_error: OnError) -> None:
        self._store, self._aliases, self._on_error = store, aliases, on_error

    def require_one(self, what: str) -> None:
        raise TypeError(
            f"This store searches {', '.join(self._aliases)}, and cannot {what}."
            f" Use a store of one database: {self._store}(…, using={self._aliases[0]!r})."
        )

    def reading(self, queryset: Any, first: int = 0, last: int | None = None) -> Step:
        return _Merged(self._of_each(queryset[:last] if last is not None else queryset), first, last)

    def counting(self, queryset: Any) -> Step:
        return _Counted(self._of_each(queryset, Count))

    def nearest(self, ranked: Any, name: str, k: int) -> Step:
        return _Merged(self._of_each(ranked[:k]), 0, k, name)

    def hybrid(self, queryset: Any, options: dict[str, Any]) -> Step:
        return _HybridEverywhere(
            self._store, queryset, options | {"databases": self._aliases, "on_error": self._on_error}
        )

    def _of_each(self, queryset: Any, step: Callable[[Any], Step] = Fetch) -> ReadEach:
        return ReadEach(self._store, {alias: queryset.using(alias) for alias in self._aliases}, self._on_error, step)


@dataclass(eq=False, repr=False)
class _Merged(Step):
    """Return a part of the rows of all databases, by distance if there is one, or else one database after the other."""

    each: ReadEach
    first: int
    last: int | None
    distance: str = ""

    def run(self, wrapper: Any) -> list[Any]:
        return self._merged(self.each.run(wrapper))

    async def arun(self, wrapper: Any) -> list[Any]:
        return self._merged(await self.each.arun(wrapper))

    def _merged(self, answers: Any) -> list[Any]:
        warn_of_failures(self.each.caller, answers.failed)
        found = by_distance(answers, attrgetter(self.distance)) if self.distance else in_order(answers.found)
        return [row for _alias, row in found][self.first : self.last]


@dataclass(eq=False, repr=False)
class _Counted(Step):
    """Return the number of rows in all databases."""

    each: ReadEach

    def run(self, wrapper: Any) -> int:
        return self._added(self.each.run(wrapper))

    async def arun(self, wrapper: Any) -> int:
        return self._added(await self.each.arun(wrapper))

    def _added(self, answers: Answers) -> int:
        warn_of_failures(self.each.caller, answers.failed)
        return sum(answers.found.values())


@dataclass(eq=False, repr=False)
class _HybridEverywhere(Step):
    store: str
    queryset: Any
    options: dict[str, Any]

    def run(self, wrapper: Any) -> list[Any]:
        return self._told(federated_hybrid_search(self.queryset, **self.options))

    async def arun(self, wrapper: Any) -> list[Any]:
        return self._told(await afederated_hybrid_search(self.queryset, **self.options))

    def _told(self, found: Any) -> list[Any]:
        warn_of_failures(self.store, found.failed)
        rows: list[Any] = found
        return rows


def warn_of_failures(store: str, failed: Mapping[str, Exception]) -> None:
    """Warn of the databases that did not answer, because documents cannot say it."""
    if failed:
        named = "; ".join(f"{alias!r}: {error}" for alias, error in failed.items())
        message = f"{store}: documents of some databases are missing. {named}"
        warnings.warn(message, PartialAnswer, stacklevel=frames_inside())


def several_databases(store: str, using: str | None, databases: Iterable[str] | None, on_error: Any) -> OneDatabase:
    """Return where a store reads; raise ValueError for aliases that are unknown, or given twice."""
    reaction = chosen_reaction(store, on_error)
    if databases is None:
        return OneDatabase()
    if using is not None:
        raise ValueError(f"{store} takes using={using!r} or databases=…, not both.")
    return SeveralDatabases(store, chosen_databases(store, databases), reaction)
