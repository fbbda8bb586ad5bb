"""Order the operations that makemigrations writes: each after its dependencies, and the same in every run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from dorm.db.connection import get_connection

from ...patching.on_import import Late
from ...patching.registry import repair
from ...schema.renaming import _names
from ..migrating.other_apps import renamed_key
from .apps import deferred_to_other_apps, mark_late
from .constraints import constraint_fields
from .state import is_many_to_many, is_relation, target_key

operations: Any = Late("dorm.migrations.operations")
writer: Any = Late("dorm.migrations.writer")
_ORDER = (
    "RemoveIndex",
    "RemoveConstraint",
    "RenameModel",
    "RenameField",
    "AlterModelTable",
    "CreateModel",
    "RemoveField",
    "AddField",
    "AlterField",
    "DeleteModel",
    "AddIndex",
    "AddConstraint",
)


def _keeps_order() -> bool:
    from dorm.fields import ForeignKey
    from dorm.migrations.autodetector import MigrationAutodetector
    from dorm.migrations.state import ProjectState

    names, state = [f"M{number}" for number in range(9)], ProjectState()
    for name, target in zip(names, [*names[1:], "self"], strict=True):
        state.add_model("app", name, {"to": ForeignKey(target)})
    found = MigrationAutodetector(ProjectState(), state).changes("app")["app"]
    return [operation.name for operation in found] == names[::-1]


@repair("dorm.migrations.autodetector:MigrationAutodetector", "changes", is_fixed=_keeps_order)
def operations_in_order(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Write each operation after its dependencies.

    Symptom: ``relation does not exist`` on PostgreSQL, MySQL and MariaDB, in some runs but not in others. Cause: models
    and fields are written in the order of a Python set. djanorm 4.3 to 4.5.
    """
    changes: dict[str, list[Any]] = original(detector, app_label)
    labels = {key.rpartition(".")[0] for key in detector.from_state.models.keys() & detector.to_state.models.keys()}
    for label in labels if app_label is None else labels & {app_label}:
        changes.setdefault(label, [])
    ordered = {label: _Changes(detector, label, found).ordered() for label, found in sorted(changes.items())}
    return {label: found for label, found in ordered.items() if found}


