"""Columns deferred by ``only()`` or ``defer()``: absent from the instance, and left unchanged when it is saved."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import chain, product
from typing import Any

from dorm.fields import CompositePrimaryKey, Field
from dorm.models import Model

from ..engines.row_source import UnknownSource, read_from
from ..patching.registry import hook, is_on

_REPAIR = "deferred_columns"

_CASE = " WHEN %s THEN %s"
"""The SQL that djanorm generates for each field of each row of a bulk update."""


def _key(instance: Any) -> Any:
    """Return the key of a row; djanorm's own property imports a class at each access."""
    key = instance._meta.pk
    if key is None or isinstance(key, CompositePrimaryKey):
        return _KEY.fget(instance)
    return instance.__dict__.get(key.attname)


_KEY: Any = vars(Model)["pk"]


class ReadInPart:
    """A model whose instances have no attribute for a deferred column, where djanorm would set None."""

    pk = property(_key, _KEY.fset, doc=_KEY.__doc__)

    @classmethod
    def _from_db_row(cls, row: Any, connection: Any = None) -> Any:
        # The next base is a djanorm model.
        read = super()._from_db_row  # type: ignore[misc]  # see above
        try:
            instance = read(row, connection)
        except UnknownSource:
            instance = read_from(connection, read, row, connection)
        # Most rows have every value and need no further work. Arrays cannot be searched with `in`.
        for value in instance.__dict__.values():
            if value is None:
                _forget_missing(cls, instance.__dict__, row)
                break
        return instance

    def __getattr__(self, name: str) -> Any:
        """Return None for a deferred column, as djanorm does."""
        if any(field.attname == name for field in type(self)._meta.concrete_fields):  # type: ignore[attr-defined]  # as above
            return None
        if hasattr(above := super(), "__getattr__"):
            return above.__getattr__(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


@hook("dorm.models:ModelBase", "__new__")
def models_read_in_part(
    original: Any, metaclass: Any, name: str, bases: tuple[type, ...], attributes: dict[str, Any]
) -> Any:
    """Let models with vector fields have instances with deferred columns."""
    has_vectors = any(hasattr(value, "keeps_deferred") for value in attributes.values() if isinstance(value, Field))
    if has_vectors and not any(issubclass(base, ReadInPart) for base in bases):
        bases = (ReadInPart, *bases)
    return original(metaclass, name, bases, attributes)


def _keeps_every_column(model: Any) -> bool:
    """Return whether missing attributes are looked up here, and not in a ``__getattr__`` that the model defines."""
    return getattr(model, "__getattr__", None) is ReadInPart.__getattr__


def _forget_missing(model: Any, attributes: dict[str, Any], row: Any) -> None:
    empty = [field for field in model._meta.concrete_fields if attributes.get(field.attname) is None]
    if not empty or not hasattr(row, "keys"):
        return
    columns, every = row.keys(), is_on(_REPAIR) and _keeps_every_column(model)
    for field in empty:
        if field.column not in columns and (every or hasattr(field, "keeps_deferred")):
            attributes.pop(field.attname, None)


def unnumbered(sql: str) -> str:
    """Return the SQL with %s for each parameter: djanorm numbers them on PostgreSQL, and its connection renumbers."""
    return re.sub(r"\$\d+", "%s", sql)


def keeping_what_was_left_out(sql: str, params: list[Any], rows: list[Any], fields: list[Any]) -> tuple[str, list[Any]]:
    """Make a bulk update leave the deferred columns of its rows unchanged."""
    if all(field.attname in row.__dict__ for row in rows for field in fields):
        return sql, params
    first, *cases = unnumbered(sql).split(_CASE)
    values = [params[number : number + 2] for number in range(0, 2 * len(cases), 2)]
    for number, (field, row) in enumerate(product(fields, rows)):
        if field.attname in row.__dict__:
            cases[number] = _CASE + cases[number]
        else:
            cases[number] = f' WHEN %s THEN "{field.column}"' + cases[number]
            values[number] = values[number][:1]
    return first + "".join(cases), [*chain.from_iterable(values), *params[2 * len(cases) :]]


def _loaded(instance: Any, meta: Any, update_fields: Collection[str] | None) -> Collection[str] | None:
    """Return the names of the fields to write, or ``update_fields`` unchanged if no column was deferred."""
    if not _keeps_every_column(type(instance)):
        return update_fields
    left_out = [field for field in meta.concrete_fields if _is_left_out(instance, field)]
    if not left_out:
        return update_fields
    names = update_fields if update_fields is not None else [field.name for field in _written(meta)]
    missing = {name for field in left_out for name in (field.name, field.attname)}
    # An UPDATE must set at least one column, so set the primary key to its own value.
    return [name for name in names if name not in missing] or [meta.pk.name]


def _is_left_out(instance: Any, field: Any) -> bool:
    """Return whether a save would write a made-up value; a vector column keeps its stored value on its own."""
    sets_itself = getattr(field, "auto_now", False) or hasattr(field, "keeps_deferred")
    return field.attname not in instance.__dict__ and not sets_itself


def _written(meta: Any) -> Iterator[Any]:
    from dorm.fields import AutoField

    return (field for field in meta.fields if field.column and not isinstance(field, AutoField))
