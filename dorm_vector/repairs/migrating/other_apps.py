"""The migrations of other apps: the models that they renamed, and which of them are applied."""

from __future__ import annotations

from typing import Any


def loader_of(connection: Any, label: str) -> Any:
    """Return a loader with an app's migrations and which are applied; None if it has none or is not installed."""
    from dorm.cli import _find_migrations_dir, _resolve_app_label
    from dorm.conf import settings
    from dorm.migrations.loader import MigrationLoader
    from dorm.migrations.recorder import MigrationRecorder

    modules = [module for module in settings.INSTALLED_APPS if _resolve_app_label(module) == label]
    if not modules:
        return None
    loader = MigrationLoader(connection)
    loader.load(_find_migrations_dir(modules[0]), label)
    loader.load_applied(MigrationRecorder(connection))
    return loader if label in loader.migrations else None


def class_of(key: str) -> Any:
    """Return the class with a key of the project state, ``app.model``; None if there is none."""
    from dorm.models import _model_registry

    return next((model for known, model in _model_registry.items() if known.lower() == key), None)


def renamed_key(key: str, connection: Any) -> str:
    """Return the current key of a model that its app's migrations may have renamed."""
    if class_of(key) is not None:
        return key
    label, _, name = key.rpartition(".")
    loader = loader_of(connection, label)
    return f"{label}.{_followed(name, loader, applied_only=False)}" if loader is not None else key


def applied_model(key: str, connection: Any) -> dict[str, Any] | None:
    """Return the state of a model after the applied migrations of its app, which may have renamed it."""
    label, _, name = key.rpartition(".")
    loader = loader_of(connection, label)
    if loader is None:
        return None
    models: dict[str, dict[str, Any]] = loader.get_migration_state(label).models
    return models.get(key) or models.get(f"{label}.{_followed(name, loader, applied_only=True)}")


def _followed(name: str, loader: Any, *, applied_only: bool) -> str:
    applied = {migration for _app, migration in loader.applied}
    for label in loader.migrations:
        for _number, migration, module in sorted(loader.migrations[label], key=lambda found: found[0]):
            for operation in getattr(module, "operations", []) if migration in applied or not applied_only else ():
                if type(operation).__name__ == "RenameModel" and operation.old_name.lower() == name:
                    name = operation.new_name.lower()
    return name
