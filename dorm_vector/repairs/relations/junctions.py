"""Junction tables of many-to-many fields: created, renamed and dropped with their field and model."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from dorm.constraints import UniqueConstraint
from dorm.fields import BigAutoField, ForeignKey, ManyToManyField

from ...migration_state import model_of, table_of
from ...patching.on_import import Late
from ...patching.registry import repair
from .reverse import junction_columns
from .state import is_many_to_many, target_key

_OPERATIONS = "dorm.migrations.operations"
operations: Any = Late(_OPERATIONS)


def junctions_of(model: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the many-to-many fields that have an automatic junction table."""
    for name, field in model["fields"].items():
        if is_many_to_many(field) and not field.through:
            yield name, field


def junction(model: dict[str, Any], app_label: str, name: str, field: Any) -> Any:
    """Return the CreateModel of a junction table."""
    table = f"{table_of(model, app_label)}_{name}"
    target = field._resolve_related_model().__name__
    columns = junction_columns(model["name"], target)
    ends = [(column, f"{app_label}.{model['name']}") for column in columns[:1]]
    ends += [(column, target_key(field, app_label, model["name"])) for column in columns[1:]]
    fields: list[tuple[str, Any]] = [("id", BigAutoField(primary_key=True))]
    fields += [(column, _end(field, key, column)) for column, key in ends]
    unique = UniqueConstraint(fields=list(columns), name=_unique_name(table))
    return operations.CreateModel(table, fields, {"db_table": table, "constraints": [unique]})


def _end(field: Any, key: str, column: str) -> ForeignKey:
    end = ForeignKey(key, db_column=column)
    if field.model is not None:
        # Set the class, so that the migration state need not contain the model.
        is_source = key.endswith(f".{field.model.__name__}")
        end.remote_field_to = field.model if is_source else field._resolve_related_model()
    return end


def _unique_name(table: str) -> str:
    return f"{table[:52]}_uniq"


def create_junctions(
    model: dict[str, Any], app_label: str, connection: Any, before: Any, after: Any, *names: str
) -> None:
    """Create the junctions of these fields."""
    for name, field in junctions_of(model):
        if name in names:
            made = junction(model, app_label, name, field)
            made.database_forwards(app_label, connection, before, after)


def drop_junctions(model: dict[str, Any], app_label: str, connection: Any, *names: str) -> None:
    """Drop the junctions of these fields."""
    for name, _field in junctions_of(model):
        if name in names:
            connection.execute_script(f'DROP TABLE IF EXISTS "{table_of(model, app_label)}_{name}"')


def rename_junction(model: dict[str, Any], app_label: str, connection: Any, old: str, new: str) -> None:
    table = table_of(model, app_label)
    connection.execute_script(f'ALTER TABLE "{table}_{old}" RENAME TO "{table}_{new}"')


def _drops_junctions() -> bool:
    from dorm.migrations.operations import DeleteModel
    from dorm.migrations.state import ProjectState

    state = ProjectState()
    statements: list[str] = []
    state.add_model("app", "Ticket", {"tags": ManyToManyField("Tag")})
    connection = SimpleNamespace(vendor="postgresql", execute_script=statements.append)
    DeleteModel("Ticket").database_forwards("app", connection, state, ProjectState())
    return len(statements) > 1


@repair(f"{_OPERATIONS}:DeleteModel", "database_forwards", is_fixed=_drops_junctions)
def drop_junctions_too(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Drop the junction tables of a model's many-to-many fields with the model.

    Symptom: DeleteModel fails on PostgreSQL, MySQL and MariaDB, and leaves the tables behind on SQLite. Cause: only the
    model's own table is dropped. djanorm 4.3 to 4.5.
    """
    model = model_of(operation.name, app_label, before)
    drop_junctions(model, app_label, connection, *model["fields"])
    original(operation, app_label, connection, before, after)
