"""Hybrid search in one statement: the text and the vector branch each rank their rows, and the ranks become a score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.operands import SQL, Operand, compose
from ..dialects.shared.text_search import TextSearch
from ..engines import dialect_for
from ..exceptions import UnsupportedByDatabase
from ..expressions.compiled import CompiledSQL, RankedSQL
from ..expressions.query_text import QueryText
from ..expressions.scope import current_connection
from ..introspection import require_one_key, rows_of
from ..models.querysets import VectorQuerySet, upgraded
from ..values.metrics import Metric

FOUND = ("text_rank", "text_score", "vector_rank", "vector_distance", "score")

_FUSED = "fused"

VALUE = "found_value"
"""The name of the value to rank by in the statement of a branch."""


@dataclass(frozen=True)
class Words:
    """The input of the text branch: the words, and the text fields to search, with or without an index."""

    words: list[str]
    fields: list[str]
    index: Any

    def search(self, dialect: Dialect) -> TextSearch:
        search: TextSearch = dialect.text_search if self.index is None else self.index.search(dialect)
        return search


@dataclass(frozen=True)
class Near:
    """The input of the vector branch."""

    field: str
    vector: Any
    metric: Metric
    exact: bool | None

    @property
    def text(self) -> QueryText | None:
        return self.vector if isinstance(self.vector, QueryText) else None


@dataclass(frozen=True)
class Fusion:
    """How two rankings become one score; the weights are for the text and for the vector."""

    method: str
    weights: tuple[float, float]
    constant: int

    @property
    def is_by_rank(self) -> bool:
        return self.method == "rrf"

    @property
    def score(self) -> str:
        return f'%s / ({self.constant} + "place")' if self.is_by_rank else '%s * "nearness"'


@dataclass(frozen=True)
class _Branch:
    """One ranking: its candidates, the columns that it fills, its sort direction and its weight."""

    candidates: SQL
    columns: tuple[str, str]
    highest_first: bool
    weight: float

    def select(self, fusion: Fusion) -> SQL:
        """Return the SELECT of its rows, with the column names that both branches share."""
        sql, params = self.candidates
        filled = dict(zip(self.columns, ('"place"', f'"{VALUE}"'), strict=True))
        columns = ", ".join(f'{filled.get(name, "NULL")} AS "{name}"' for name in FOUND[:-1])
        nearness = "" if fusion.is_by_rank else f', {self._nearness()} AS "nearness"'
        return (
            f'SELECT "pk", {columns}, {fusion.score} AS "score"'
            f' FROM (SELECT "pk", "{VALUE}", {self._place()} AS "place"{nearness}'
            f' FROM ({sql}) AS "found" WHERE "{VALUE}" IS NOT NULL) AS "ranked"'
        ), [self.weight, *params]

    def _place(self) -> str:
        # The primary key breaks ties.
        return f'ROW_NUMBER() OVER (ORDER BY "{VALUE}" {"DESC" if self.highest_first else "ASC"}, "pk")'

    def _nearness(self) -> str:
        """Return the SQL that scales the value to 1 for the best candidate and 0 for the last."""
        least, most = f'MIN("{VALUE}") OVER ()', f'MAX("{VALUE}") OVER ()'
        gain = f'"{VALUE}" - {least}' if self.highest_first else f'{most} - "{VALUE}"'
        return f"CASE WHEN {most} > {least} THEN ({gain}) / ({most} - {least}) ELSE 1 END"


class FusedSearch:
    """The rows that either branch finds; compiled as a CTE, together with the statement."""

    def __init__(self, rows: Any, words: Words | None, near: Near | None, fusion: Fusion, candidates: int) -> None:
        self.rows, self.words, self.near = rows, words, near
        self.fusion, self.candidates = fusion, candidates

    @property
    def _query(self) -> FusedSearch:
        return self

    def as_subquery_sql(self, outer_alias: str | None = None, outer_model: Any = None) -> SQL:
        connection = current_connection(self.rows._query)
        dialect = dialect_for(connection)
        rows = filtered(self.rows, connection)
        selects = [branch.select(self.fusion) for branch in self._branches(rows, dialect)]
        found = " UNION ALL ".join(sql for sql, _params in selects)
        columns = ", ".join(f'MAX("{name}") AS "{name}"' for name in FOUND[:-1])
        asked, words = self._asked(dialect)
        sql = f'SELECT {asked}"pk", {columns}, SUM("score") AS "score" FROM ({found}) AS "branches" GROUP BY "pk"'
        return sql, [*words, *(value for _sql, params in selects for value in params)]

    def _branches(self, rows: Any, dialect: Dialect) -> Iterator[_Branch]:
        of_words, of_vector = self.fusion.weights
        if self.words is not None:
            best = _best_by_words(self._others(rows), self.words, dialect, self.candidates)
            yield _Branch(best, ("text_rank", "text_score"), True, of_words)
        if self.near is not None:
            nearest = selected(_ranked_by_vector(rows, self.near, dialect), self.candidates)
            yield _Branch(nearest, ("vector_rank", "vector_distance"), False, of_vector)

    def _others(self, rows: Any) -> Any:
        """Exclude the instance that is searched by, as ``nearest()`` does."""
        itself = self.near.vector if self.near is not None else None
        return rows.exclude(pk=itself.pk) if isinstance(itself, rows.model) else rows

    def _asked(self, dialect: Dialect) -> SQL:
        """Return the words as the first column, if the database refers to them by parameter number."""
        if self.words is None or not self.words.search(dialect).words_first:
            return "", []
        return '%s AS "asked", ', [self.words.search(dialect).bound(self.words.words)]


def filtered(rows: Any, connection: Any) -> Any:
    """Return the rows as a queryset of the model's table alone, so that a branch finds no row twice."""
    query = rows._query.clone()
    query._compile_nodes(query.where_nodes, connection)
    if not (query.joins or query.is_slice() or query.distinct_flag):
        return rows
    every: Any = type(rows)(rows.model, rows._db)
    return every.filter(pk__in=rows.values("pk"))


