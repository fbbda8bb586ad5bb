"""Add and remove constraints on columns instead of fields, in each database's syntax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dorm.constraints import CheckConstraint, ExclusionConstraint, UniqueConstraint
from dorm.expressions import F, Q
from dorm.fields import ForeignKey

from ...engines import _rebuilds, dialect_for
from ...exceptions import UnsupportedByDatabase
from ...migration_state import model_of, table_of
from ...patching.registry import repair
from ..migrations import _named
from .columns import NotedStatements, constraint_in_columns, unsupported_condition
from .mysql import index_dropped
from .rebuild import rebuild

_OPERATIONS = "dorm.migrations.operations"


def buildable_constraint(constraint: Any, model: dict[str, Any], connection: Any) -> Any:
    """Return the constraint with columns instead of fields.

    Raises:
        UnsupportedByDatabase: The database cannot enforce it.
    """
    if isinstance(constraint, ExclusionConstraint) and connection.vendor != "postgresql":
        title = dialect_for(connection).title
        raise UnsupportedByDatabase(
            f"{title} cannot enforce {constraint.describe()}: only PostgreSQL has exclusion constraints."
            " Nothing was changed. Check the rule in your code inside a transaction."
        )
    if getattr(constraint, "condition", None) is not None and connection.vendor == "mysql":
        raise unsupported_condition(constraint.describe(), connection)
    return constraint_in_columns(constraint, model)


def constraint_fields(constraint: Any) -> set[str]:
    """Return the names of the fields that a constraint uses."""
    names = {*getattr(constraint, "fields", ()), *getattr(constraint, "include", ())}
    names |= {name for name, _operator in getattr(constraint, "expressions", ())}
    for condition in (getattr(constraint, "check", None), getattr(constraint, "condition", None)):
        names |= set(_named_in(condition))
    return {*names, *(name.removesuffix("_id") for name in names)}


def _named_in(condition: Any) -> Iterator[str]:
    for child in getattr(condition, "children", ()):
        if isinstance(child, Q):
            yield from _named_in(child)
            continue
        yield child[0].partition("__")[0]
        if isinstance(child[1], F):
            yield child[1].name


def rename_sql(
    change: str, name: str, before: dict[str, Any], after: dict[str, Any], app_label: str, connection: Any
) -> str:
    """Return the statement that renames a field's column; on MySQL, it also drops the field's checks and adds them.

    MySQL renames no checked column, and commits each statement: one that fails has to leave the checks as they were.
    """
    table = table_of(after, app_label)
    declared = before["options"].get("constraints") or () if connection.vendor == "mysql" else ()
    checks = {one.name for one in declared if isinstance(one, CheckConstraint) and name in constraint_fields(one)}
    kept = [one for one in after["options"].get("constraints") or () if one.name in checks]
    added = [constraint_in_columns(one, after).constraint_sql(table, connection) for one in kept]
    parts = [*(f'DROP CONSTRAINT "{check}"' for check in sorted(checks)), change]
    parts += [statement.removeprefix(f'ALTER TABLE "{table}" ') for statement in added]
    return f'ALTER TABLE "{table}" {", ".join(parts)}'


def _constrains_columns() -> bool:
    from dorm.migrations.operations import AddConstraint
    from dorm.migrations.state import ProjectState

    state, statements = ProjectState(), NotedStatements("postgresql")
    state.add_model("app", "Ticket", {"customer": ForeignKey("Customer")})
    constraint = UniqueConstraint(fields=["customer"], name="one_each")
    AddConstraint("Ticket", constraint).database_forwards("app", statements, state, state)
    return '"customer_id"' in "".join(statements)


def _add_constraint(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Use columns in constraints on foreign keys, and add and remove constraints on every database.

    Symptom: a UniqueConstraint on a foreign key fails on PostgreSQL, MySQL and MariaDB and has no effect on SQLite; a
    CheckConstraint cannot be added or removed on SQLite, Turso and libSQL, or removed on MySQL; a comparison with
    ``F()`` compares with a text. Cause: field names are used as columns, and every database is treated as PostgreSQL.
    djanorm 4.3 to 4.5.
    """
    model = model_of(operation.model_name, app_label, after, before)
    constraint = buildable_constraint(operation.constraint, model, connection)
    if isinstance(constraint, CheckConstraint) and _rebuilds(connection):
        rebuild(_named(connection), app_label, model_of(operation.model_name, app_label, before), model)
        return
    connection.execute_script(constraint.constraint_sql(table_of(model, app_label), _named(connection)))


def _remove_constraint(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    model = model_of(operation.model_name, app_label, before)
    constraint, table = constraint_in_columns(operation.constraint, model), table_of(model, app_label)
    if isinstance(constraint, CheckConstraint) and _rebuilds(connection):
        rebuild(_named(connection), app_label, model, model_of(operation.model_name, app_label, after))
    elif connection.vendor != "mysql":
        connection.execute_script(constraint.remove_sql(table, _named(connection)))
    elif isinstance(constraint, UniqueConstraint):
        index_dropped(constraint.name, table, connection)
    else:
        connection.execute_script(f'ALTER TABLE "{table}" DROP CONSTRAINT "{constraint.name}"')


def _register(operation: str, attribute: str, replacement: Any) -> None:
    register: Callable[[Any], Any] = repair(
        f"{_OPERATIONS}:{operation}", attribute, name="constraints_over_columns", is_fixed=_constrains_columns
    )
    register(replacement)


_register("AddConstraint", "database_forwards", _add_constraint)
_register("RemoveConstraint", "database_backwards", _add_constraint)
_register("AddConstraint", "database_backwards", _remove_constraint)
_register("RemoveConstraint", "database_forwards", _remove_constraint)