class _Changes:
    """The changes in one app."""

    def __init__(self, detector: Any, label: str, found: list[Any]) -> None:
        self.label, self.before, self.after = label, detector.from_state.models, detector.to_state.models
        self.found = [operation for operation in found if not self._is_nothing(operation)]
        names = [key.partition(f"{label}.")[2] for key in [*self.after, *self.before]]
        self.places = {name: place for place, name in reversed(list(enumerate(names)))}

    def ordered(self) -> list[Any]:
        found = [*self._other_kinds(), *self._changed_constraints()]
        created = [operation for operation in found if isinstance(operation, operations.CreateModel)]
        dropped = [operation for operation in found if isinstance(operation, operations.DeleteModel)]
        others = [operation for operation in found if operation not in created and operation not in dropped]
        others += self._references_of_dropped(dropped)
        made = _Creation(self.label, sorted(created, key=self._place)).operations()
        found = sorted([*others, *made, *self._dropped(dropped)], key=self._rank)
        return mark_late(self._tables_free(found), self.label)

    def _rank(self, operation: Any) -> Any:
        kind = type(operation).__name__
        rank = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
        # Models are already in order, and Python's sort is stable.
        return (rank, ()) if kind in ("CreateModel", "DeleteModel") else (rank, self._place(operation))

    def _place(self, operation: Any) -> tuple[Any, ...]:
        model = str(getattr(operation, "model_name", None) or getattr(operation, "name", "")).lower()
        field = getattr(operation, "name", "") or getattr(operation, "old_name", "")
        fields = [*self._fields(self.after, model), *self._fields(self.before, model)]
        part = getattr(operation, "index", None) or getattr(operation, "constraint", None)
        name = "" if part is None else part.get_name(model) if hasattr(part, "get_name") else part.name
        return self.places.get(model, len(self.places)), fields.index(field) if field in fields else -1, name

    def _fields(self, models: Any, name: str) -> dict[str, Any]:
        fields: dict[str, Any] = models.get(f"{self.label}.{name}", {}).get("fields", {})
        return fields

    def _before(self, operation: Any) -> Any:
        return self._fields(self.before, operation.model_name.lower()).get(operation.name)

    def _is_nothing(self, operation: Any) -> bool:
        """Return whether an AlterField changes neither the column nor the values that the field accepts."""
        if not isinstance(operation, operations.AlterField):
            return False
        old = self._before(operation)
        return old is not None and self._essence(old, operation) == self._essence(operation.field, operation)

    def _essence(self, field: Any, operation: Any) -> tuple[str, str]:
        bare = copy.copy(field)
        if is_relation(field):
            bare.remote_field_to = self._target(field, operation)
            bare.related_name = None
        bare.db_index = False
        return type(field).__module__.partition(".")[0], writer._serialize_field(bare)

    def _target(self, field: Any, operation: Any) -> str:
        key = target_key(field, self.label, operation.model_name)
        # A model that another app has renamed is the same one.
        return key if key.rpartition(".")[0] == self.label else renamed_key(key, get_connection())

    def _other_kinds(self) -> Iterator[Any]:
        """Yield the operations; a column that becomes a junction table, or the reverse, is removed and added."""
        for operation in self.found:
            old = self._before(operation) if _alters(operation) else None
            if old is None or not (is_many_to_many(old) or is_many_to_many(operation.field)):
                yield operation
                continue
            yield operations.RemoveField(operation.model_name, operation.name)
            yield operations.AddField(operation.model_name, operation.name, operation.field)

    def _changed_constraints(self) -> Iterator[Any]:
        """Yield the operations that replace changed constraints with an unchanged name."""
        for key in self.before.keys() & self.after.keys():
            if key.rpartition(".")[0] != self.label:
                continue
            old = {constraint.name: constraint for constraint in self.before[key]["options"].get("constraints") or ()}
            for constraint in self.after[key]["options"].get("constraints") or ():
                known = old.get(constraint.name)
                if known is not None and constraint_source(known) != constraint_source(constraint):
                    yield operations.RemoveConstraint(self.after[key]["name"], known)
                    yield operations.AddConstraint(self.after[key]["name"], constraint)

    def _dropped(self, dropped: list[Any]) -> list[Any]:
        """Return the models in reverse: a model is dropped before the models that it refers to."""
        created = self._creation_of(dropped)
        names = [operation.name for operation in created if isinstance(operation, operations.CreateModel)]
        by_name = {operation.name: operation for operation in dropped}
        return [by_name[name] for name in reversed(names)]

    def _references_of_dropped(self, dropped: list[Any]) -> Iterator[Any]:
        """Yield the operations that separate models that refer to each other, before either is dropped."""
        for operation in self._creation_of(dropped):
            if isinstance(operation, operations.AddField):
                yield operations.RemoveField(operation.model_name, operation.name)
            elif isinstance(operation, operations.AddIndex):
                yield operations.RemoveIndex(operation.model_name, operation.index)
            elif isinstance(operation, operations.AddConstraint):
                yield operations.RemoveConstraint(operation.model_name, operation.constraint)

    def _creation_of(self, dropped: list[Any]) -> list[Any]:
        """Return the operations that would create these models; dropping them is the reverse."""
        models = [self.before[f"{self.label}.{one.name.lower()}"] for one in sorted(dropped, key=self._place)]
        made = [
            operations.CreateModel(model["name"], list(model["fields"].items()), model["options"]) for model in models
        ]
        return _Creation(self.label, made).operations()

    def _tables_free(self, found: list[Any]) -> list[Any]:
        """Return the operations; a model whose table another model takes over is dropped before that one is created."""
        taken = {_table(self.label, operation.name, operation.options) for operation in found if _creates(operation)}
        early = [operation for operation in found if _drops(operation) and self._table_of(operation.name) in taken]
        rest = [operation for operation in found if operation not in early]
        start = next((place for place, operation in enumerate(rest) if _creates(operation)), 0)
        return [*rest[:start], *early, *rest[start:]]

    def _table_of(self, name: str) -> str:
        return _table(self.label, name, self.before[f"{self.label}.{name.lower()}"].get("options") or {})


