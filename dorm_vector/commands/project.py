"""The project that a command works on: its settings, databases and models."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from dorm.conf import settings

from ..introspection import reads_vectors
from .exit_codes import UsageError


def load_project(settings_module: str | None) -> None:
    """Load the settings and the models, as ``dorm`` does; a configured process keeps its settings."""
    if settings._configured and settings_module is None:
        return
    # djanorm's command line is imported late, because a configured process does not need it.
    from dorm.cli import _load_apps, _load_settings

    sys.path.insert(0, os.getcwd())  # noqa: PTH109  # as dorm does
    name = settings_module or os.environ.get("DORM_SETTINGS", "settings")
    try:
        _load_settings(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"There is no settings module {name!r}: {error}. Run the command in the folder of settings.py, or give"
            " --settings or DORM_SETTINGS."
        ) from error
    _load_apps(settings.INSTALLED_APPS)


def add_database_argument(parser: Any, *, several: bool = False) -> None:
    """Add ``--database``: one alias, or any number of them."""
    if several:
        parser.add_argument(
            "--database",
            action="append",
            metavar="ALIAS",
            help="an alias in DATABASES; repeat it for several; by default all of them",
        )
    else:
        parser.add_argument("--database", default="default", metavar="ALIAS", help="an alias in DATABASES")


def checked_alias(alias: str) -> str:
    """Return the alias; raise UsageError if DATABASES does not have it."""
    if alias not in settings.DATABASES:
        known = ", ".join(sorted(settings.DATABASES)) or "none"
        raise UsageError(f"DATABASES has no {alias!r}. It has {known}.")
    return alias


def aliases(given: list[str] | None) -> list[str]:
    """Return the given aliases, or all of them."""
    return [checked_alias(alias) for alias in (given or sorted(settings.DATABASES))]


def models_with_vectors() -> list[Any]:
    """Return the models whose tables have vector columns, by label; a proxy has the table of its parent."""
    found = {model._meta.db_table: model for model in _models() if any(map(reads_vectors, model._meta.concrete_fields))}
    return sorted(found.values(), key=label_of)


def models_of_tables() -> list[Any]:
    """Return the models whose tables the project manages, by label."""
    return sorted((model for model in _models() if model._meta.managed), key=label_of)


def label_of(model: Any) -> str:
    return f"{model._meta.app_label}.{model.__name__}"


def model_named(name: str) -> Any:
    """Return the model of a label such as ``shop.Product``, of a class name, or of a dotted path.

    Raises:
        UsageError: No model, or more than one, has the name.
    """
    found = {model for model in _models() if name.lower() in (label_of(model).lower(), model.__name__.lower())}
    if len(found) == 1:
        return found.pop()
    if found:
        raise UsageError(f"{name!r} is {' or '.join(sorted(map(label_of, found)))}. Give the whole label.")
    if "." in name and (model := _imported(name)) is not None:
        return model
    known = ", ".join(map(label_of, models_with_vectors())) or "none; are its apps in INSTALLED_APPS?"
    raise UsageError(f"There is no model {name!r}. The models with vectors are: {known}.")


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name, None)
    except ModuleNotFoundError:
        return None


def _models() -> list[Any]:
    from dorm.models import _model_registry

    return [model for model in set(_model_registry.values()) if not model._meta.abstract and not model._meta.proxy]
