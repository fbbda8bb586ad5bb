"""Renamed models and vector fields: makemigrations writes RenameModel and RenameField for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, product
from typing import Any

from ...introspection import innermost
from ...patching.on_import import Late
from ...patching.registry import hook
from .answers import Answers, Renamed, answers
from .dropped_vectors import stores_vectors

operations: Any = Late("dorm.migrations.operations")

RECORDS = ("hash", "model")


@hook("dorm.migrations.autodetector:MigrationAutodetector", "changes")
def recognized_renames(original: Any, detector: Any, app_label: str | None = None) -> dict[str, list[Any]]:
    """Write a rename as such, so that rows, vectors and indexes are kept."""
    found = answers()
    if found is None:
        return dict(original(detector, app_label))
    state = detector.from_state.clone()
    renames = [*_models(state, detector, found, app_label), *_fields(state, detector, found, app_label)]
    # All other changes are detected under the new names.
    detector.from_state = state
    changes: dict[str, list[Any]] = original(detector, app_label)
    for label, operation in reversed(renames):
        changes[label] = [operation, *changes.get(label, [])]
    return changes


def _models(state: Any, detector: Any, found: Answers, app_label: str | None) -> Iterator[tuple[str, Any]]:
    before, after = detector.from_state.models, detector.to_state.models
    gone, new = (
        [key for key in models if key not in others and app_label in (None, key.rpartition(".")[0])]
        for models, others in ((before, after), (after, before))
    )
    pairs = [
        (Renamed(old.rpartition(".")[0], before[old]["name"], after[key]["name"]), before[old], after[key])
        for old, key in product(gone, new)
        if old.rpartition(".")[0] == key.rpartition(".")[0]
    ]
    likely = ((each, _has_same_vectors(old, model)) for each, old, model in pairs)
    for renamed in _chosen(likely, found):
        operation = operations.RenameModel(renamed.old, renamed.new)
        operation.state_forwards(renamed.label, state)
        yield renamed.label, operation


def _fields(state: Any, detector: Any, found: Answers, app_label: str | None) -> Iterator[tuple[str, Any]]:
    possible = []
    for key in [key for key in state.models if key in detector.to_state.models]:
        label, model = key.rpartition(".")[0], detector.to_state.models[key]
        if app_label in (None, label):
            possible.append(_renamed_fields(label, model["name"], state.models[key]["fields"], model["fields"]))
    pairs = list(chain(*possible))
    for renamed in _with_records(_chosen(pairs, found), [each for each, _is_likely in pairs]):
        operation = operations.RenameField(renamed.model, renamed.old, renamed.new)
        operation.state_forwards(renamed.label, state)
        yield renamed.label, operation


def _renamed_fields(
    label: str, model: str, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[tuple[Renamed, bool]]:
    """Yield each pair of a removed and an added field, and whether both store the same kind of vectors."""
    gone, new = [name for name in before if name not in after], [name for name in after if name not in before]
    for old, name in product(gone, new):
        is_likely = stores_vectors(before[old]) and _shape(before[old]) == _shape(after[name])
        yield Renamed(label, old, name, model), is_likely


def _chosen(possible: Iterable[tuple[Renamed, bool]], found: Answers) -> list[Renamed]:
    """Return the renames that the command line names, then the likely ones that somebody confirms."""
    pairs = list(possible)
    chosen = [each for each, _is_likely in pairs if found.given(each)]
    for each in chosen:
        _note(each, [other for other in chosen if found.given(other) == found.given(each)], found)
    for each, is_likely in pairs:
        taken = any(_overlaps(each, other) for other in chosen)
        if is_likely and not taken and found.is_renamed(each):
            chosen.append(each)
    return chosen


def _with_records(chosen: list[Renamed], possible: list[Renamed]) -> Iterator[Renamed]:
    """Yield the renames, and those of the columns that record what an embedding was computed from.

    Without its records, every row would be embedded again.
    """
    for renamed in chosen:
        yield renamed
        records = [replace(renamed, old=f"{renamed.old}_{part}", new=f"{renamed.new}_{part}") for part in RECORDS]
        yield from (each for each in records if each in possible and each not in chosen)


def _note(renamed: Renamed, same: list[Renamed], found: Answers) -> None:
    given = str(found.given(renamed))
    if len(same) > 1:
        options = " or ".join(f"--rename {each.paths[1]}={each.new}" for each in same)
        raise SystemExit(f"--rename {given} could mean several. Nothing was written. Name one: {options}.")
    found.used.add(given)


def _overlaps(one: Renamed, other: Renamed) -> bool:
    is_same_model = (one.label, one.model) == (other.label, other.model)
    return is_same_model and (one.old == other.old or one.new == other.new)


def _has_same_vectors(old: dict[str, Any], new: dict[str, Any]) -> bool:
    before, after = (
        {name: _shape(field) for name, field in model["fields"].items() if stores_vectors(field)}
        for model in (old, new)
    )
    return bool(before) and before == after


def _shape(field: Any) -> tuple[Any, ...]:
    """Return what two fields have in common that hold the same vectors; a subclass may only fill them otherwise."""
    inner = innermost(field)
    array = None if inner is field else type(field).__name__
    return array, getattr(inner, "element", None), getattr(inner, "dimensions", None)
