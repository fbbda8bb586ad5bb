"""Relations between apps: migrations that depend on another app's, and relations written to a second file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..migrating.other_apps import loader_of
from .state import is_relation, target_key

LATE = "dorm_vector_late"


def deferred_to_other_apps(label: str, created: list[Any]) -> list[tuple[str, str]]:
    """Return the relations, as (model, field), to apps that refer back to this one.

    If two apps refer to each other, the one whose label sorts first gets its relations in a second file.
    """
    graph = _references()
    return [
        (operation.name, name)
        for operation in created
        for name, field in operation.fields
        if _is_deferred(field, label, operation.name, graph)
    ]


def _is_deferred(field: Any, label: str, model: str, graph: dict[str, set[str]]) -> bool:
    if not is_relation(field) or getattr(field, "through", None) or field.primary_key:
        return False
    other = app_of(field, label, model)
    return label < other and label in _reached(other, graph)


def app_of(field: Any, label: str, model: str) -> str:
    """Return the app of the model that a relation refers to; an unqualified name may refer to another app's model."""
    from dorm.models import _model_registry

    target = field.remote_field_to
    if isinstance(target, str) and "." not in target and target != "self":
        found = _model_registry.get(f"{label}.{target}") or _model_registry.get(target)
        return str(found._meta.app_label) if found is not None else label
    return target_key(field, label, model).rpartition(".")[0]


def _references() -> dict[str, set[str]]:
    """Return the apps that each app refers to."""
    from dorm.models import _model_registry

    graph: dict[str, set[str]] = {}
    for cls in dict.fromkeys(_model_registry.values()):
        label = cls._meta.app_label
        relations = [field for field in cls._meta.fields if is_relation(field)]
        graph.setdefault(label, set()).update(app_of(field, label, cls.__name__) for field in relations)
    return graph


def _reached(label: str, graph: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    pending = [label]
    while pending:
        targets = graph.get(pending.pop(), set()) - reached
        pending += targets
        reached |= targets
    return reached


def mark_late(found: list[Any], label: str) -> list[Any]:
    """Mark operations for a second file: relations to apps that depend on the first file, and all that need them."""
    graph = _references()
    late: set[tuple[str, str]] = set()
    for operation in found:
        field = getattr(operation, "field", None)
        if type(operation).__name__ == "AddField" and _is_deferred(field, label, operation.model_name, graph):
            late.add((operation.model_name, operation.name))
            setattr(operation, LATE, True)
    if late:
        for operation in found:
            if type(operation).__name__ in ("AddIndex", "AddConstraint"):
                setattr(operation, LATE, True)
    return found


def needed_of_other_apps(connection: Any, app_label: str, module: Any) -> Iterator[tuple[str, int, Any]]:
    """Yield the unapplied migrations of other apps that a migration depends on: app, number, loader."""
    wanted = [(label, name) for label, name in getattr(module, "dependencies", None) or () if label != app_label]
    models = [
        (app_of(field, app_label, model), field)
        for operation in getattr(module, "operations", [])
        for model, field in _relations(operation)
    ]
    foreign = [(label, _model_name(field)) for label, field in models if label != app_label]
    for label in dict.fromkeys(label for label, _name in [*wanted, *foreign]):
        loader = loader_of(connection, label)
        if loader is None:
            continue
        names = {name for other, name in wanted if other == label}
        created = {name.lower() for other, name in foreign if other == label}
        numbers = [
            number
            for number, name, other in loader.unapplied_migrations(label)
            if name in names or created & {made.lower() for made in _created(other)}
        ]
        if numbers:
            yield label, max(numbers), loader


def apply_to(executor: Any, needed: tuple[str, int, Any]) -> None:
    """Apply the migrations of another app up to the given number."""
    label, number, loader = needed
    other = type(executor)(executor.connection, verbosity=executor.verbosity)
    other.loader = loader
    found = sorted(loader.migrations[label], key=lambda migration: migration[0])
    other._apply_forward(label, found, other._applied_names(label), number)


def _relations(operation: Any) -> Iterator[tuple[str, Any]]:
    """Yield the relations that an operation adds to the database, each with its model."""
    model = str(getattr(operation, "model_name", None) or getattr(operation, "name", ""))
    fields = [field for _name, field in getattr(operation, "fields", None) or ()]
    fields += [operation.field] if getattr(operation, "field", None) is not None else []
    for field in fields:
        if is_relation(field) and not getattr(field, "through", None):
            yield model, field


def _model_name(field: Any) -> str:
    target = field.remote_field_to
    return str(target).rpartition(".")[2] if isinstance(target, str) else str(target.__name__)


def _created(module: Any) -> Iterator[str]:
    for operation in getattr(module, "operations", []):
        if type(operation).__name__ == "CreateModel":
            yield operation.name
        elif type(operation).__name__ == "RenameModel":
            yield operation.new_name
