"""Columns that hold less than those that a new table gets: what ``dorm lint-migrations`` reports of a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dorm.conf import settings
from dorm.db.connection import get_connection
from dorm.models import _model_registry

from ..engines import dialect_for
from ..engines.timeouts import answers
from ..patching.registry import hook
from .writer import _call

_CODE = "DORM-V001"


def narrow_columns(model: Any, connection: Any) -> Iterator[tuple[Any, str]]:
    """Return the fields whose column holds less than that of a new table, each with the type that it has."""
    dialect = dialect_for(connection)
    if not dialect.ddl.narrower:
        return
    rows = connection.execute(dialect.ddl.declarations, [model._meta.db_table])
    types = dict(str(row["declaration"]).lower().split(" ", 1) for row in rows)
    for field in model._meta.concrete_fields:
        wanted = str(field.db_type(connection) or "").lower()
        if types.get(field.column) in dialect.ddl.narrower.get(wanted, ()):
            yield field, types[field.column]


@hook("dorm.migrations.lint", "lint_directory")
def narrow_columns_in_lint(original: Any, directory: Path) -> Any:
    """Report columns of the databases that are narrower than those of a new table, with the AlterField that widens."""
    result = original(directory)
    found = [(model, alias) for model in _models_of(Path(directory).parent.name) for alias in _reachable()]
    for model, alias in found:
        for field, kind in narrow_columns(model, get_connection(alias)):
            result.findings.append(_finding(directory, model, field, kind, alias))
    return result


def _finding(directory: Path, model: Any, field: Any, kind: str, alias: str) -> Any:
    from dorm.migrations.lint import Finding

    wanted = field.db_type(get_connection(alias))
    return Finding(
        code=_CODE,
        file=directory,
        operation=f"AlterField({model.__name__!r}, {field.name!r}, {_call(field)})",
        message=(
            f"The column {model._meta.db_table}.{field.column} of the database {alias!r} is {kind.upper()}, and a new"
            f" table has {wanted}. Add this operation to a migration: it widens the column, and keeps its values."
        ),
    )


def _models_of(app: str) -> list[Any]:
    models = {model for model in _model_registry.values() if model._meta.app_label == app and model._meta.managed}
    return sorted(models, key=lambda model: str(model._meta.db_table))


def _reachable() -> list[str]:
    """Return the databases whose server answers: linting needs none."""
    return [alias for alias, options in settings.DATABASES.items() if answers(options)]
