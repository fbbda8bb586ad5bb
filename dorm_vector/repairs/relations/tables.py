"""RenameModel and a changed ``db_table``: rows, indexes, relations and junction tables follow."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from dorm.fields import CharField
from dorm.models import _model_registry

from ...migration_state import model_of, table_of
from ...patching.on_import import Late
from ...patching.registry import repair
from .junctions import junctions_of
from .reverse import junction_columns
from .state import is_many_to_many, is_relation, target_key

_OPERATIONS = "dorm.migrations.operations"
operations: Any = Late(_OPERATIONS)


def _moves_the_table() -> bool:
    from dorm.migrations.operations import RenameModel
    from dorm.migrations.state import ProjectState

    state = ProjectState()
    state.add_model("app", "Item", {}, {"db_table": "app_item"})
    RenameModel("Item", "Product").state_forwards("app", state)
    return bool(state.models["app.product"]["options"]["db_table"] == "app_product")


@repair(f"{_OPERATIONS}:RenameModel", "state_forwards", is_fixed=_moves_the_table)
def tables_follow_models(original: Any, operation: Any, app_label: str, after: Any) -> None:
    """Rename a model with its table, its relations and its junction tables, or only its table.

    Symptom: after RenameModel, later operations look for the old table; a model with a ``db_table`` cannot be renamed;
    foreign keys to it cannot be resolved, and its many-to-many relations are lost. Cause: only the default table is
    renamed, and the state keeps every reference to the old name. djanorm 4.3 to 4.5.
    """
    old = copy.copy(model_of(operation.old_name, app_label, after))
    original(operation, app_label, after)
    model = after.models.get(f"{app_label}.{operation.new_name.lower()}")
    if model is None:
        return
    options = model["options"] = dict(model["options"])
    if options.get("db_table") == f"{app_label}_{operation.old_name.lower()}":
        options["db_table"] = f"{app_label}_{operation.new_name.lower()}"
    # An index that declares no name keeps its name in the database.
    options["indexes"] = [_named(index, old["name"]) for index in options.get("indexes") or ()]
    for key, other in after.models.items():
        label, fields = key.rpartition(".")[0], other["fields"]
        other["fields"] = {name: _pointed(field, label, app_label, operation) for name, field in fields.items()}


def _named(index: Any, model: str) -> Any:
    found = copy.copy(index)
    found._name = index.get_name(model)
    return found


def _pointed(field: Any, label: str, app_label: str, operation: Any) -> Any:
    """Return the field; if it refers to the renamed model by name, it does so by the new name."""
    if not is_relation(field):
        return field
    old, new = operation.old_name.lower(), operation.new_name
    changed = {}
    for attribute in ("remote_field_to", "through"):
        target = getattr(field, attribute, None)
        if isinstance(target, str) and _is(target, label, f"{app_label}.{old}"):
            changed[attribute] = f"{app_label}.{new}" if "." in target else new
    if not changed:
        return field
    found = copy.copy(field)
    vars(found).update(changed)
    return found


def _is(target: str, label: str, key: str) -> bool:
    owner, _, name = target.rpartition(".")
    return f"{owner or label}.{name.lower()}" == key


@repair(f"{_OPERATIONS}:RenameModel", "database_forwards", name="tables_follow_models", is_fixed=_moves_the_table)
def _rename_model(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    _move(operation.old_name, operation.new_name, app_label, connection, before, after)


@repair(f"{_OPERATIONS}:RenameModel", "database_backwards", name="tables_follow_models", is_fixed=_moves_the_table)
def _rename_model_back(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    _move(operation.new_name, operation.old_name, app_label, connection, before, after)


@repair(f"{_OPERATIONS}:AlterModelTable", "database_forwards", name="tables_follow_models", is_fixed=_moves_the_table)
@repair(f"{_OPERATIONS}:AlterModelTable", "database_backwards", name="tables_follow_models", is_fixed=_moves_the_table)
def _alter_table(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    _move(operation.name, operation.name, app_label, connection, before, after)


def _move(old: str, new: str, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Rename the table of a model, and what is named after either of them."""
    model, renamed = model_of(old, app_label, before), model_of(new, app_label, after)
    tables = table_of(model, app_label), table_of(renamed, app_label)
    if tables[0] != tables[1]:
        connection.execute_script(f'ALTER TABLE "{tables[0]}" RENAME TO "{tables[1]}"')
        for name, _field in junctions_of(model):
            connection.execute_script(f'ALTER TABLE "{tables[0]}_{name}" RENAME TO "{tables[1]}_{name}"')
    if model["name"].lower() != renamed["name"].lower():
        for statement in _columns_renamed(f"{app_label}.{old.lower()}", f"{app_label}.{new.lower()}", before, after):
            connection.execute_script(statement)
        for statement in _columns_of_other_apps(app_label, model["name"], renamed["name"], connection):
            connection.execute_script(statement)


def _columns_of_other_apps(app_label: str, old: str, new: str, connection: Any) -> Iterator[str]:
    """Yield statements that rename the model's column in junction tables of other apps, from their current models."""
    for cls in dict.fromkeys(_model_registry.values()):
        if cls._meta.app_label == app_label or cls._meta.abstract or cls._meta.proxy:
            continue
        for field in cls._meta.fields:
            if not is_many_to_many(field) or field.through:
                continue
            table, name = f"{cls._meta.db_table}_{field.name}", cls.__name__
            column, renamed = junction_columns(name, old)[1], junction_columns(name, new)[1]
            if target_key(field, cls._meta.app_label, name).rpartition(".")[0] != app_label:
                continue
            if connection.table_exists(table) and column in {
                row["name"] for row in connection.get_table_columns(table)
            }:
                yield f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{renamed}"'


def _columns_renamed(old_key: str, new_key: str, before: Any, after: Any) -> Iterator[str]:
    """Yield statements that rename the model's column in junction tables of this app."""
    for key, model in before.models.items():
        label = key.rpartition(".")[0]
        renamed = after.models[new_key if key == old_key else key]
        for name, field in junctions_of(model):
            target = target_key(field, label, model["name"])
            if old_key not in (key, target):
                continue
            ends = model["name"], target.rpartition(".")[2]
            other = renamed["name"], target_key(renamed["fields"][name], label, renamed["name"]).rpartition(".")[2]
            for column, new in zip(junction_columns(*ends), junction_columns(*other), strict=True):
                if column != new:
                    yield f'ALTER TABLE "{table_of(renamed, label)}_{name}" RENAME COLUMN "{column}" TO "{new}"'


def _notices_tables() -> bool:
    from dorm.migrations.autodetector import MigrationAutodetector
    from dorm.migrations.state import ProjectState

    states = ProjectState(), ProjectState()
    for number, state in enumerate(states):
        state.add_model("app", "Item", {"name": CharField(max_length=9)}, {"db_table": f"items{number}"})
    return bool(MigrationAutodetector(*states).changes())


@repair("dorm.migrations.autodetector:MigrationAutodetector", "changes", is_fixed=_notices_tables)
def changed_tables(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Detect a changed ``db_table``.

    Symptom: "No changes detected", and every query fails, because the new table does not exist. Cause: the option is
    not compared. djanorm 4.3 to 4.5.
    """
    changes: dict[str, list[Any]] = original(detector, app_label)
    before, after = detector.from_state.models, detector.to_state.models
    for key in before.keys() & after.keys():
        label = key.rpartition(".")[0]
        tables = [table_of(models[key], label) for models in (before, after)]
        if app_label in (None, label) and tables[0] != tables[1]:
            changes.setdefault(label, []).append(operations.AlterModelTable(after[key]["name"], tables[1]))
    return changes
