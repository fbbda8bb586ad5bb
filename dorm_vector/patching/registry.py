"""Patches of djanorm and of drivers: hooks that extend the ORM, and repairs of bugs.

A patch is one decorated function that receives the original as its first argument. A **hook** adds vector support to
djanorm and cannot be switched off. A **repair** fixes a bug. Its docstring is its entry in the docs (symptom, cause,
versions). A repair is not installed if its probe ``is_fixed()`` returns True.

The setting ``DORM_VECTOR_REPAIRS`` affects repairs only: ``False`` turns all off, and a collection of names keeps only
those. It is read at each call.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import local
from typing import Any, TypeVar, cast

import dorm
from dorm.conf import settings

_Function = TypeVar("_Function", bound=Callable[..., Any])

_PACKAGE = __package__.partition(".")[0]

_SETTING = "DORM_VECTOR_REPAIRS"

_switched_off: ContextVar[frozenset[str]] = ContextVar("dorm_vector_repairs_off", default=frozenset())


class Patch:
    """One attribute of djanorm or of a driver, and the function that replaces it.

    ``added`` is whether the original lacks the attribute; if it exists after all, it is left unchanged.
    """

    def __init__(
        self, name: str, target: str, attribute: str, replacement: Callable[..., Any], added: bool = False
    ) -> None:
        self.name, self.target, self.attribute = name, target, attribute
        self.replacement, self.added = replacement, added

    @property
    def documentation(self) -> str:
        return self.replacement.__doc__ or ""

    @property
    def module(self) -> str:
        """Return the name of the module that holds the patched attribute."""
        return self.target.partition(":")[0]

    @property
    def address(self) -> str:
        """Return where the patch is defined, in the notation of the ordered list: ``repairs.mysql:like_escape``."""
        return f"{self.replacement.__module__.partition('.')[2]}:{self.name}"

    @property
    def condition(self) -> object:
        """Return what decides whether the patch is needed: patches with one condition are asked once."""
        return None

    def is_needed(self) -> bool:
        return True

    def install(self) -> None:
        owner = _resolve(self.target)
        original = getattr(owner, self.attribute, None)
        if self.name in installed_on(original) or (self.added and original is not None):
            return
        patched = self._wrapped(original or _absent(owner, self.attribute))
        patched.dorm_vector_patch = self.name  # type: ignore[attr-defined]  # how install() recognizes its own work
        setattr(owner, self.attribute, patched)

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        replacement = self.replacement

        @functools.wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> Any:
            return replacement(original, *args, **kwargs)

        return hooked


class Repair(Patch):
    """A bug fix that is not applied if it is switched off or no longer needed."""

    def __init__(self, *patch: Any, is_fixed: Callable[[], bool] | None, fixed_in: str) -> None:
        super().__init__(*patch)
        self.is_fixed, self.fixed_in = is_fixed, fixed_in

    @property
    def condition(self) -> object:
        return self.is_fixed or self.fixed_in

    def is_needed(self) -> bool:
        """Run the probe; if no check works without a server, compare the installed version of djanorm."""
        if self.is_fixed is not None:
            return not self.is_fixed()
        return not self.fixed_in or _numbers(_djanorm_version()) < _numbers(self.fixed_in)

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        name, replacement = self.name, self.replacement

        @functools.wraps(original)
        def repaired(*args: Any, **kwargs: Any) -> Any:
            # The usual answer of is_on(), without the call: repairs surround every statement.
            is_usual = settings.__dict__.get(_SETTING, True) is True and not _switched_off.get()
            if is_usual or is_on(name):
                return replacement(original, *args, **kwargs)
            return original(*args, **kwargs)

        return repaired


class RepairedAttribute(Repair):
    """A property that replaces an instance attribute, as part of a repair."""

    def __init__(self, *patch: Any, stand_in: property, **probe: Any) -> None:
        super().__init__(*patch, **probe)
        self.stand_in = stand_in

    def install(self) -> None:
        owner, getter = _resolve(self.target), cast(Any, self.stand_in.fget)
        if self.attribute not in vars(owner):
            getter.dorm_vector_patch = self.name  # for code that lists the installed patches
            setattr(owner, self.attribute, self.stand_in)


_patches: dict[str, list[Patch]] = {}
"""The patches of each module; ``PATCHES`` and ``REPAIRS`` first import the modules that define the rest."""

_order: Mapping[str, tuple[str, ...]] = {}
_installed: set[str] = set()
_thread = local()


def hook(target: str, attribute: str, *, name: str = "", added: bool = False) -> Callable[[_Function], _Function]:
    """Register the decorated function as an extension of ``target``'s ``attribute``.

    Args:
        target: ``package.module`` or ``package.module:Class``.
        attribute: The function of the target to replace.
        name: Groups several functions into one hook; defaults to the function's own name.
        added: Whether the target lacks the attribute.
    """

    def register(replacement: _Function) -> _Function:
        _register(Patch(name or replacement.__name__, target, attribute, replacement, added))
        return replacement

    return register


def repair(
    target: str,
    attribute: str,
    *,
    is_fixed: Callable[[], bool] | None = None,
    fixed_in: str = "",
    name: str = "",
    added: bool = False,
) -> Callable[[_Function], _Function]:
    """Register the decorated function as a bug fix of ``target``'s ``attribute``.

    Args:
        target: ``package.module`` or ``package.module:Class``.
        attribute: The function of the target to replace.
        is_fixed: A small check without a server: False with the bug, True with the repair or an upstream fix.
        fixed_in: The first djanorm version that does not need the repair, if no check works without a server.
        name: Groups several functions into one repair; defaults to the function's own name.
        added: Whether the target lacks the attribute.
    """

    def register(replacement: _Function) -> _Function:
        chosen = name or replacement.__name__
        _register(Repair(chosen, target, attribute, replacement, added, is_fixed=is_fixed, fixed_in=fixed_in))
        return replacement

    return register


def repair_attributes(
    target: str, stand_ins: Mapping[str, property], *, is_fixed: Callable[[], bool] | None = None, fixed_in: str = ""
) -> Callable[[_Function], _Function]:
    """Register properties that replace instance attributes of ``target``, as part of the decorated repair."""

    def register(replacement: _Function) -> _Function:
        for attribute, stand_in in stand_ins.items():
            patch = replacement.__name__, target, attribute, replacement, True
            _register(RepairedAttribute(*patch, stand_in=stand_in, is_fixed=is_fixed, fixed_in=fixed_in))
        return replacement

    return register


def _register(patch: Patch) -> None:
    _patches.setdefault(patch.module, []).append(patch)


def arrange(order: Mapping[str, tuple[str, ...]]) -> None:
    """Set the patches of each module, by their addresses, innermost first."""
    global _order  # noqa: PLW0603  # one process has one order
    _order = order


def install(module: str) -> None:
    """Import and install the patches of a module of djanorm or of a driver.

    Raises:
        LookupError: The registered patches differ from the listed ones.
    """
    waiting: list[str] | None = getattr(_thread, "waiting", None)
    if module in _installed or module not in _order:
        return
    _installed.add(module)
    if waiting is not None:
        # A module with patches is being imported, and it imports the module that it patches.
        waiting.append(module)
        return
    _thread.waiting = [module]
    try:
        for found in _thread.waiting:
            _install(found)
    finally:
        del _thread.waiting


def _install(module: str) -> None:
    patches = patches_of(module)
    # Run every probe before the first patch: one part of a repair would make the probes of the others pass.
    needed: dict[object, bool] = {}
    for patch in patches:
        if patch.condition not in needed:
            needed[patch.condition] = patch.is_needed()
    unneeded = {patch.name for patch in patches if not needed[patch.condition]}
    for patch in patches:
        if patch.name not in unneeded:
            patch.install()


def patches_of(module: str) -> list[Patch]:
    """Return the patches of a module, innermost first."""
    places = {address: number for number, address in enumerate(_order[module])}
    for name in dict.fromkeys(address.partition(":")[0] for address in places):
        importlib.import_module(f"{_PACKAGE}.{name}")
    patches = _patches.get(module, [])
    addresses = {patch: patch.address for patch in patches}
    differing = sorted({*addresses.values()} ^ places.keys())
    if differing:
        raise LookupError(
            f"The patches of {module} differ from the list in dorm_vector/_install.py: {', '.join(differing)}."
            " List each one that is registered, and no other."
        )
    return sorted(patches, key=lambda patch: places[addresses[patch]])


def __getattr__(name: str) -> Any:
    """Return ``PATCHES`` or ``REPAIRS``, all in installation order, after importing the modules that define them."""
    if name not in ("PATCHES", "REPAIRS"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = [patch for module in _order for patch in patches_of(module)]
    return found if name == "PATCHES" else [patch for patch in found if isinstance(patch, Repair)]


def installed_on(function: Any) -> Iterator[str]:
    """Yield the names of the patches on a function, outermost first."""
    while function is not None:
        if name := getattr(function, "dorm_vector_patch", ""):
            yield name
        function = getattr(function, "__wrapped__", None)


def is_on(name: str) -> bool:
    if name in _switched_off.get():
        return False
    # djanorm's own lookup raises for unset names, and models can be created before dorm.configure().
    chosen = settings.__dict__.get(_SETTING, True)
    return chosen if chosen is True or chosen is False else name in chosen


@contextmanager
def switched_off(*names: str) -> Iterator[None]:
    """Switch these repairs off inside the block."""
    token = _switched_off.set(_switched_off.get() | frozenset(names))
    try:
        yield
    finally:
        _switched_off.reset(token)


def _absent(owner: Any, attribute: str) -> Callable[..., Any]:
    def absent(*_args: Any, **_kwargs: Any) -> Any:
        raise AttributeError(f"{owner.__name__!r} has no attribute {attribute!r}")

    return absent


@functools.cache
def _djanorm_version() -> str:
    # The folder is named after the version. Importing importlib.metadata takes longer than installing all patches.
    for name in os.listdir(Path(dorm.__file__).parent.parent):  # noqa: PTH208  # pathlib takes five times as long
        if name.startswith("djanorm-") and name.endswith(".dist-info"):
            return name.removeprefix("djanorm-").removesuffix(".dist-info")
    from importlib.metadata import version  # for an editable installation

    # dorm.__version__ is 4.3.0 in 4.4 and 4.5 as well.
    return version("djanorm")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def _resolve(target: str) -> Any:
    module, _, qualified = target.partition(":")
    owner: Any = importlib.import_module(module)
    return functools.reduce(getattr, filter(None, qualified.split(".")), owner)
