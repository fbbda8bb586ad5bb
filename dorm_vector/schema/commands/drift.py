"""``dorm dbcheck``: vector columns whose kind or length differs from their fields, and missing vector indexes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

from dorm.conf import settings
from dorm.db.connection import get_connection
from dorm.models import _model_registry

from ...dialects.base import Dialect
from ...engines import dialect_for
from ...expressions.outputs import FIELDS
from ...indexes.vector import VectorIndex
from ...introspection import innermost, reads_vectors
from ...patching.registry import hook
from ...values.elements import Element
from ..inspection import Column, recognized_elements, vector_columns
from ..vec0_files import indexed_dimensions

_IN_SYNC = "All checked models match the database schema."


@hook("dorm.cli", "cmd_dbcheck")
def vectors_in_dbcheck(original: Any, args: Any) -> None:
    """Also compare vector columns and indexes; djanorm compares only column names."""
    printed, code = io.StringIO(), 0
    with redirect_stdout(printed):
        try:
            original(args)
        except SystemExit as end:
            code = int(end.code or 0)
    drift = [line for model in _models(args.apps or settings.INSTALLED_APPS) for line in drift_of(model)]
    text = printed.getvalue()
    if drift:
        text = text.replace(f"\n{_IN_SYNC}\n", "") + "Vectors:\n" + "".join(f"  ✗ {line}\n" for line in drift)
    sys.stdout.write(text)
    if drift or code:
        raise SystemExit(code or 1)


def drift_of(model: Any) -> Iterator[str]:
    """Yield how the vector columns and indexes of a table differ from those that the model declares."""
    connection, table = get_connection(), model._meta.db_table
    if not any(map(reads_vectors, model._meta.concrete_fields)) or not connection.table_exists(table):
        return
    yield from _columns(model, connection)
    dialect = dialect_for(connection)
    indexes = [index for index in model._meta.indexes if isinstance(index, VectorIndex) and index.is_built_by(dialect)]
    for index in indexes if dialect.planning.built_indexes else ():
        column = model._meta.get_field(index.fields[0]).column
        rows = connection.execute(dialect.planning.built_indexes, [table, column])
        if index.name and index.name not in {row["name"] for row in rows if row["valid"]}:
            yield f"{model.__name__} ({table}): the index {index.name} is not built. Run: dorm migrate."


def _columns(model: Any, connection: Any) -> Iterator[str]:
    table = model._meta.db_table
    for field, held, wanted in differing_columns(model, connection):
        if held is None:
            yield f"{model.__name__} ({table}): {field.column} is no vector column, and {field.name} is {wanted}."
        else:
            yield f"{model.__name__} ({table}): {field.column} holds {held}, and {field.name} is declared as {wanted}."


def differing_columns(model: Any, connection: Any) -> Iterator[tuple[Any, Column | None, Column]]:
    """Yield each vector field whose column is of another kind or length, with what it holds and what is declared."""
    table, dialect = model._meta.db_table, dialect_for(connection)
    known = recognized_elements(dialect) if dialect.ddl.declarations else set()
    lengths = indexed_dimensions(connection).get(table, {})
    found = vector_columns(table, connection)
    standing = {row["name"] for row in connection.get_table_columns(table)}
    for field in filter(reads_vectors, model._meta.concrete_fields):
        stored = _stored_element(field, dialect)
        wanted, held = _column_of(field, stored), found.get(field.column)
        if field.column in lengths:
            # A vec0 table holds every element as float32.
            held = replace(wanted, length=lengths[field.column])
        if (held is None and stored in known and field.column in standing) or (held and not _fits(held, wanted)):
            yield field, held, wanted


def _fits(held: Column, wanted: Column) -> bool:
    is_same_length = wanted.length is None or held.length == wanted.length
    return is_same_length and (held.field, held.depth) == (wanted.field, wanted.depth)


def _stored_element(field: Any, dialect: Dialect) -> Element:
    """Return the element type of the column: some databases store others as float32."""
    element: Element = innermost(field).element
    return element if element in dialect.forms else Element.FLOAT32


def _column_of(field: Any, element: Element) -> Column:
    inner, depth = innermost(field), 0
    while hasattr(field, "base_field"):
        field, depth = field.base_field, depth + 1
    kind = FIELDS[element]
    # PostgreSQL keeps no number of dimensions of an array.
    return Column(kind.__name__, kind._length_name, inner.dimensions, min(depth, 1))


def _models(apps: Any) -> list[Any]:
    names = tuple(f"{app}." for app in apps)
    models = {
        model
        for model in _model_registry.values()
        if not model._meta.abstract
        and (model._meta.app_label in apps or f"{model.__module__}.".startswith(names))
        and not model._meta.proxy
    }
    return sorted(models, key=lambda model: str(model._meta.db_table))
