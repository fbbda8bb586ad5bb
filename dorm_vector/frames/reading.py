"""Read the rows of a queryset as an Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dorm.aggregates import Count

from ..engines.limits.exempt import exempt
from ..engines.row_source import reading_from
from ..exceptions import required
from ..query.binary_rows import is_alike
from ..steps import Execute, Steps, arun, run
from .arrays import array_of
from .arrow_types import annotation_type, field_type, read_field
from .fetching import Rows, fastest

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class FrameQuery:
    """The query for the rows of a queryset, its columns, and the fastest way to read them from its database."""

    def __init__(self, queryset: Any, *, is_async: bool = False) -> None:
        whole = queryset if queryset._query.is_values() else queryset.values(*shown_names(queryset))
        self.query = whole._iter_setup()[0].clone()
        self.query.select_related_fields = []
        self.connection = whole._get_async_connection() if is_async else whole._get_connection()
        self.names = [name for name in self.query.selected_fields if name is not None]
        self.fields = {name: read_field(self.query, name) for name in self.names}

    def rows(self) -> Steps[dict[str, Sequence[Any]]]:
        """Return the values of each column as the driver returns them."""
        step = self._step()
        rows = yield step
        if isinstance(step, Rows):
            columns = dict(zip(step.names, zip(*rows, strict=True), strict=True)) if rows else {}
            return {name: columns.get(name, ()) for name in self.names}
        return self.columns(rows)

    def columns(self, rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
        """Return the columns of rows with names."""
        return {name: [row[name] for row in rows] for name in self.names}

    def statement(self) -> tuple[str, Sequence[Any]]:
        sql, params = self.query.as_select(self.connection)
        return sql, params

    def table(self, columns: dict[str, Sequence[Any]], schema: pa.Schema | None = None) -> pa.Table:
        """Return the columns as a table of the fields' types, or of those of a schema."""
        import pyarrow as pa

        with reading_from(self.connection):
            arrays = [
                array_of(name, self.fields[name], self._type(name, schema), columns[name], self.connection)
                for name in self.names
            ]
        return pa.table(arrays, schema=schema) if schema is not None else pa.table(arrays, self.names)

    def _type(self, name: str, schema: pa.Schema | None) -> Any:
        if schema is not None:
            return schema.field(name).type
        if self.fields[name] is not None:
            return field_type(self.fields[name])
        return annotation_type(self.query.annotations[name]) if self.query._is_annotation(name) else None

    def _step(self) -> Any:
        if self.query.is_combined or (self.query.is_slice() and self.query.is_by_distance()):
            # A search may use an index, which has search options and may require a retry.
            return Execute(*self.statement())
        return fastest(self.connection, reads_binary=self._reads_binary())(*self.statement())

    def _reads_binary(self) -> bool:
        """Return whether psycopg reads all columns the same way in text and in binary."""
        return all(
            is_alike(self.fields[name])
            if self.fields[name] is not None
            else isinstance(found := self.query.annotations.get(name), Count) or hasattr(found, "metric")
            for name in self.names
        )


def shown_names(queryset: Any) -> list[str]:
    """Return the fields that the rows of a queryset have, as only() and defer() left them, and its annotations."""
    query = queryset._query
    chosen = query.selected_fields
    fields = [
        field.attname
        for field in queryset.model._meta.concrete_fields
        if chosen is None or {field.name, field.attname, field.column} & {*chosen} or field.primary_key
    ]
    return fields + [name for name in query.annotations if query._is_projected(name)]


def require(extra: str) -> None:
    """Raise ImportError with the command to copy, before any row is read, if a package of an extra is missing."""
    with required(extra):
        for package in _PACKAGES[extra]:
            import_module(package)


_PACKAGES = {"arrow": ["pyarrow"], "pandas": ["pandas", "pyarrow"], "polars": ["polars", "pyarrow"]}


@exempt
def arrow_of(queryset: Any) -> pa.Table:
    """Return the rows of a queryset as an Arrow table."""
    require("arrow")
    found = FrameQuery(queryset)
    return found.table(run(found.rows(), found.connection))


@exempt
async def aarrow_of(queryset: Any) -> pa.Table:
    """Do what ``arrow_of`` does, on an async connection."""
    require("arrow")
    found = FrameQuery(queryset, is_async=True)
    return found.table(await arun(found.rows(), found.connection))


def pandas_of(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a frame of pandas, with the types of Arrow."""
    import pandas as pd

    return table.to_pandas(types_mapper=pd.ArrowDtype)


def polars_of(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a frame of polars."""
    import polars as pl

    frame: Any = pl.from_arrow(table)
    return frame  # type: ignore[no-any-return]  # a table gives a frame, never a series
