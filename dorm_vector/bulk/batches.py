"""Batches of a bulk load: convert instances, dicts or columns to columns of bound values."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dorm.fields import NOT_PROVIDED, AutoField, Field, IntegerField

from ..exceptions import DimensionMismatch, at_row
from ..models.fields import VectorField
from ..values.missing import is_left_out
from .columns import is_relation, key_held, key_of, named_fields, written_fields
from .matrix_columns import HeldRows, MatrixColumn, is_plain, matrix_column, unmeasured

Values = Sequence[Any]

Reader = Callable[[Values], Values]


@dataclass(frozen=True)
class Batch:
    """Bound values, with one column per field; ``start`` is the index of the first row within the whole load."""

    start: int
    columns: tuple[Values, ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def rows(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self.columns, strict=True)

    def with_vectors(self) -> Batch:
        """Return the same rows, with vectors of a class that drivers can tell from other bytes."""
        columns = (column.vectors() if isinstance(column, MatrixColumn) else column for column in self.columns)
        return Batch(self.start, tuple(columns))

    def row(self, position: int) -> tuple[Any, ...]:
        return tuple(column[position] for column in self.columns)


class ColumnSource:
    """A mapping from field names to columns of one length: numpy arrays, lists, or anything that can be sliced."""

    def __init__(self, model: Any, data: Mapping[str, Any]) -> None:
        named = named_fields(model, data)
        filled = _filled_fields(model, named.values())
        self.fields = [*named.values(), *filled]
        self.total = _common_length(data)
        self._columns = [(field, data[name]) for name, field in named.items()]
        self._filled = [_filler(field) for field in filled]
        for name, field in named.items():
            _require_width(field, name, data[name])

    def batches(self, size: int, offset: int = 0) -> Iterator[Batch]:
        """Yield the batches; ``offset`` is the number of rows of the load before these columns."""
        for start in range(0, self.total, size):
            stop = min(start + size, self.total)
            columns = [_bound(field, column[start:stop], offset + start) for field, column in self._columns]
            yield Batch(offset + start, (*columns, *(_fill(make, stop - start) for make in self._filled)))


class RowSource:
    """Instances of a model, or dicts; the first row decides which columns are written."""

    def __init__(self, model: Any, first: Any) -> None:
        self._kind: Any = model if isinstance(first, model) else dict
        if not isinstance(first, self._kind):
            raise TypeError(f"Row 0 is a {type(first).__name__}. Give {model.__name__} instances, dicts, or columns.")
        self._width = len(first) if self._kind is dict else 0
        self.fields, self._readers = _of_dicts(model, first) if self._kind is dict else _of_instances(model, first)
        generated = [field for field in written_fields(model) if _is_left_to_database(field)]
        self._generated = [] if self._kind is dict else [(field, field in self.fields) for field in generated]

    def batch(self, start: int, items: Values) -> Batch:
        try:
            return Batch(start, self._read(items))
        except Exception:  # any error of a field is raised again with the row number
            for position, item in enumerate(items):
                try:
                    self._read([item])
                except Exception as error:  # as above
                    raise at_row(error, start + position) from error
            raise

    def _read(self, items: Values) -> tuple[Values, ...]:
        for item in items:
            if not isinstance(item, self._kind):
                raise TypeError(f"a {type(item).__name__} after {self._kind.__name__}: every row is of one kind.")
            if self._width and len(item) != self._width:
                raise ValueError(f"it has {sorted(item)}; the first row has {self._width} keys.")
        for field, is_written in self._generated:
            if any((item.__dict__.get(field.attname) is not None) is not is_written for item in items):
                raise ValueError(
                    f"it has {'no' if is_written else 'a'} value of {field.name}, and the first row has"
                    f" {'one' if is_written else 'none'}: leave it to the database in every row, or in none."
                )
        return tuple(read(items) for read in self._readers)


def chunks(rows: Iterable[Any], size: int, first: int | None = None) -> Iterator[tuple[int, list[Any]]]:
    """Yield lists of up to ``size`` rows, each with the index of its first row; the first one has up to ``first``."""
    iterator, start = iter(rows), 0
    while items := list(islice(iterator, size if start else first or size)):
        yield start, items
        start += len(items)


async def achunks(
    rows: Iterable[Any] | AsyncIterable[Any], size: int, first: int | None = None
) -> AsyncIterator[tuple[int, list[Any]]]:
    """Do what ``chunks`` does; ``rows`` may also be an async iterable."""
    if not isinstance(rows, AsyncIterable):
        for each in chunks(rows, size, first):
            yield each
        return
    items: list[Any] = []
    start = 0
    async for item in rows:
        items.append(item)
        if len(items) == (size if start else first or size):
            yield start, items
            start, items = start + len(items), []
    if items:
        yield start, items


def _of_instances(model: Any, first: Any) -> tuple[list[Any], list[Reader]]:
    fields = [field for field in written_fields(model) if _is_set(field, first)]
    return fields, [_from_instances(field) for field in fields]


def _of_dicts(model: Any, first: Mapping[str, Any]) -> tuple[list[Any], list[Reader]]:
    named = named_fields(model, first)
    filled = _filled_fields(model, named.values())
    readers = [_from_dicts(name, field) for name, field in named.items()]
    return [*named.values(), *filled], readers + [_from_nothing(field) for field in filled]


def _from_instances(field: Any) -> Reader:
    prepare, name = field.get_db_prep_value, field.attname
    if getattr(field, "auto_now", False):
        return lambda items: [prepare(field.pre_save(item, add=True)) for item in items]
    if getattr(field, "auto_now_add", False):
        return lambda items: [prepare(item.__dict__.get(name) or field.pre_save(item, add=True)) for item in items]
    if is_relation(field):
        return lambda items: [prepare(key_held(field, item)) for item in items]

    def read(items: Values) -> Values:
        try:
            values = [item.__dict__[name] for item in items]
        except KeyError:
            raise ValueError(
                f"its {field.name} was not read from the database: leave out only() and defer()."
            ) from None
        return _whole(field, values) or [prepare(value) for value in values]

    return read


def _from_dicts(name: str, field: Any) -> Reader:
    convert = _converter(field)

    def read(items: Values) -> Values:
        try:
            values = [item[name] for item in items]
        except KeyError as error:
            raise ValueError(f"it has no {error}; the first row has.") from None
        return _whole(field, values) or [convert(value) for value in values]

    return read


def _whole(field: Any, values: Values) -> Values | None:
    """Return a column that is converted as a whole, or None if its values have to be converted one by one."""
    if isinstance(field, VectorField):
        return matrix_column(field, values)
    return values if _keeps_integers(field) and set(map(type, values)) == {int} else None


def _from_nothing(field: Any) -> Reader:
    make = _filler(field)
    return lambda items: _fill(make, len(items))


def _fill(make: Callable[[], Any], count: int) -> Values:
    return [make() for _ in range(count)]


def _converter(field: Any) -> Callable[[Any], Any]:
    """Return a function that converts a value as ``Model(field=value)`` and a save do, and pandas' NA to None."""
    convert = _whole_converter(field)
    return lambda value: None if is_left_out(field, value) else convert(value)


