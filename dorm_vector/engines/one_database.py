"""Limit a repair of one database's SQL to that database, where djanorm has one function for all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

_TELLING = ("connection", "vendor")


def only_on(vendor: str) -> Callable[[_Function], _Function]:
    """Run the decorated repair for one vendor only, read from its ``connection`` or ``vendor`` parameter."""

    def decorate(replacement: _Function) -> _Function:
        names = list(signature(replacement).parameters)
        name = next(name for name in names if name in _TELLING)
        position = names.index(name) - 1  # the first parameter is the original

        @functools.wraps(replacement)
        def dispatched(original: Any, *args: Any, **kwargs: Any) -> Any:
            told = kwargs[name] if name in kwargs else args[position] if position < len(args) else None
            if getattr(told, "vendor", told) != vendor:
                return original(*args, **kwargs)
            return replacement(original, *args, **kwargs)

        only: Any = dispatched
        return only  # type: ignore[no-any-return]  # with the parameters of the wrapped function

    return decorate
