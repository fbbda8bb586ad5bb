"""Repairs of djanorm: what each mends, whether it is on, and how it is put in place.

A repair is one decorated function whose docstring is its entry in the docs: symptom, cause, versions.
It receives the original as its first argument. It is not installed where ``mended()`` says upstream has the
behaviour, and steps aside at call time where the setting ``DORM_VECTOR_REPAIRS`` turns it off:
``False`` turns all off, a collection of names keeps only those.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from dorm.conf import settings

_Function = TypeVar("_Function", bound=Callable[..., Any])
_switched_off: ContextVar[frozenset[str]] = ContextVar("dorm_vector_repairs_off", default=frozenset())


@dataclass(eq=False, repr=False)
class Repair:
    """One attribute of djanorm or of a driver, and what stands in its place."""

    name: str
    target: str
    attribute: str
    replacement: Callable[..., Any]
    mended: Callable[[], bool]
    added: bool = False
    """Whether djanorm lacks the attribute; where it has one, it is mended."""

    @property
    def documentation(self) -> str:
        return self.replacement.__doc__ or ""

    def install(self) -> None:
        owner = _resolve(self.target)
        original = getattr(owner, self.attribute, None)
        if self.name in _installed_on(original) or self.mended() or (self.added and original is not None):
            return
        setattr(owner, self.attribute, self._wrapped(original or _absent(owner, self.attribute)))

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        name, replacement = self.name, self.replacement

        @functools.wraps(original)
        def repaired(*args: Any, **kwargs: Any) -> Any:
            if not is_on(name):
                return original(*args, **kwargs)
            return replacement(original, *args, **kwargs)

        repaired.dorm_vector_repair = name  # type: ignore[attr-defined]  # how install() knows its own work
        return repaired


def _absent(owner: Any, attribute: str) -> Callable[..., Any]:
    def absent(*args: Any, **kwargs: Any) -> Any:
        raise AttributeError(f"{owner.__name__!r} has no attribute {attribute!r}")

    return absent


def _installed_on(function: Any) -> Iterator[str]:
    """Yield the names of the repairs that stand on the attribute already; several can."""
    while function is not None:
        yield getattr(function, "dorm_vector_repair", "")
        function = getattr(function, "__wrapped__", None)


REPAIRS: list[Repair] = []


def repair(
    target: str, attribute: str, *, name: str = "", mended: Callable[[], bool] = lambda: False, added: bool = False
) -> Callable[[_Function], _Function]:
    """Register the decorated function as a repair of ``target``'s ``attribute``.

    ``target`` is ``package.module`` or ``package.module:Class``. ``name`` joins several functions into one repair.
    ``added`` is for what djanorm does not have at all.
    """

    def register(replacement: _Function) -> _Function:
        REPAIRS.append(Repair(name or replacement.__name__, target, attribute, replacement, mended, added))
        return replacement

    return register


def install(module: str) -> None:
    """Put in place the repairs whose target lies in that djanorm module or package."""
    for entry in REPAIRS:
        if entry.target.partition(":")[0] == module:
            entry.install()


def modules() -> set[str]:
    """Return the djanorm modules that have repairs."""
    return {entry.target.partition(":")[0] for entry in REPAIRS}


def is_on(name: str) -> bool:
    if name in _switched_off.get():
        return False
    # djanorm's own look-up raises for what nobody set; and a model is made before dorm.configure().
    chosen = vars(settings).get("DORM_VECTOR_REPAIRS", True)
    return bool(chosen) if isinstance(chosen, bool) else name in chosen


@contextmanager
def switched_off(*names: str) -> Iterator[None]:
    """Leave djanorm as it is for these repairs inside the block."""
    token = _switched_off.set(_switched_off.get() | frozenset(names))
    try:
        yield
    finally:
        _switched_off.reset(token)


def _resolve(target: str) -> Any:
    module, _, qualified = target.partition(":")
    owner: Any = importlib.import_module(module)
    return functools.reduce(getattr, filter(None, qualified.split(".")), owner)