def _table(label: str, name: str, options: dict[str, Any]) -> str:
    return str(options.get("db_table") or f"{label}_{name.lower()}")


def _alters(operation: Any) -> bool:
    return isinstance(operation, operations.AlterField)


def _creates(operation: Any) -> bool:
    return isinstance(operation, operations.CreateModel)


def _drops(operation: Any) -> bool:
    return isinstance(operation, operations.DeleteModel)


class _Creation:
    """New models, each after its dependencies; a model in a circle gets its relation afterwards."""

    def __init__(self, label: str, created: list[Any]) -> None:
        self.label = label
        self.waiting = {f"{label}.{operation.name.lower()}": operation for operation in created}
        self.elsewhere = deferred_to_other_apps(label, created)
        self.made: list[Any] = []
        self.later: list[Any] = []

    def operations(self) -> list[Any]:
        while self.waiting:
            key = self._next()
            self._make(self.waiting.pop(key))
        return [*self.made, *self.later]

    def _next(self) -> str:
        for key in self.waiting:
            if not self._missing(key):
                return key
        circles = [key for key in self.waiting if key in self._reached(key)]
        return min(circles, key=self._cost)

    def _cost(self, key: str) -> int:
        """Return the cost of creating the model without its missing relations: nothing if they may be NULL."""
        fields = dict(self.waiting[key].fields)
        return sum(100 * fields[name].primary_key + (not fields[name].null) for name in self._missing(key))

    def _missing(self, key: str) -> list[str]:
        return [name for name, target in self._relations(key) if target in self.waiting and target != key]

    def _relations(self, key: str) -> Iterator[tuple[str, str]]:
        operation = self.waiting[key]
        for name, field in operation.fields:
            if is_relation(field) and not getattr(field, "through", None):
                yield name, target_key(field, self.label, operation.name)

    def _reached(self, key: str) -> set[str]:
        reached: set[str] = set()
        pending = [key]
        while pending:
            targets = {target for _name, target in self._relations(pending.pop()) if target in self.waiting}
            pending += targets - reached
            reached |= targets
        return reached

    def _make(self, operation: Any) -> None:
        # The popped operation no longer counts as waiting, because it may refer to itself.
        names = [
            name
            for name, field in operation.fields
            if is_relation(field)
            and not getattr(field, "through", None)
            and target_key(field, self.label, operation.name) in self.waiting
        ]
        names += [name for model, name in self.elsewhere if model == operation.name and name not in names]
        fields, options = dict(operation.fields), dict(operation.options or {})
        self.later += [operations.AddField(operation.name, name, fields[name]) for name in names]
        self._put_off(operation.name, options, set(names))
        kept = [(name, field) for name, field in operation.fields if name not in names]
        self.made.append(operations.CreateModel(operation.name, kept, options))

    def _put_off(self, model: str, options: dict[str, Any], names: set[str]) -> None:
        """Move the indexes and constraints of deferred fields from the options to later operations."""
        parts: tuple[tuple[str, Callable[[Any], set[str]], Any], ...] = (
            ("indexes", _index_fields, operations.AddIndex),
            ("constraints", constraint_fields, operations.AddConstraint),
        )
        for option, fields_of, add in parts:
            declared = options.get(option) or []
            later = [part for part in declared if names & fields_of(part)]
            if later:
                options[option] = [part for part in declared if part not in later]
                self.later += [add(model, part) for part in later]


def _index_fields(index: Any) -> set[str]:
    names = _names(index)
    return {*names, *(name.removesuffix("_id") for name in names)}


def constraint_source(constraint: Any) -> str:
    from ...schema.writer import _value

    return _value(constraint)
