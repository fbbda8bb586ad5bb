"""Querysets that filter, order, count and project by annotations, and return decoded vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from dorm.expressions import F
from dorm.manager import BaseManager
from dorm.queryset import CombinedQuerySet, QuerySet, ValuesListQuerySet

from ..embeddings.querysets import EmbeddingQueries
from ..search.nearest import SearchMethods
from .assigned import bound_values
from .queryset_types import Row, RowMethods
from .rows import VectorRows, as_vector_query

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


def _of_whole_searches(method: str) -> Callable[..., Any]:
    def guarded(self: Any, *args: Any, **options: Any) -> Any:
        require_whole(self, method)
        return getattr(super(Slices, self), method)(*args, **options)

    guarded.__name__, guarded.__qualname__ = method, f"Slices.{method}"
    return guarded


class Slices:
    """List-like slicing, and methods that filter or order rows, which raise TypeError on a slice by distance."""

    _query: Any

    def __getitem__(self, part: Any) -> Any:
        query = self._query
        if type(part) is slice and part.step is None and query.limit_val is None and not query.offset_val:
            start, stop = part.start or 0, part.stop
            if type(start) is int and type(stop) is int and 0 <= start <= stop:
                sliced: Any = self._clone()  # type: ignore[attr-defined]  # as below
                sliced._query.offset_val, sliced._query.limit_val = start, stop - start
                return sliced
        return super().__getitem__(within(self._query, part))  # type: ignore[misc]  # precedes dorm.QuerySet

    filter = _of_whole_searches("filter")
    exclude = _of_whole_searches("exclude")
    reverse = _of_whole_searches("reverse")
    distinct = _of_whole_searches("distinct")
    last = _of_whole_searches("last")
    alast = _of_whole_searches("alast")


class Shaped:
    """How rows are sorted, and in which form they come: the same for rows, dicts and tuples."""

    model: Any
    _query: Any
    _db: str

    def order_by(self, *fields: Any) -> Any:
        """Sort by field names, annotation names or expressions; ``"-distance"`` sorts in descending order."""
        require_whole(self, "order_by")
        queryset: Any = self
        names: list[str] = []
        for field in fields:
            if isinstance(field, str):
                names.append(field)
                continue
            expression, sign = (
                (field.expression, "-" * field.descending) if hasattr(field, "descending") else (field, "")
            )
            if type(expression) is F:
                names.append(sign + expression.name)
                continue
            hidden = f"_order_{len(queryset._query.annotations)}"
            queryset = queryset.alias(**{hidden: expression})
            names.append(sign + hidden)
        ordered: Any = queryset._clone()
        ordered._query.order_by_fields = names
        return ordered

    def values(self, *fields: str | F, **expressions: Any) -> Any:
        """Return dicts of the named fields and annotations, or of all of them if you pass no names."""
        whole: Any = self
        source = whole.annotate(**expressions) if expressions else whole
        queryset = VectorQuerySet(self.model, self._db)
        return _reading(queryset, source, [*map(_field_name, fields), *expressions])

    def values_list(self, *fields: Any, flat: bool = False, named: bool = False) -> VectorValuesListQuerySet:
        """Return tuples of the named fields and annotations, or of all of them if you pass no names."""
        if flat and len(fields) != 1:
            raise ValueError("'flat' is only valid when values_list is called with a single field.")
        whole: Any = self
        unnamed = {f"_value_{n}": field for n, field in enumerate(fields) if not isinstance(field, (str, F))}
        source = whole.annotate(**unnamed) if unnamed else whole
        names = [name if (name := f"_value_{n}") in unnamed else _field_name(field) for n, field in enumerate(fields)]
        queryset: Any = _reading(VectorValuesListQuerySet(self.model, self._db), source, names)
        queryset._flat, queryset._named = flat, named
        queryset._fields = list(queryset._query.selected_fields)
        found: VectorValuesListQuerySet = queryset
        return found


class FrameMethods:
    """Methods that read every row, with its annotations, as one table in memory."""

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table, with vectors as lists of a fixed size; requires pyarrow."""
        from ..frames.reading import arrow_of

        return arrow_of(self)

    async def ato_arrow(self) -> pa.Table:
        """Do what ``to_arrow()`` does."""
        from ..frames.reading import aarrow_of

        return await aarrow_of(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame with the types of ``to_arrow()``; requires pandas and pyarrow."""
        from ..frames.reading import arrow_of, pandas_of, require

        require("pandas")
        return pandas_of(arrow_of(self))

    async def ato_pandas(self) -> pd.DataFrame:
        """Do what ``to_pandas()`` does."""
        from ..frames.reading import aarrow_of, pandas_of, require

        require("pandas")
        return pandas_of(await aarrow_of(self))

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a polars DataFrame with the types of ``to_arrow()``; requires polars and pyarrow."""
        from ..frames.reading import arrow_of, polars_of, require

        require("polars")
        return polars_of(arrow_of(self))

    async def ato_polars(self) -> pl.DataFrame:
        """Do what ``to_polars()`` does."""
        from ..frames.reading import aarrow_of, polars_of, require

        require("polars")
        return polars_of(await aarrow_of(self))

    def _repr_html_(self) -> str:
        """Return the first rows as an HTML table, for notebooks."""
        from ..frames.html import rows_as_html

        return rows_as_html(self)


class VectorQuerySet(  # type: ignore[misc]  # djanorm's union() returns a CombinedQuerySet, ours does not
    RowMethods["VectorQuerySet[Row]", Row],
    Shaped,
    Slices,
    SearchMethods["VectorQuerySet[Row]"],
    EmbeddingQueries,
    FrameMethods,
    VectorRows[Row],
):
    """A QuerySet of a model with vector fields, which can annotate, filter, order, count and project distances."""

    def update(self, **values: Any) -> int:
        """Update every row; vectors in expressions are converted by their field."""
        return super().update(**bound_values(self.model, values))

    async def aupdate(self, **values: Any) -> int:
        """Do what ``update()`` does."""
        return await super().aupdate(**bound_values(self.model, values))


class VectorValuesListQuerySet(  # type: ignore[misc]  # as above
    RowMethods["VectorValuesListQuerySet", Any],
    Shaped,
    Slices,
    SearchMethods["VectorValuesListQuerySet"],
    EmbeddingQueries,
    FrameMethods,
    VectorRows[Any],
    ValuesListQuerySet,
):
    """The queryset that ``values_list()`` of a VectorQuerySet returns."""

    def _clone(self) -> Self:
        plain = ValuesListQuerySet._clone(self)
        queryset: Self = type(self)(self.model, self._db)
        queryset.__dict__.update(plain.__dict__)
        return queryset

    def _show(self, names: list[str]) -> None:
        super()._show(names)
        self._fields = list(self._query.selected_fields or [])

    def _resolve_fields(self) -> list[str]:
        return self._fields or super()._resolve_fields()

    def _as_row(self, row: Any, fields: list[str]) -> Any:
        return self._extract_row(row, fields)

    def _extract_row(self, row: Any, fields: list[str]) -> Any:
        return super()._extract_row({name: self._decode(name, row[name]) for name in fields}, fields)


def _field_name(field: Any) -> str:
    name = field.name if type(field) is F else field
    if not isinstance(name, str):
        raise TypeError(f"values() needs a name for {field!r}. Give values(name=expression).")
    return name


def _reading(queryset: Any, source: Any, names: list[str]) -> Any:
    """Return the queryset with the rows of another one, of which it reads these names, or all."""
    queryset._query = source._query.clone()
    queryset._cache_alias, queryset._cache_timeout = source._cache_alias, source._cache_timeout
    queryset._query.selected_fields = names or _all_names(source)
    queryset._query.deferred_loading = False
    return queryset


def _all_names(queryset: Any) -> list[str]:
    names = [field.attname for field in queryset.model._meta.concrete_fields]
    return names + [name for name in queryset._query.annotations if queryset._query._is_projected(name)]


def upgraded(queryset: Any) -> VectorQuerySet[Any]:
    """Return a VectorQuerySet with the state of a queryset, or of a manager's queryset."""
    queryset = queryset.get_queryset() if isinstance(queryset, BaseManager) else queryset
    if isinstance(queryset, CombinedQuerySet):
        raise TypeError("The rows of union(), intersection() or difference() are taken from their parts, one by one.")
    if not isinstance(queryset, QuerySet):
        raise TypeError(f"This is a {type(queryset).__name__}, not a queryset. Give Document.objects.all().")
    kind = VectorValuesListQuerySet if isinstance(queryset, ValuesListQuerySet) else VectorQuerySet
    vector_queryset: Any = kind(queryset.model, queryset._db)
    vector_queryset.__dict__.update(queryset.__dict__)
    vector_queryset._query = as_vector_query(queryset._query.clone(), queryset._db)
    found: VectorQuerySet[Any] = vector_queryset
    return found


def require_whole(queryset: Any, method: str) -> None:
    """Raise TypeError if the queryset is already a slice ordered by distance."""
    query = queryset._query
    if (query.limit_val is not None or query.offset_val) and query.is_by_distance():
        raise TypeError(
            f"{method}() on a slice of the nearest would choose among other rows than those of the slice."
            f" Call it before the slice, or keep the slice: {queryset.model.__name__}.objects.filter(pk__in=found)."
        )


def within(query: Any, part: Any) -> Any:
    """Translate an index or slice of a slice to the whole queryset, as djanorm requires; IndexError past its end."""
    start, count = query.offset_val or 0, query.limit_val
    if isinstance(part, slice):
        if (part.start or 0) < 0 or (part.stop or 0) < 0:
            return part  # djanorm rejects it
        ends = [end for end in (part.stop, count) if end is not None]
        first = start + (part.start or 0)
        return slice(first, max(first, start + min(ends)) if ends else None, part.step)
    if not isinstance(part, int) or part < 0:
        return part  # djanorm rejects this too
    if count is not None and part >= count:
        raise IndexError(f"The slice has {count} rows at most, and this is row {part}.")
    return start + part
