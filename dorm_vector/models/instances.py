"""Build the instances of a result, with one look at the model for all of its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dorm.fields import Field
from dorm.models import Model, _ModelState

from ..engines.row_source import UnknownSource
from .deferred import ReadInPart

_COLUMNS = "dorm_vector_columns"


class Columns:
    """The attribute of each field, its column, and how its values are read; None if they are taken as they are."""

    def __init__(self, fields: list[Any]) -> None:
        self._fields = tuple((field.attname, field.column, _read(field)) for field in fields)
        self._vectors = tuple((number, field) for number, field in enumerate(fields) if hasattr(field, "row_reader"))
        self.names = frozenset(field.column for field in fields)
        self.are_attributes = all(field.column == field.attname for field in fields)

    def read(self) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
        """Return them for the rows of one result."""
        found = [*self._fields]
        for number, field in self._vectors:
            found[number] = (*found[number][:2], field.row_reader())
        return found


def builds_instances(queryset: Any) -> bool:
    """Return whether the rows are whole instances of a model that djanorm builds, from the default database."""
    query, alias = queryset._query, queryset._db
    if query.selected_fields is not None or query.select_related_fields or query.prefetch_related_fields:
        return False
    # Rows of other databases, and an alias that a router chose, have to be remembered.
    if query.distinct_flag or type(alias) is not str or alias != "default":
        return False
    return _columns(queryset.model) is not None


def instance_builder(queryset: Any, first: Any, connection: Any) -> Callable[[Any], Any]:
    """Return the function that makes an instance of each row that has the columns of the first one."""
    model = queryset.model
    keys, columns = first.keys() if hasattr(first, "keys") else (), _columns(model)
    if columns is None or not columns.names.issubset(keys):
        return lambda row: _by_djanorm(queryset, row, connection)
    fields, names = columns.read(), [name for name in queryset._query.annotations if name in keys]
    if type(first) is dict and columns.are_attributes and keys == columns.names.union(names):
        return _keeping_rows(queryset, fields, connection)

    def build(row: Any) -> Any:
        values = {"_state": _ModelState(adding=False)}
        try:
            for name, column, read in fields:
                values[name] = row[column] if read is None else read(row[column])
        except UnknownSource:
            return _by_djanorm(queryset, row, connection)
        for name in names:
            values[name] = row[name]
        instance = model.__new__(model)
        instance.__dict__ = values
        return instance

    return build


def _keeping_rows(queryset: Any, fields: list[Any], connection: Any) -> Callable[[Any], Any]:
    """Return the function that makes a dict of a row the attributes of its instance."""
    model, readers = queryset.model, [(name, read) for name, _column, read in fields if read is not None]

    def build(row: Any) -> Any:
        values = {"_state": _ModelState(adding=False)}
        try:
            for name, read in readers:
                values[name] = read(row[name])
        except UnknownSource:
            return _by_djanorm(queryset, row, connection)
        row.update(values)
        instance = model.__new__(model)
        instance.__dict__ = row
        return instance

    return build


def _by_djanorm(queryset: Any, row: Any, connection: Any) -> Any:
    instance = queryset.model._from_db_row(row, connection)
    keys = row.keys() if hasattr(row, "keys") else ()
    instance.__dict__.update({name: row[name] for name in queryset._query.annotations if name in keys})
    return instance


def _columns(model: Any) -> Columns | None:
    """Return the columns of the model; None if it builds its instances itself."""
    fields = model._meta.concrete_fields
    known = vars(model._meta).get(_COLUMNS)
    # djanorm keeps one list of the fields, and another one once a field was added.
    if known is None or known[0] is not fields:
        vars(model._meta)[_COLUMNS] = known = fields, Columns(fields) if _is_built_by_djanorm(model) else None
    found: Columns | None = known[1]
    return found


def _is_built_by_djanorm(model: Any) -> bool:
    defining = [kind for kind in model.__mro__ if "_from_db_row" in vars(kind)]
    return defining in ([ReadInPart, Model], [Model])


def _read(field: Any) -> Callable[[Any], Any] | None:
    is_taken = type(field).from_db_value is Field.from_db_value and "from_db_value" not in vars(field)
    return None if is_taken else field.from_db_value
