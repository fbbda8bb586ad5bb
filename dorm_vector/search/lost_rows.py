"""Detect an index that lost rows: libSQL's DiskANN graph loses links when many rows are deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..engines import dialect_for
from ..expressions.scope import vector_field
from ..indexes.conditions import condition_of
from ..introspection import indexes_of
from ..steps import Execute, Step, Steps, arun, run

_SAMPLE = 50
# An approximate index may miss a row or two by chance.
_BY_CHANCE = 0.05


@dataclass(frozen=True)
class LostRows:
    """An index, and the share of a sample of its rows that it no longer finds by their own vectors."""

    index: str
    model: str
    share: float

    @property
    def problem(self) -> str:
        return (
            f"The index {self.index} does not find about {self.share:.0%} of its rows any more, because many rows were"
            " deleted or changed since it was built."
        )

    @property
    def remedy(self) -> str:
        return f'Rebuild it: rebuild_index({self.model}, "{self.index}").'


@dataclass(eq=False, repr=False)
class LookForLostRows(Step):
    """Return the indexes of a vector field that lost rows, worst first; empty on databases whose indexes lose none."""

    queryset: Any
    path: str

    def run(self, wrapper: Any) -> list[LostRows]:
        connection = self.queryset._get_connection()
        return run(self._lost(connection), connection)

    async def arun(self, wrapper: Any) -> list[LostRows]:
        connection = self.queryset._get_async_connection()
        return await arun(self._lost(connection), connection)

    def _lost(self, connection: Any) -> Steps[list[LostRows]]:
        found, standing = [], dialect_for(connection).index_use.standing
        for name, model, sql in self._questions(connection):
            if not (yield Execute(standing, [name])):
                continue
            (row,) = yield Execute(sql)
            share = (row["lost"] or 0) / max(row["seen"], 1)
            if share > _BY_CHANCE:
                found.append(LostRows(name, model, share))
        return sorted(found, key=lambda each: -each.share)

    def _questions(self, connection: Any) -> Iterator[tuple[str, str, str]]:
        dialect = dialect_for(connection)
        if not dialect.index_use.lost:
            return
        field = vector_field(self.queryset.model, self.path)
        for index in indexes_of(field):
            if not index.is_built_by(dialect):
                continue
            name, condition = index.get_name(field.model.__name__), condition_of(index, connection)
            where = f" AND ({condition})".replace("%", "%%") if condition else ""
            parts = {"index": name, "table": field.model._meta.db_table, "column": field.column, "condition": where}
            yield name, field.model.__name__, dialect.index_use.lost.format(sample=_SAMPLE, **parts)