def selected(rows: Any, count: int | None) -> SQL:
    """Return the SQL of the keys and values of the first ``count`` rows, or of all."""
    query = rows._query
    query.selected_fields, query.deferred_loading, query.limit_val = ["pk", VALUE], False, count
    sql, params = query.as_subquery_sql()
    return sql, params


def _best_by_words(rows: Any, words: Words, dialect: Dialect, count: int) -> SQL:
    ranked = _having_words(rows, words, dialect)
    if words.search(dialect).order:
        # Rows without any of the words have no score, and are left out later.
        ranked._query.order_by_fields = [VALUE, rows.model._meta.pk.name]
        return selected(ranked, count)
    sql, params = selected(ranked, None)
    # The ORDER BY is outside, because Turso sorts by something else in the SELECT that computes the score.
    return f'SELECT * FROM ({sql}) AS "matched" ORDER BY "{VALUE}" DESC, "pk" LIMIT {count}', params


def _having_words(rows: Any, words: Words, dialect: Dialect) -> Any:
    """Return the rows that contain one of the words, each with its score."""
    search, model = words.search(dialect), rows.model
    _require_index(words, model, dialect)
    table, index = model._meta.db_table, words.index
    columns = [model._meta.get_field(name).column for name in words.fields]
    operands = {
        "query": Operand(search.query, () if search.words_first else (search.bound(words.words),)),
        "document": Operand(search.document(columns, f'"{table}".')),
        "name": Operand(index.get_name(model.__name__) if index is not None else ""),
        "language": Operand(search.language(index.language if index is not None else "english")),
    }
    ranked = rows._clone()
    query = ranked._query
    score = RankedSQL(compose(search.score, operands), compose(search.order or search.score, operands))
    query.annotations = {**query.annotations, VALUE: score}
    if search.condition:
        query.where_nodes = [*query.where_nodes, CompiledSQL(*compose(search.condition, operands))]
    if search.join:
        name = operands["name"].sql
        query.joins.append(("INNER", name, name, search.join.format(name=name, table=table)))
    query.order_by_fields = []
    return ranked


def _require_index(words: Words, model: Any, dialect: Dialect) -> None:
    if words.index is None and dialect.text_search.needs_index:
        raise UnsupportedByDatabase(
            f"{dialect.title} searches words by an index alone, and {model.__name__} declares none of"
            f" {', '.join(words.fields)}. Add TextIndex(fields={words.fields!r},"
            f' name="{model.__name__.lower()}_text") to its Meta.indexes, and migrate.'
        )


def _ranked_by_vector(rows: Any, near: Near, dialect: Dialect) -> Any:
    vector = near.text.vector() if near.text is not None else near.vector
    ranked = rows.nearest(near.field, vector, distance=near.metric, exact=near.exact, as_=VALUE)
    if dialect.ordering.second_key:
        ranked._query.order_by_fields = [VALUE, rows.model._meta.pk.name]
    return ranked


def searchable(queryset: Any, caller: str = "hybrid_search() and text_search()") -> Any:
    """Return the queryset as a VectorQuerySet; raises ValueError if it does not return instances, or already ranks."""
    rows = rows_of(queryset)
    require_one_key(rows.model, caller)
    rows = rows if isinstance(rows, VectorQuerySet) else upgraded(rows)
    query = rows._query
    if query.is_values() or query.group_by_fields or query.having_nodes or query._annotations_have_aggregate():
        raise ValueError(f"{caller} return instances: give a queryset without values() and aggregates.")
    if query.search is not None:
        name = caller.split(" and ", maxsplit=1)[0]
        raise ValueError(f"{name} ranks on its own: give it the queryset without nearest().")
    return rows


def fused(rows: Any, search: FusedSearch, prefix: str, limit: int) -> Any:
    """Return a queryset of the rows that the search finds, best first, with ranks and scores as annotations."""
    text = search.near.text if search.near is not None else None
    columns = {f"{prefix}{name}": CompiledSQL(f'"{_FUSED}"."{name}"', text=text) for name in FOUND}
    found = joined(rows, _FUSED, search, columns)
    found._query.order_by_fields, found._query.limit_val = [f"-{prefix}score", rows.model._meta.pk.name], limit
    return found


def joined(rows: Any, name: str, search: Any, columns: dict[str, Any]) -> Any:
    """Return an unsorted queryset of the rows that a CTE finds by their keys, with the columns as annotations."""
    found = rows._clone()
    query, key = found._query, rows.model._meta.pk
    query.annotations = {**query.annotations, **columns}
    query.where_nodes, query.distinct_flag, query.offset_val = [], False, None
    # This CTE is first, because the words may have to be the statement's first parameter.
    query.ctes = [(name, search), *query.ctes]
    query.joins = [("INNER", name, name, f'"{name}"."pk" = "{rows.model._meta.db_table}"."{key.column}"')]
    query.order_by_fields, query.limit_val = [], None
    return found
