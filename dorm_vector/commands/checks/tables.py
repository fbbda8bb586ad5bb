"""Tables and their columns: missing tables, columns of another kind or length, and columns that lose precision."""

from __future__ import annotations

from collections.abc import Iterator

from ...schema.commands.drift import differing_columns
from ...schema.narrow_columns import narrow_columns
from ..database import Database
from ..project import label_of, models_of_tables, models_with_vectors
from .finding import Finding


def missing_tables(database: Database) -> Iterator[Finding]:
    """Yield a finding for each table that does not exist, in a database that has others of the project."""
    models = models_with_vectors()
    missing = [model for model in models if not database.has_table(model)]
    if database.alias != "default" and len(missing) == len(models):
        # Nothing says that the project keeps vectors in this database.
        return
    for model in missing:
        yield Finding(
            "table",
            label_of(model),
            f"The table {model._meta.db_table} does not exist.",
            "A table for each model.",
            database.migrate(),
        )


def columns(database: Database) -> Iterator[Finding]:
    """Yield a finding for each vector column whose kind or length is not that of its field."""
    for model in models_with_vectors():
        if not database.has_table(model):
            continue
        for column in database.missing_columns(model):
            yield Finding(
                "column",
                label_of(model),
                f"The table {model._meta.db_table} has no column {column}.",
                "A column for each field.",
                database.migrate(),
            )
        for field, held, wanted in differing_columns(model, database.connection):
            yield Finding(
                "column",
                f"{label_of(model)}.{field.name}",
                f"The column {model._meta.db_table}.{field.column} is {held or 'no vector column'}.",
                f"{wanted}.",
                f"dorm makemigrations, then {database.migrate()}; or declare the field as the column is.",
            )


def precision(database: Database) -> Iterator[Finding]:
    """Yield a finding for each column that is narrower than that of a new table, so that it rounds or cuts values."""
    for model in models_of_tables() if database.dialect.ddl.narrower else ():
        if not database.has_table(model):
            continue
        for field, kind in narrow_columns(model, database.connection):
            yield Finding(
                "precision",
                f"{label_of(model)}.{field.name}",
                f"The column {model._meta.db_table}.{field.column} is {kind.upper()}, which holds less than the field.",
                f"{field.db_type(database.connection)}.",
                "dorm lint-migrations prints the AlterField to add to a migration.",
            )
