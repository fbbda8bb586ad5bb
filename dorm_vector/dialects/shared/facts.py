"""The base class for facts about a database: named values, some with defaults."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, dataclass_transform

NOTHING: Mapping[Any, Any] = MappingProxyType({})


# Instances compare by identity, because comparing facts one by one would only slow down the import.
@dataclass_transform(frozen_default=True, eq_default=False)
class Facts:
    """Behaves like a frozen dataclass, but compiles no methods; that would take half of the package's import time."""

    def __init__(self, *values: Any, **named: Any) -> None:
        names = type(self).__annotations__
        given = dict(zip(names, values, strict=False)) | named
        missing = [name for name in names if name not in given and not hasattr(type(self), name)]
        if missing or len(given) < len(values) + len(named) or not given.keys() <= names.keys():
            raise TypeError(f"{type(self).__name__} states {', '.join(names)}; got {', '.join(given)}.")
        vars(self).update(given)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} is stated once.")
