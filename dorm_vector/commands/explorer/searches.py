"""Searches of the explorer: their rows, the plans that serve them, and their recall."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, Literal

from ...engines.limits.exempt import no_statement_timeout
from ...introspection import key_of_row
from ..exit_codes import UsageError
from ..project import label_of
from ..rows import filtered, model_and_database, search_of, vector_field_named
from ..search import columns_of
from .json_values import MOST_CHARACTERS, as_json, key_text


@dataclass(frozen=True)
class Table:
    """A vector field and the rows to look at."""

    model: str
    field: str
    filters: tuple[str, ...] = ()
    distance: str | None = None

    def opened(self, alias: str) -> tuple[Any, Any]:
        """Return the rows that pass the filters, and the vector field."""
        model, database = model_and_database(SimpleNamespace(model=self.model, database=alias))
        return filtered(database.searched(model), list(self.filters)), vector_field_named(model, self.field)


@dataclass(frozen=True)
class Question:
    """A search: by text, by the vector of a row, or by a vector."""

    table: Table
    by: Literal["text", "row", "vector"]
    query: str
    limit: int
    mode: Literal["auto", "exact", "approximate"]

    def search(self, alias: str) -> Any:
        given = {"text": None, "row": None, "vector": None, self.by: self.query}
        options = SimpleNamespace(
            **{name: getattr(self.table, name) for name in ("model", "field", "distance")},
            database=alias,
            filters=list(self.table.filters),
            text=given["text"],
            like=given["row"],
            vector=given["vector"],
            limit=self.limit,
            exact=self.mode == "exact",
            approximate=self.mode == "approximate",
        )
        return search_of(options)[0]


def found(alias: str, question: Question) -> dict[str, Any]:
    """Return the rows of a search, nearest first, and how long it took."""
    search = question.search(alias)
    started = time.perf_counter()
    rows = list(search)
    milliseconds = (time.perf_counter() - started) * 1000
    return {
        "columns": columns_of(search.model),
        "milliseconds": milliseconds,
        "rows": [
            {"key": key_text(row.pk), "distance": as_json(row.distance), "values": _values(row, MOST_CHARACTERS)}
            for row in rows
        ],
    }


def plan(alias: str, question: Question) -> dict[str, Any]:
    """Return how the database runs a search."""
    explained = question.search(alias).explain_search()
    return {**as_json(asdict(explained)), "text": str(explained)}


def row(alias: str, model: str, key: str) -> dict[str, Any]:
    """Return all values of a row but its vectors."""
    found_model, database = model_and_database(SimpleNamespace(model=model, database=alias))
    names = getattr(found_model._meta.pk, "field_names", None)
    if names:
        raise UsageError(f"The key of {label_of(found_model)} has several columns: {', '.join(names)}.")
    read = database.rows(found_model).filter(pk=found_model._meta.pk.to_python(key)).first()
    if read is None:
        raise UsageError(f"{label_of(found_model)} has no row with the primary key {key!r}.")
    return {"key": key_text(read.pk), "values": {**as_json(key_of_row(read)), **_values(read)}}


def _values(of: Any, most: int | None = None) -> dict[str, Any]:
    meta = of._meta
    return {name: as_json(getattr(of, meta.get_field(name).attname), most) for name in columns_of(type(of))}


def recall(alias: str, table: Table, k: int, sample: int) -> dict[str, Any]:
    """Measure searches with the defaults, and with growing search options until they find everything."""
    from ...retrieval.recall import measure_recall, recommend_search_options

    rows, field = table.opened(alias)
    with no_statement_timeout():
        now = measure_recall(rows, field.name, k, sample, distance=table.distance)
        tried: Sequence[Any] = recommend_search_options(
            rows, field.name, 1.0, k, sample, distance=table.distance
        ).measured
    return {"now": as_json(asdict(now)), "measured": [as_json(asdict(each)) for each in tried]}
