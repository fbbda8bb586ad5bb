"""Hybrid search of several databases: their candidates are ranked together, and fused as one database would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dorm.models import Model

from ..introspection import is_row_of
from ..models.queryset_types import Row, Source
from ..steps import Steps, arun, run
from .each_database import Answers, OnError, ReadEach, chosen_databases, chosen_reaction, in_order
from .federated import EmbedTexts, FederatedRows, database_of
from .fusion import searchable
from .hybrid import HybridSearch
from .reciprocal_ranks import reciprocal

_CALLER = "federated_hybrid_search"


def federated_hybrid_search(
    queryset: Source[Row], *, databases: Iterable[str], on_error: OnError = "raise", **asked: Any
) -> FederatedRows[Row]:
    """Run a hybrid search of several databases at once, and return the best instances.

    The parameters are those of ``hybrid_search()``, and ``databases`` and ``on_error`` are those of
    ``federated_nearest()``. The candidates of all databases are ranked together by ``vector_distance``. Text scores of
    different databases do not compare, so ``text_rank`` is the rank of a row in its own database, and the text part of
    ``fusion="weighted"`` is relative to the scores there. Rows with the same score come in the order of ``databases``.
    """
    return run(_found(queryset, HybridSearch(**asked), databases, on_error))


async def afederated_hybrid_search(
    queryset: Source[Row], *, databases: Iterable[str], on_error: OnError = "raise", **asked: Any
) -> FederatedRows[Row]:
    """Run a hybrid search of several databases; the async form of ``federated_hybrid_search``."""
    return await arun(_found(queryset, HybridSearch(**asked), databases, on_error))


def _found(queryset: Any, search: HybridSearch, databases: Any, on_error: Any) -> Steps[Any]:
    aliases, reaction = chosen_databases(_CALLER, databases), chosen_reaction(_CALLER, on_error)
    rows = searchable(queryset)
    to = search.asked_of(rows)
    if hasattr(to, "aembed"):
        yield EmbedTexts([to])
    searches = {alias: search.candidates_in(rows.using(alias), _asked_in(alias, rows, to, search)) for alias in aliases}
    answers = yield ReadEach(_CALLER, searches, reaction)
    return FederatedRows(_best(answers, search), answers.failed)


def _asked_in(alias: str, rows: Any, to: Any, search: HybridSearch) -> Any:
    if not (isinstance(to, Model) and is_row_of(to, rows.model)) or alias == database_of(to):
        return to
    # In that database, its key may belong to another row.
    return getattr(to, search.vector_field_of(rows).attname)


def _best(answers: Answers, search: HybridSearch) -> list[tuple[str, Any]]:
    """Return the rows with the best scores, with those scores and the ranks behind them."""
    found, names = in_order(answers.found), _Names(search.prefix)
    scores: dict[int, float] = {}
    of_words, of_vector = search.by.weights
    for row, nearness, place in _by_vector(found, names, search):
        scores[id(row)] = scores.get(id(row), 0) + _part(search, of_vector, nearness, place)
    for rows in answers.found.values():
        for row, nearness, place in _by_words(rows, names):
            scores[id(row)] = scores.get(id(row), 0) + _part(search, of_words, nearness, place)
    kept = [pair for pair in found if id(pair[1]) in scores]
    for _alias, row in kept:
        setattr(row, names.score, scores[id(row)])
    return sorted(kept, key=lambda pair: -scores[id(pair[1])])[: search.limit]


class _Names:
    """The attributes in which a search leaves its ranks and scores."""

    def __init__(self, prefix: str) -> None:
        self.score, self.text_rank, self.text_score = f"{prefix}score", f"{prefix}text_rank", f"{prefix}text_score"
        self.vector_rank, self.vector_distance = f"{prefix}vector_rank", f"{prefix}vector_distance"


_Ranked = Iterator[tuple[Any, float, int]]
"""Rows, each with its nearness from 1 to 0 and its place from 1."""


def _by_vector(found: list[tuple[str, Any]], names: _Names, search: HybridSearch) -> _Ranked:
    """Rank the candidates of all databases together, and drop those past the number of candidates."""
    measured = [row for _alias, row in found if getattr(row, names.vector_distance) is not None]
    measured.sort(key=lambda row: getattr(row, names.vector_distance))
    for row in measured[search.candidate_count :]:
        setattr(row, names.vector_rank, None)
        setattr(row, names.vector_distance, None)
    nearest = measured[: search.candidate_count]
    distances = [getattr(row, names.vector_distance) for row in nearest]
    for place, (row, distance) in enumerate(zip(nearest, distances, strict=True), start=1):
        setattr(row, names.vector_rank, place)
        yield row, _share(distances[-1] - distance, distances[-1] - distances[0]), place


def _by_words(rows: list[Any], names: _Names) -> _Ranked:
    matched = [row for row in rows if getattr(row, names.text_score) is not None]
    scores = [getattr(row, names.text_score) for row in matched]
    least, most = min(scores, default=0.0), max(scores, default=0.0)
    for row, score in zip(matched, scores, strict=True):
        yield row, _share(score - least, most - least), getattr(row, names.text_rank)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 1.0


def _part(search: HybridSearch, weight: float, nearness: float, place: int) -> float:
    return reciprocal(weight, search.by.constant, place) if search.by.is_by_rank else weight * nearness
