"""Indexes and constraints from ``db_index``, ``index_together`` and ``unique_together``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from dorm.constraints import UniqueConstraint
from dorm.fields import ManyToManyField
from dorm.indexes import Index

_LONGEST_NAME = 60


def with_declared(model: dict[str, Any], index_together: Any) -> dict[str, Any]:
    """Return the options of a model state, with each shorthand expanded to an index or a constraint."""
    options = dict(model["options"])
    together = list(_groups(options.pop("unique_together", None)))
    options["indexes"] = [*options.get("indexes", ()), *_indexes(model, index_together)]
    options["constraints"] = [*options.get("constraints", ()), *_constraints(model, together)]
    return options


def _indexes(model: dict[str, Any], together: Any) -> Iterator[Index]:
    table = str(model["options"]["db_table"])
    for name, field in model["fields"].items():
        is_indexed = getattr(field, "unique", False) or isinstance(field, ManyToManyField)
        if getattr(field, "db_index", False) and not is_indexed:
            yield Index(fields=[name], name=name_for(table, [name], "idx"))
    for names in _groups(together):
        yield Index(fields=names, name=name_for(table, names, "idx"))


def _constraints(model: dict[str, Any], groups: Iterable[list[str]]) -> Iterator[UniqueConstraint]:
    table = str(model["options"]["db_table"])
    for names in groups:
        yield UniqueConstraint(fields=names, name=name_for(table, names, "uniq"))


def _groups(together: Any) -> Iterator[list[str]]:
    """Yield each group of field names; a single group may be passed without an outer list."""
    groups = list(together or ())
    if groups and isinstance(groups[0], str):
        groups = [groups]
    yield from (list(group) for group in groups)


def name_for(table: str, names: Iterable[str], kind: str) -> str:
    """Return a name that is unique across tables, because PostgreSQL and SQLite index names share one namespace."""
    name = f"{table}_{'_'.join(names)}_{kind}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - len(kind) - 10]}_{digest}_{kind}"
