"""Models in migrations: tables, columns and keys from the project state instead of the current classes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

from dorm.fields import ForeignKey, IntegerField, ManyToManyField, RelatedField

from ...migration_state import column_of, table_of
from ...patching.registry import repair
from ...patching.stand_ins import Statements
from ..migrating.other_apps import applied_model, class_of

_OPERATIONS = "dorm.migrations.operations"
# Operations that look up the models that relations refer to.
_OF_TABLES = (
    "CreateModel",
    "DeleteModel",
    "AddField",
    "RemoveField",
    "AlterField",
    "RenameField",
    "AddIndex",
    "RemoveIndex",
    "AddConstraint",
    "RemoveConstraint",
)
_Context = tuple[str, str, tuple[Any, ...], Any]
_STANDING: ContextVar[_Context | None] = ContextVar("dorm_vector_standing", default=None)


def target_key(field: Any, app_label: str, model_name: str) -> str:
    """Return the project state's key of the model that a relation refers to: ``app.model``."""
    target = field.remote_field_to
    if not isinstance(target, str):
        return f"{target._meta.app_label}.{target.__name__.lower()}"
    label, _, name = target.rpartition(".")
    return f"{label or app_label}.{(model_name if target == 'self' else name).lower()}"


def is_many_to_many(field: Any) -> bool:
    return isinstance(field, ManyToManyField)


def is_relation(field: Any) -> bool:
    return isinstance(field, (RelatedField, ManyToManyField))


@contextmanager
def standing(app_label: str, model_name: str, *states: Any, connection: Any) -> Iterator[None]:
    """Resolve relations of fields without a class in these states; the first state with the model wins."""
    token = _STANDING.set((app_label, model_name, states, connection))
    try:
        yield
    finally:
        _STANDING.reset(token)


def _knows_itself() -> bool:
    field: Any = ForeignKey("self")
    field.model = _knows_itself
    try:
        return field._resolve_related_model() is _knows_itself
    except KeyError:
        return False


@repair("dorm.fields:RelatedField", "_resolve_related_model", is_fixed=_knows_itself)
@repair("dorm.fields:ManyToManyField", "_resolve_related_model", name="relations_in_migrations", is_fixed=_knows_itself)
def relations_in_migrations(original: Any, field: Any) -> Any:
    """Resolve ``"self"``, and in migrations the model as it was at that point.

    Symptom: ``ForeignKey("self")`` raises ``KeyError: 'self'``; migrations with a model that was later deleted or
    renamed cannot run on a new database. Cause: relations are looked up by name among the current classes.
    djanorm 4.3 to 4.5.
    """
    if field.model is not None:
        return field.model if field.remote_field_to == "self" else original(field)
    return _as_it_was(field) or original(field)


def _as_it_was(field: Any) -> Any:
    context = _STANDING.get()
    if context is None:
        return None
    app_label, model_name, states, connection = context
    key = target_key(field, app_label, model_name)
    label = key.rpartition(".")[0]
    for state in states:
        if key in state.models:
            return _model(state.models[key], label)
    return None if label == app_label else _elsewhere(key, label, connection)


def _elsewhere(key: str, label: str, connection: Any) -> Any:
    known = class_of(key)
    # Another app may have renamed the model since.
    model = applied_model(key, connection) if known is None else None
    return known if model is None else _model(model, label)


def _model(model: dict[str, Any], app_label: str) -> Any:
    """Return a stand-in for a model class with what djanorm reads: its table and its key."""
    keys = [(name, field) for name, field in model["fields"].items() if getattr(field, "primary_key", False)]
    name, field = keys[0] if keys else ("id", None)
    key = copy.copy(field)
    if key is not None:
        key.name, key.column = name, column_of(name, field)
    return SimpleNamespace(
        __name__=model["name"], _meta=SimpleNamespace(db_table=table_of(model, app_label), pk=key, app_label=app_label)
    )


def _in_their_state(original: Any, operation: Any, app_label: str, connection: Any, before: Any, after: Any) -> None:
    """Run each operation of a migration with the models of its own state.

    Symptom: ``KeyError`` if a migration refers to a model that was later deleted or renamed. Cause: relations are
    looked up among the current classes. djanorm 4.3 to 4.5.
    """
    name = getattr(operation, "model_name", None) or operation.name
    with standing(app_label, name, after, before, connection=connection):
        original(operation, app_label, connection, before, after)


class _Asking(IntegerField):
    """A column that records whether the state of its migration is known, for the probe."""

    knows = False

    def db_type(self, connection: Any) -> str:
        self.knows = _STANDING.get() is not None
        return "INTEGER"


def _resolves_in_state() -> bool:
    from dorm.migrations.operations import AddField
    from dorm.migrations.state import ProjectState

    state, field = ProjectState(), _Asking()
    AddField("Ticket", "to", field).database_forwards("app", Statements("postgresql"), state, state)
    return field.knows


def _register(operation: str, attribute: str) -> None:
    register: Callable[[Any], Any] = repair(
        f"{_OPERATIONS}:{operation}", attribute, name="operations_in_their_state", is_fixed=_resolves_in_state
    )
    register(_in_their_state)


for _operation in _OF_TABLES:
    _register(_operation, "database_forwards")
    _register(_operation, "database_backwards")
