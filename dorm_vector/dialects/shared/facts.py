"""The class of what is stated about a database: names with values, some of them by default."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, dataclass_transform

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass_transform(frozen_default=True, eq_default=False)
class Facts:
    """A frozen dataclass for whoever reads it; it compiles no methods, which would be half of the package's import."""

    def __init__(self, *values: Any, **named: Any) -> None:
        names = type(self).__annotations__
        given = dict(zip(names, values, strict=False)) | named
        missing = [name for name in names if name not in given and not hasattr(type(self), name)]
        if missing or len(given) < len(values) + len(named) or not given.keys() <= names.keys():
            raise TypeError(f"{type(self).__name__} states {', '.join(names)}; got {', '.join(given)}.")
        vars(self).update(given)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} is stated once.")