def _whole_converter(field: Any) -> Callable[[Any], Any]:
    prepare, convert = field.get_db_prep_value, field.to_python
    if isinstance(field, VectorField):
        return prepare  # type: ignore[no-any-return]  # djanorm has no types here
    if is_relation(field):
        return lambda value: prepare(key_of(field, value))
    return lambda value: prepare(convert(value))


def _filler(field: Any) -> Callable[[], Any]:
    if getattr(field, "auto_now", False):
        blank = field.model()
        return lambda: field.get_db_prep_value(field.pre_save(blank, add=True))
    return lambda: field.get_db_prep_value(field.get_default())


def _filled_fields(model: Any, named: Iterable[Any]) -> list[Any]:
    """Return the fields that the rows omit and that have a default or an automatic value."""
    left_out = [field for field in written_fields(model) if field not in named]
    return [field for field in left_out if field.has_default() or getattr(field, "auto_now", False)]


def _is_set(field: Any, first: Any) -> bool:
    """Return whether instances like the first one write this field, instead of leaving it to the database."""
    return first.__dict__.get(field.attname) is not None or not _is_left_to_database(field)


def _is_left_to_database(field: Any) -> bool:
    """Return whether the database generates a missing value."""
    has_its_own = field.db_default is not NOT_PROVIDED and not field.has_default()
    return isinstance(field, AutoField) or has_its_own


