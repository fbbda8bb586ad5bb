"""Plan an approximate search over a column of sign bits: they find a shortlist, which the client ranks exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...dialects.base import Dialect
from ...dialects.shared.operands import Operand, compose
from ...expressions.compiled import CompiledSQL
from ...indexes.sign_columns import SignBits
from ...introspection import indexes_of
from ...steps import Execute, Steps
from ..options import block_options, checked
from ..spec import SearchCondition, Within
from .client_ranking import ClientRankingPlan, client_ranking_plan
from .estimates import Source, source_of
from .plan import Purpose

_UNSIGNED = "dorm_vector_unsigned"


@dataclass(eq=False, repr=False)
class SignBitsPlan(ClientRankingPlan):
    """Read only the vectors whose signs are nearest, and those without signs, which anything may have changed."""

    kind = "signs"
    signs: SignBits
    measure: Any
    count: int

    def title(self, query: Any, dialect: Dialect) -> str:
        return "sign bits"

    def index_name(self) -> str:
        return self.signs.name

    def has_shortlist(self) -> Steps[bool]:
        return self.signs.is_standing()

    def rows(self, query: Any, connection: Any) -> Steps[list[Any] | None]:
        if not (yield from self.signs.is_standing()):
            return (yield from super().rows(query, connection))
        count = self.count
        for _ in range(2):
            found = yield Execute(*self.reading(query, connection, count))
            unsigned = sum(bool(row[_UNSIGNED]) for row in found)
            if not unsigned or len(found) < count:
                return (yield from self._ranked(query, connection, found))
            # They sort first, and displaced rows with similar signs.
            count = self.count + (yield from self._unsigned_rows(query, connection))
            if count > self.most_rows():
                return (yield from super().rows(query, connection))
        # Rows lost their signs while they were being counted.
        return (yield from super().rows(query, connection))

    def reading(self, query: Any, connection: Any, count: int = 0) -> Any:
        """Compile the statement that reads the keys and vectors of the shortlist."""
        key = query.model._meta.pk
        near = self._to_rank(query, key.name, None)
        unsigned = self.signs.rules.unsigned.format(signs=self.signs.column_of(query._alias()))
        near.annotations = {**near.annotations, _UNSIGNED: CompiledSQL(unsigned)}
        near.selected_fields = [*near.selected_fields, _UNSIGNED]
        sql, params = self._shortlist(query, connection, count or self.count)
        found = CompiledSQL(f'"{query._alias()}"."{key.column}" IN (SELECT k FROM ({sql}) AS shortlist)', params)
        near.where_nodes = [*near.where_nodes, found]
        return near.as_select(connection, Purpose.PART)

    def _shortlist(self, query: Any, connection: Any, count: int) -> Any:
        source, rules = self._source(query, connection), self.signs.rules
        column = self.signs.column_of(source.alias)
        measure, params = compose(
            rules.measures[self.measure],
            {"left": Operand(column), "right": Operand("%s", (rules.packed(self.vector, self.signs.held),))},
        )
        sql = rules.shortlist.format(
            key=f'"{source.alias}"."{query.model._meta.pk.column}"',
            source=source.rows(),
            signs=column,
            measure=measure,
            count=count,
        )
        return sql, [*source.params, *params]

    def _unsigned_rows(self, query: Any, connection: Any) -> Steps[int]:
        source = self._source(query, connection)
        unsigned = self.signs.rules.unsigned.format(signs=self.signs.column_of(source.alias))
        rows = yield Execute(f"SELECT COUNT(*) AS found {source.rows()} AND {unsigned}", source.params)
        return int(rows[0]["found"])

    def _source(self, query: Any, connection: Any) -> Source:
        """Return the filter of the search; rows without a vector are known by their signs."""
        copied = query.clone()
        has_vector = [(f"{query.search.field_path}__isnull", False)]
        copied.where_nodes = [
            node
            for node in query.where_nodes
            if not (isinstance(node, SearchCondition) and (isinstance(node, Within) or node.children == has_vector))
        ]
        return source_of(copied, connection)


def sign_bits_plan(query: Any, connection: Any, dialect: Dialect) -> SignBitsPlan | None:
    """Return the plan of a slice that requests an approximate answer, if the field has an index of signs."""
    index = asked_index(query, dialect)
    exact = client_ranking_plan(query, connection, dialect) if index is not None else None
    if index is None or exact is None:
        return None
    field = query._resolve_field([query.search.field_path])
    name = index.get_name(query.model.__name__)
    signs = SignBits(index, dialect, name, query.get_table(), field.column, field.dimensions)
    return SignBitsPlan(**vars(exact), signs=signs, measure=index.measure, count=_count(query, dialect))


def asked_index(query: Any, dialect: Dialect) -> Any:
    """Return the index of signs that the search requests; None if it requests none, or may not use one."""
    search = query.search
    if dialect.sign_column is None or search is None or search.exact or "__" in search.field_path:
        return None
    if not (search.approximate or search.shortlist is not None):
        return None
    field, metric = query._resolve_field([search.field_path]), query.annotations[search.name].metric
    declared = [search.shortlist.index] if search.shortlist is not None else indexes_of(field)
    serving = (index for index in declared if index.holds_signs(dialect) and index.serves(field, metric, dialect))
    return next(serving, None)


def _count(query: Any, dialect: Dialect) -> int:
    """Return how many rows the signs must find."""
    wanted: int = query.candidates()
    if query.search.shortlist is not None:
        return wanted
    option = dialect.tuning.by_kind["signs"]
    asked = {**block_options(), **query.options}.get(option, dialect.tuning.options[option].default)
    return wanted * int(checked(dialect, option, asked))
