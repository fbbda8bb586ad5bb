"""Columns that ``only()`` or ``defer()`` left out of a row: absent from the instance, and kept by its save."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import chain, product
from typing import Any

from ..engines.row_source import UnknownSource, read_from
from ..patching.registry import is_on

_REPAIR = "deferred_columns"

_CASE = " WHEN %s THEN %s"
"""What djanorm writes for each field of each row of a bulk update."""


def keep_deferred_columns(cls: Any) -> None:
    """Hydrate a row so that a column it does not carry is absent, not None."""
    if "_from_db_row" in vars(cls):
        return

    def _from_db_row(model: Any, row: Any, connection: Any = None) -> Any:
        try:
            instance = super(cls, model)._from_db_row(row, connection)
        except UnknownSource:
            instance = read_from(connection, super(cls, model)._from_db_row, row, connection)
        _forget_missing(model, instance.__dict__, row)
        return instance

    cls._from_db_row = classmethod(_from_db_row)
    if not hasattr(cls, "__getattr__"):
        cls.__getattr__ = _absent


def _absent(instance: Any, name: str) -> None:
    """Answer None for a column that was left out, as djanorm does."""
    if any(field.attname == name for field in type(instance)._meta.concrete_fields):
        return
    raise AttributeError(f"{type(instance).__name__!r} object has no attribute {name!r}")


def _forget_missing(model: Any, attributes: dict[str, Any], row: Any) -> None:
    # Most rows have every value, and nothing else is asked of them.
    empty = [field for field in model._meta.concrete_fields if attributes.get(field.attname) is None]
    if not empty or not hasattr(row, "keys"):
        return
    columns, every = row.keys(), is_on(_REPAIR) and model.__getattr__ is _absent
    for field in empty:
        if field.column not in columns and (every or hasattr(field, "keeps_deferred")):
            attributes.pop(field.attname, None)


def keeping_what_was_left_out(sql: str, params: list[Any], rows: list[Any], fields: list[Any]) -> tuple[str, list[Any]]:
    """Let the bulk update of rows that were read in part leave what was not read as it is."""
    if all(field.attname in row.__dict__ for row in rows for field in fields):
        return sql, params
    # djanorm numbers the parameters on PostgreSQL, and its connection counts them again.
    first, *cases = re.sub(r"\$\d+", "%s", sql).split(_CASE)
    values = [params[number : number + 2] for number in range(0, 2 * len(cases), 2)]
    for number, (field, row) in enumerate(product(fields, rows)):
        if field.attname in row.__dict__:
            cases[number] = _CASE + cases[number]
        else:
            cases[number] = f' WHEN %s THEN "{field.column}"' + cases[number]
            values[number] = values[number][:1]
    return first + "".join(cases), [*chain.from_iterable(values), *params[2 * len(cases) :]]


def _loaded(instance: Any, meta: Any, update_fields: Collection[str] | None) -> Collection[str] | None:
    """Return the names of the fields to write; as they were given where the row was read in full."""
    if getattr(type(instance), "__getattr__", None) is not _absent:
        return update_fields
    left_out = [field for field in meta.concrete_fields if _is_left_out(instance, field)]
    if not left_out:
        return update_fields
    names = update_fields if update_fields is not None else [field.name for field in _written(meta)]
    missing = {name for field in left_out for name in (field.name, field.attname)}
    # An UPDATE sets something: the key stays what it is.
    return [name for name in names if name not in missing] or [meta.pk.name]


def _is_left_out(instance: Any, field: Any) -> bool:
    """Tell whether a save would make a value up; a vector column says itself that it stays."""
    sets_itself = getattr(field, "auto_now", False) or hasattr(field, "keeps_deferred")
    return field.attname not in instance.__dict__ and not sets_itself


def _written(meta: Any) -> Iterator[Any]:
    from dorm.fields import AutoField

    return (field for field in meta.fields if field.column and not isinstance(field, AutoField))