def _common_length(data: Mapping[str, Any]) -> int:
    for name, column in data.items():
        if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
            raise TypeError(f"Column {name!r} is a {type(column).__name__}. Give a list or an array, of a value a row.")
    lengths = {name: len(column) for name, column in data.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Columns have one length; these have {lengths}.")
    return next(iter(lengths.values()), 0)


def _require_width(field: Any, name: str, column: Any) -> None:
    shape: Any = getattr(column, "shape", ())
    if isinstance(field, VectorField) and len(shape) == 2 and field.dimensions not in (None, shape[1]):
        raise DimensionMismatch(
            f"{field.label} holds {field.dimensions} dimensions; the rows of {name!r} have {shape[1]}."
        )


def _bound(field: Any, part: Any, start: int) -> Values:
    if isinstance(part, HeldRows):
        rows = part.held.nonzero()[0].tolist()
        return MatrixColumn(_float32(field, part.matrix, [start + row for row in rows]), part.held.tolist())
    if getattr(part, "ndim", 1) == 2 and part.dtype.kind in "fiu" and is_plain(field):
        return MatrixColumn(_float32(field, part, range(start, start + len(part))))
    convert = _converter(field)
    values = _listed(part) if getattr(part, "ndim", 2) == 1 else list(part)
    whole = _whole(field, values)
    if whole is not None:
        return whole
    try:
        return [convert(value) for value in values]
    except Exception:  # any error of a field is raised again with the row number
        for position, value in enumerate(values):
            _bind_one(convert, value, start + position)
        raise


def _listed(part: Any) -> Values:
    """Return the values of a one-dimensional array as Python objects."""
    if part.dtype.kind in "mM" and part.dtype.str.endswith(("[ns]", "[ps]", "[fs]", "[as]")):
        # numpy converts times with a finer resolution than Python's to plain numbers.
        part = part.astype(f"{part.dtype.kind}8[us]")
    values: list[Any] = part.tolist()
    return values


def _keeps_integers(field: Any) -> bool:
    """Return whether the field binds integers unchanged, so that they need no conversion."""
    kind = type(field)
    converts = kind.to_python not in (IntegerField.to_python, AutoField.to_python)
    return not converts and kind.get_db_prep_value is Field.get_db_prep_value


def _bind_one(convert: Callable[[Any], Any], value: Any, row: int) -> None:
    try:
        convert(value)
    except Exception as error:
        raise at_row(error, row) from error


def _float32(field: Any, part: Any, rows: Sequence[int]) -> Any:
    """Return vectors as little-endian float32; raise the field's error for the first one that it refuses.

    Args:
        field: The vector field.
        part: The (n, d) array.
        rows: The position of each vector in the load.
    """
    import numpy as np

    if isinstance(part, np.ma.MaskedArray):
        part = np.ma.filled(part.astype(np.float32), np.nan)
    with np.errstate(over="ignore"):
        matrix = np.ascontiguousarray(part, dtype="<f4")
    for position in unmeasured(matrix):
        _bind_one(field.to_vector, part[position], rows[position])
    return matrix
