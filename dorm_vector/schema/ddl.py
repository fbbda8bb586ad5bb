"""Build and drop vector indexes, with their build settings and row counts."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..dialects.base import Dialect
from ..engines import dialect_for
from ..exceptions import HalfPrecisionWarning, UnsupportedByDatabase
from ..indexes.build_progress import fill
from ..indexes.conditions import condition_of
from ..indexes.contents import Column, columns_of, index_contents
from ..indexes.sign_columns import SignBits
from ..indexes.vector import VectorIndex
from ..migration_state import column_of, table_of
from ..patching.on_import import Late
from ..steps import run
from .requirements.extensions import enable_extension, warn_of_other_graph

operations: Any = Late("dorm.migrations.operations")


@dataclass(eq=False, repr=False)
class Place:
    """The location of an index: its table, its column, and the field of that column."""

    name: str
    table: str
    column: str
    field: Any
    columns: Mapping[str, Column] | None = None


def build(index: VectorIndex, place: Place, connection: Any, concurrently: bool = False) -> None:
    """Build the index; do nothing on a database that has no index for it and searches exactly."""
    dialect = dialect_for(connection)
    if index.holds_signs(dialect):
        run(sign_bits(index, place, dialect).build(), connection)
        return
    index = index.on(dialect)
    statements = statements_of(index, place, connection)
    if statements and place.field is not None:
        _warn_of_half(index, place, dialect)
    warn_of_other_graph(index, place.name, dialect)
    if statements and index.kind in dialect.index_rules.extensions:
        enable_extension(dialect.index_rules.extensions[index.kind], place.name, connection)
    if index.kind in dialect.companions:
        for statement in [*dialect.drop_index(index.kind, place.name, place.table), *statements]:
            if statement.startswith("INSERT "):
                fill(statement, place.table, connection)
            else:
                # On SQLite, a script with several semicolons, such as a trigger's, ends the transaction.
                connection.execute_write(statement)
        return
    with build_options(index.build_options if statements else {}, connection, dialect):
        for statement in statements:
            _run(said_concurrently(statement, dialect) if concurrently else statement, place, connection, dialect)


def sign_bits(index: VectorIndex, place: Place, dialect: Dialect) -> SignBits:
    """Return the sign bits of an index that the database keeps in a column."""
    if place.field is not None:
        index.check(place.field)
    dimensions = place.field.dimensions if place.field is not None else 1
    return SignBits(index, dialect, place.name, place.table, place.column, dimensions)


def _run(statement: str, place: Place, connection: Any, dialect: Dialect) -> None:
    try:
        connection.execute_script(statement)
    except Exception as error:
        too_full = dialect.index_rules.too_full
        if not too_full or too_full not in str(error):
            raise
        raise UnsupportedByDatabase(
            f"{dialect.title} cannot build {place.name}: {str(error).splitlines()[0]}. Keep fewer of each vector's"
            f" numbers in {place.column}, or drop the index: every search is exact without."
        ) from error


def statements_of(index: VectorIndex, place: Place, connection: Any) -> list[str]:
    dialect, condition = dialect_for(connection), condition_of(index, connection)
    rows = _rows(place.table, condition, connection) if index.counts_rows and index.is_built_by(dialect) else 0
    return index.statements(
        dialect, place.name, place.table, place.column, condition, field=place.field, rows=rows, columns=place.columns
    )


def said_concurrently(statement: str, dialect: Dialect) -> str:
    return statement.replace(" INDEX ", f" INDEX{dialect.ddl.concurrently} ", 1)


@contextmanager
def build_options(options: Mapping[str, Any], connection: Any, dialect: Dialect) -> Iterator[None]:
    """Apply server settings for the duration of the block; the rollback of a failed build also restores them."""
    template = getattr(connection, "set_option", dialect.index_rules.build_option)
    if not options or not template:
        yield
        return
    with connection.atomic():
        before = {name: _setting(name, connection, dialect) for name in options}
        _set(options, connection, template)
        yield
        _set(before, connection, template)


def _set(options: Mapping[str, Any], connection: Any, template: str) -> None:
    for name, value in options.items():
        connection.execute_script(template.format(name=name, value=str(value).replace("'", "''")))


def _setting(name: str, connection: Any, dialect: Dialect) -> str:
    return str(connection.execute(dialect.index_rules.build_option_now.format(name=name))[0]["value"])


def _rows(table: str, condition: str, connection: Any) -> int:
    if not connection.table_exists(table):
        # A dry run of migrations that create the table.
        return 0
    return int(connection.execute(rows_query(table, condition))[0]["rows"])


def rows_query(table: str, condition: str) -> str:
    # Doubled, because the driver would read a single % as a placeholder.
    where = f" WHERE {condition}".replace("%", "%%") if condition else ""
    return f'SELECT COUNT(*) AS "rows" FROM "{table}"{where}'


def _warn_of_half(index: VectorIndex, place: Place, dialect: Dialect) -> None:
    held = index_contents(index, place.field, dialect)
    if held is not None and held.chosen_half:
        warnings.warn(
            f"{place.name} holds the {held.dimensions:,} dimensions of {place.field.label} in half precision: more than"
            f" {dialect.index_rules.max_dimensions[place.field.element]:,} do not fit otherwise. Searches by it are"
            ' ranked in half precision, and their distances stay exact. Declare precision="half" to say so yourself.',
            HalfPrecisionWarning,
            stacklevel=2,
        )


def placed(index: VectorIndex, model: dict[str, Any], app_label: str, connection: Any) -> Place:
    """Return the location of an index of a model."""
    (name,) = index.fields
    fields = model["fields"]
    field = fields.get(name)
    dialect = dialect_for(connection)
    is_of_columns = index.on(dialect).kind in dialect.companions or index.labels
    columns = columns_of(fields, connection) if is_of_columns else None
    column = column_of(name, field)
    if field is not None:
        # A field in a migration belongs to no model, so name it for error messages.
        field = copy.copy(field)
        field.model, field.name = None, f"{model['name']}.{name}"
    return Place(index.get_name(model["name"]), table_of(model, app_label), column, field, columns)


def drop(index: VectorIndex, place: Place, connection: Any, concurrently: bool = False) -> None:
    dialect = dialect_for(connection)
    if index.holds_signs(dialect):
        run(sign_bits(index, place, dialect).drop(), connection)
        return
    for statement in dialect.drop_index(index.on(dialect).kind, place.name, place.table):
        connection.execute_script(said_concurrently(statement, dialect) if concurrently else statement)
