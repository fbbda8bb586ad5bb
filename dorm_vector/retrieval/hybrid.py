"""Hybrid search: fuse the rankings of a full-text search and a semantic search over the same rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, Literal, ParamSpec, Protocol

from dorm.exceptions import FieldDoesNotExist

from ..exceptions import EmbeddingError
from ..expressions.query_text import QueryText
from ..expressions.scope import vector_field
from ..introspection import fields_of, text_indexes_of, vector_fields
from ..models.queryset_types import Row, Source
from ..search.nearest import chosen_metric, what_is_called
from ..values.metrics import Metric
from .fusion import FOUND, FusedSearch, Fusion, Near, Words, fused, searchable
from .query_terms import words_of

FusionMethod = Literal["rrf", "weighted"]

_METHODS = ("rrf", "weighted")

_BRANCHES = ("text", "vector")


_P = ParamSpec("_P")


@dataclass(frozen=True, kw_only=True)
class TextSearch:
    """The parameters of ``text_search()``."""

    text: str
    text_fields: Sequence[str] | None = None
    limit: int = 10
    prefix: str = ""

    def found_in(self, queryset: Any) -> Any:
        """Return the queryset of the matching rows of another queryset."""
        rows, limit = searchable(queryset), require_whole("limit", self.limit)
        require_free_names(rows, self.prefix)
        words = _words(rows.model, self.text, self.text_fields)
        if words is None:
            return rows.none()
        return fused(rows, FusedSearch(rows, words, None, Fusion("rrf", (1.0, 1.0), 60), limit), self.prefix, limit)


@dataclass(frozen=True, kw_only=True)
class HybridSearch:
    """The parameters of ``hybrid_search()``."""

    text: str
    vector: Any = None
    field: str | None = None
    text_fields: Sequence[str] | None = None
    fusion: FusionMethod = "rrf"
    weights: Mapping[str, float] | None = None
    limit: int = 10
    candidates: int | None = None
    rrf_constant: int = 60
    distance: str | Metric | None = None
    exact: bool | None = None
    prefix: str = ""

    def found_in(self, queryset: Any) -> Any:
        """Return the queryset of the matching rows of another queryset."""
        rows = searchable(queryset)
        return self._fused(rows, self.asked_of(rows), require_whole("limit", self.limit))

    def candidates_in(self, rows: Any, asked: Any) -> Any:
        """Return the queryset of all candidates of both branches; ``asked`` is the query of the vector branch."""
        return self._fused(rows, asked, 2 * self.candidate_count)

    def asked_of(self, rows: Any) -> Any:
        """Return the vector or text to search by; a text is embedded when the search runs."""
        return _asked(self.vector_field_of(rows), self.text, self.vector)

    def vector_field_of(self, rows: Any) -> Any:
        return _vector_field(rows.model, self.field)

    @property
    def candidate_count(self) -> int:
        limit = require_whole("limit", self.limit)
        return max(5 * limit, 50) if self.candidates is None else require_whole("candidates", self.candidates)

    @property
    def by(self) -> Fusion:
        weights = _weights(self.fusion, self.weights)
        return Fusion(_method(self.fusion), weights, require_whole("rrf_constant", self.rrf_constant))

    def _fused(self, rows: Any, asked: Any, limit: int) -> Any:
        require_free_names(rows, self.prefix)
        field = self.vector_field_of(rows)
        words = _words(rows.model, self.text, self.text_fields)
        near = Near(field.name, asked, chosen_metric(field, self.distance), self.exact)
        search = FusedSearch(rows, words, near, self.by, self.candidate_count)
        return fused(rows, search, self.prefix, limit)


class _Searching(Protocol[_P]):
    """A search of the rows of a model, which are what it returns."""

    def __call__(self, queryset: Source[Row], /, *args: _P.args, **asked: _P.kwargs) -> list[Row]: ...


class _AsyncSearching(Protocol[_P]):
    async def __call__(self, queryset: Source[Row], /, *args: _P.args, **asked: _P.kwargs) -> list[Row]: ...


def _asking(search: Callable[_P, Any]) -> Callable[[Callable[..., list[Any]]], _Searching[_P]]:
    """Give a function the parameters of a search after ``queryset``, for type checkers and ``help()``."""
    return partial(_with_parameters_of, search)


def _asking_async(
    search: Callable[_P, Any],
) -> Callable[[Callable[..., Coroutine[Any, Any, list[Any]]]], _AsyncSearching[_P]]:
    return partial(_with_parameters_of, search)


def _with_parameters_of(search: Callable[..., Any], function: Any) -> Any:
    own, asked = signature(function), signature(search)
    parameters = [own.parameters["queryset"], *asked.parameters.values()]
    function.__signature__ = own.replace(parameters=parameters)
    return function


@_asking(HybridSearch)
def hybrid_search(queryset: Source[Row], **asked: Any) -> list[Row]:
    """Run a hybrid search: fuse a full-text search for ``text`` and a search by ``vector``; best instances first.

    The queryset's filters apply to both searches. ``vector`` is any ``to`` of ``nearest()``, or a text; by default it
    is the embedding of ``text``. ``field`` is the vector field, and ``text_fields`` are the fields of the model's
    TextIndex; omit either if the model has only one. Each branch finds ``candidates`` rows (by default 5 times
    ``limit``, at least 50).

    Each row has a ``score``, ``text_rank`` and ``vector_rank`` from 1, ``text_score`` in the database's own units, and
    ``vector_distance``; the values of a branch that did not find the row are None. ``prefix`` is prepended to these
    names.

    ``fusion="rrf"`` sums weight / (``rrf_constant`` + rank). ``"weighted"`` sums weight times nearness, which is 1 for
    the best of a branch's candidates and 0 for the last; the weights are divided by their sum. ``weights`` is
    ``{"text": …, "vector": …}``. ``text`` has no operators; a row matches if it contains one of its words.

    Raises:
        UnsupportedByDatabase: The database needs a TextIndex and the model declares none.

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion", SIGIR 2009.
    """
    return list(HybridSearch(**asked).found_in(queryset))


@_asking_async(HybridSearch)
async def ahybrid_search(queryset: Source[Row], **asked: Any) -> list[Row]:
    """Run a hybrid search; the async form of ``hybrid_search``."""
    return list(await HybridSearch(**asked).found_in(queryset))


@_asking(TextSearch)
def text_search(queryset: Source[Row], **asked: Any) -> list[Row]:
    """Return the instances that contain a word of ``text``, best first, with ``text_rank`` and ``text_score``.

    ``text``, ``text_fields`` and ``prefix`` are those of ``hybrid_search``.
    """
    return list(TextSearch(**asked).found_in(queryset))


@_asking_async(TextSearch)
async def atext_search(queryset: Source[Row], **asked: Any) -> list[Row]:
    """Run a full-text search; the async form of ``text_search``."""
    return list(await TextSearch(**asked).found_in(queryset))


def _vector_field(model: Any, name: str | None) -> Any:
    if name is not None:
        return vector_field(model, name)
    fields = vector_fields(model)
    if len(fields) != 1:
        names = ", ".join(field.name for field in fields) or "none"
        raise FieldDoesNotExist(f"{model.__name__} has {names}: say which vector field to search by, field=…")
    return fields[0]


def _asked(field: Any, text: str, vector: Any) -> Any:
    """Return the vector or text to search the field by; a text is embedded when the search runs."""
    if vector is None and not getattr(field, "fills", False):
        raise EmbeddingError(
            f"{field.label} embeds no text. Give the vector to search by, vector=…, or make it an EmbeddingField."
        )
    asked = text if vector is None else vector
    return QueryText(field, asked) if isinstance(asked, str) and getattr(field, "fills", False) else asked


def _words(model: Any, text: str, fields: Sequence[str] | None) -> Words | None:
    """Return the words to search for and where, or None if the text has no words."""
    if not isinstance(text, str):
        raise TypeError(f"text={text!r}: want a text, as a user types it.")
    declared = text_indexes_of(model)
    if fields is None:
        if len(declared) != 1:
            has = " and ".join(repr(index) for index in declared) or "no TextIndex"
            raise ValueError(f"{model.__name__} declares {has}: say which fields to search, text_fields=[…].")
        fields = declared[0].fields
    names = [fields] if isinstance(fields, str) else list(fields)
    index = next((index for index in declared if sorted(index.fields) == sorted(names)), None)
    # An index matches its fields in any order, but is searched in its own order.
    names = index.fields if index is not None else names
    _require_text_fields(model, names)
    words = words_of(text)
    return Words(words, names, index) if words else None


def _require_text_fields(model: Any, names: list[str]) -> None:
    from ..indexes.text import TextIndex

    TextIndex(names).check(model.__name__, fields_of(model))


def _method(fusion: str) -> str:
    if fusion not in _METHODS:
        raise ValueError(f"fusion={fusion!r}: want one of {', '.join(_METHODS)}.")
    return fusion


def _weights(fusion: str, weights: Mapping[str, float] | None) -> tuple[float, float]:
    given = {"text": 1.0, "vector": 1.0} if weights is None else weights
    if (
        not isinstance(given, Mapping)
        or set(given) != set(_BRANCHES)
        or not all(_is_weight(value) for value in given.values())
        or not 0 < sum(given.values()) < math.inf
    ):
        raise ValueError(f'weights={weights!r}: want {{"text": …, "vector": …}}, from 0, and not both 0.')
    total = sum(given.values()) if fusion == "weighted" else 1.0
    return given["text"] / total, given["vector"] / total


def _is_weight(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def require_whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r}: want a whole number, at least 1.")
    return value


def require_free_names(rows: Any, prefix: str, names: Sequence[str] = FOUND) -> None:
    """Raise ValueError if the rows already have an attribute where a search would put its own."""
    if not isinstance(prefix, str) or not f"{prefix}score".isidentifier():
        raise ValueError(f'prefix={prefix!r}: want the beginning of a name, such as "hybrid_".')
    for name in names:
        taken = what_is_called(rows, prefix + name)
        if taken:
            raise ValueError(
                f"{rows.model.__name__} has {taken} {prefix + name!r}, where the search would put its own."
                ' Give those another beginning: prefix="hybrid_".'
            )
