"""Search several databases at once: the nearest rows of each, merged by distance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar

from dorm.models import Model

from ..expressions.query_text import embed_texts, texts_in
from ..introspection import is_row_of, rows_of
from ..models.queryset_types import Row, Source
from ..models.querysets import VectorQuerySet, VectorValuesListQuerySet, upgraded
from ..search.nearest import searched_by
from ..steps import Step, Steps, arun, run
from ..values.metrics import Metric
from .each_database import Answers, OnError, ReadEach, chosen_databases, chosen_reaction, in_order

_Row = TypeVar("_Row")


class FederatedRows(list[_Row], Generic[_Row]):
    """The rows of a search of several databases, best first; a list that also knows where each row is from.

    ``sources`` has the database alias of each row, and ``failed`` the error of each database that did not answer, by
    alias; it is empty unless the search had ``on_error="partial"``.
    """

    def __init__(self, found: Iterable[tuple[str, _Row]] = (), failed: Mapping[str, Exception] | None = None) -> None:
        pairs = list(found)
        super().__init__(row for _alias, row in pairs)
        self.sources = tuple(alias for alias, _row in pairs)
        self.failed = dict(failed or {})

    @property
    def is_partial(self) -> bool:
        """Whether a database did not answer, so that rows may be missing."""
        return bool(self.failed)

    def __repr__(self) -> str:
        missing = f", without {', '.join(map(repr, self.failed))}" if self.failed else ""
        return f"<FederatedRows {super().__repr__()}{missing}>"


def federated_nearest(
    queryset: Source[Row],
    field: str,
    to: Any,
    *,
    databases: Iterable[str],
    limit: int = 10,
    on_error: OnError = "raise",
    distance: str | Metric | None = None,
    max_distance: float | None = None,
    min_similarity: float | None = None,
    exact: bool | None = None,
    as_: str = "distance",
) -> FederatedRows[Row]:
    """Return the nearest rows of several databases, nearest first: the ``limit`` nearest of each, merged by distance.

    ``databases`` are aliases, such as ``["shard_0", "shard_1"]``, also of different vendors. They are searched at the
    same time, in threads; one in which this thread has an open ``atomic()`` is searched in this thread. Rows at the
    same distance come in the order of ``databases``, and those of one database in the order in which it returned them.

    The filters, annotations and search options of the queryset hold in each database. The other parameters are those
    of ``nearest()``. A text is embedded once. An instance as ``to`` is itself left out in its own database only.

    ``on_error="partial"`` returns the rows of the databases that answer, if at least one does.

    Raises:
        FederatedSearchError: A database did not answer; the error names it, and has its error in ``failed``.
    """
    asked = _Nearest(field, to, limit, distance, max_distance, min_similarity, exact, as_)
    return run(_found(queryset, asked, databases, on_error))


async def afederated_nearest(
    queryset: Source[Row],
    field: str,
    to: Any,
    *,
    databases: Iterable[str],
    limit: int = 10,
    on_error: OnError = "raise",
    distance: str | Metric | None = None,
    max_distance: float | None = None,
    min_similarity: float | None = None,
    exact: bool | None = None,
    as_: str = "distance",
) -> FederatedRows[Row]:
    """Return the nearest rows of several databases; the async form of ``federated_nearest``, with a task for each."""
    asked = _Nearest(field, to, limit, distance, max_distance, min_similarity, exact, as_)
    return await arun(_found(queryset, asked, databases, on_error))


@dataclass(eq=False, repr=False)
class EmbedTexts(Step):
    """Embed the texts that parts of a query search by, once for all databases."""

    parts: list[Any]

    def run(self, wrapper: Any) -> None:
        for text in texts_in(self.parts):
            text.vector()

    async def arun(self, wrapper: Any) -> None:
        await embed_texts(self.parts)


@dataclass(frozen=True, repr=False)
class _Nearest:
    """The parameters of ``nearest()``, and how many rows to return."""

    field: str
    to: Any
    limit: int
    distance: str | Metric | None
    max_distance: float | None
    min_similarity: float | None
    exact: bool | None
    as_: str

    def ranked(self, rows: Any, to: Any) -> Any:
        return rows.nearest(
            self.field,
            to,
            distance=self.distance,
            max_distance=self.max_distance,
            min_similarity=self.min_similarity,
            exact=self.exact,
            as_=self.as_,
        )[: _whole("limit", self.limit)]


_CALLER = "federated_nearest"


def _found(queryset: Any, asked: _Nearest, databases: Any, on_error: Any) -> Steps[Any]:
    aliases, reaction = chosen_databases(_CALLER, databases), chosen_reaction(_CALLER, on_error)
    rows = _searchable(queryset)
    distance_of = _distance_reader(rows, asked.as_)
    searches = _searches(rows, asked, aliases)
    yield EmbedTexts(list(searches.values()))
    answers = yield ReadEach(_CALLER, searches, reaction)
    return FederatedRows(by_distance(answers, distance_of)[: asked.limit], answers.failed)


def _searchable(queryset: Any) -> VectorQuerySet[Any]:
    """Return the rows as a VectorQuerySet that is not yet a slice or a search."""
    rows = rows_of(queryset)
    rows = rows if isinstance(rows, VectorQuerySet) else upgraded(rows)
    if rows._query.is_slice() or rows._query.search is not None:
        raise ValueError(
            f"{_CALLER}() ranks and slices on its own: give it the queryset without nearest() and without a slice,"
            " and say limit=…."
        )
    return rows


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{_CALLER}({name}={value!r}): want a whole number, at least 1.")
    return value


def _searches(rows: Any, asked: _Nearest, aliases: list[str]) -> dict[str, Any]:
    """Return the search of each database; all of them share a text, which is embedded once."""
    to = asked.to
    if not (isinstance(to, Model) and is_row_of(to, rows.model)):
        everywhere = asked.ranked(rows, to)
        return {alias: everywhere.using(alias) for alias in aliases}
    holder = searched_by(rows, to, asked.field)
    # In the other databases, its key may belong to another row.
    vector = getattr(holder, asked.field.rpartition("__")[2])
    own, others = asked.ranked(rows, to), asked.ranked(rows, vector)
    return {alias: (own if alias == database_of(to) else others).using(alias) for alias in aliases}


def database_of(instance: Any) -> str:
    """Return the alias that an instance was read from or written to."""
    # djanorm leaves it empty for rows of the default database.
    return str(instance._state.db or "default")


def _distance_reader(rows: Any, name: str) -> Callable[[Any], Any]:
    """Return the function that reads the distance of a row: an instance, a dict or a tuple."""
    if isinstance(rows, VectorValuesListQuerySet):
        if rows._flat:
            raise TypeError(f"{_CALLER}() merges rows by their distance, which values_list(…, flat=True) leaves out.")
        return itemgetter(-1)  # an annotation is added at the end
    return itemgetter(name) if rows._query.is_values() else attrgetter(name)


def by_distance(answers: Answers, distance_of: Callable[[Any], Any]) -> list[tuple[str, Any]]:
    """Return the rows with their databases, nearest first; those without a distance come last."""
    # sorted() keeps the order of equal rows.
    return sorted(in_order(answers.found), key=lambda found: rank(distance_of(found[1])))


def rank(distance: Any) -> tuple[bool, float]:
    return (distance is None, 0.0 if distance is None else float(distance))
