"""RenameField: indexes that use the renamed field continue under its new name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from dorm.expressions import F, Q
from dorm.indexes import Index

from ..dialects.base import Dialect
from ..engines import dialect_for
from ..expressions.distances import Expression
from ..indexes.text import TextIndex
from ..indexes.vector import VectorIndex
from ..migration_state import indexes_of, model_of
from ..models.generated_fields import GeneratedVectorField
from ..patching.registry import hook

_OPERATION = "dorm.migrations.operations:RenameField"


@hook(_OPERATION, "state_forwards")
def rename_vector_indexes(original: Any, operation: Any, app_label: str, after: Any) -> None:
    """Update the field names in vector and text indexes and in generated vectors after a field is renamed."""
    original(operation, app_label, after)
    _rename(operation, app_label, after, _is_ours)
    fields = model_of(operation.model_name, app_label, after)["fields"]
    for name, field in fields.items():
        if isinstance(field, GeneratedVectorField):
            fields[name] = renamed = copy.copy(field)
            renamed.expression = _expression(field.expression, operation)


def _expression(part: Any, operation: Any) -> Any:
    """Return the expression, or an argument of one, with the new field name; SQL text is left as it is."""
    if isinstance(part, F):
        return F(_name(part.name, operation))
    if not isinstance(part, Expression) or not hasattr(part, "deconstruct"):
        return part
    _path, arguments, options = part.deconstruct()
    renamed = [_argument(value, operation) for value in arguments]
    return type(part)(*renamed, **{key: _argument(value, operation) for key, value in options.items()})


def _argument(value: Any, operation: Any) -> Any:
    return _name(value, operation) if isinstance(value, str) else _expression(value, operation)


def _is_ours(index: Any) -> bool:
    return isinstance(index, (VectorIndex, TextIndex))


def _rename(operation: Any, app_label: str, after: Any, is_meant: Callable[[Any], bool]) -> None:
    options = model_of(operation.model_name, app_label, after)["options"]
    if "indexes" in options:
        options["indexes"] = [_renamed(index, operation) if is_meant(index) else index for index in options["indexes"]]


@hook(_OPERATION, "database_forwards")
@hook(_OPERATION, "database_backwards", name="rename_what_a_companion_filters_by")
def rename_what_a_companion_filters_by(
    original: Any, operation: Any, app_label: str, connection: Any, from_state: Any, to_state: Any
) -> None:
    """Rebuild a Vec0Index whose ``partition_by`` or ``metadata`` names a renamed field, and sign bits of its vector.

    Symptom: searches no longer use the index; on MySQL, every INSERT fails. Cause: the columns of the vec0 table are
    named after those of the model's table, and MySQL's triggers keep the old name. djanorm 4.3 to 4.5.
    """
    from dorm.migrations.operations import AddIndex, RemoveIndex

    dialect = dialect_for(connection)
    before, after = (_with_names(operation, app_label, state, dialect) for state in (from_state, to_state))
    renamed = [name for name, index in before.items() if _kept(index) != _kept(after.get(name))]
    for name in renamed:
        RemoveIndex(operation.model_name, before[name]).database_forwards(app_label, connection, from_state, from_state)
    original(operation, app_label, connection, from_state, to_state)
    for name in renamed:
        if name in after:
            AddIndex(operation.model_name, after[name]).database_forwards(app_label, connection, to_state, to_state)


def _with_names(operation: Any, app_label: str, state: Any, dialect: Dialect) -> dict[str, Any]:
    """Return the indexes of the model that keep names of its columns, keyed by index name."""
    indexes = indexes_of(model_of(operation.model_name, app_label, state), Index)
    return {
        index.get_name(operation.model_name): index
        for index in indexes
        if getattr(index, "filters", ()) or (isinstance(index, VectorIndex) and index.form_on(dialect) == "signs")
    }


def _kept(index: Any) -> tuple[str, ...]:
    """Return the fields whose names an index keeps in the database."""
    return (*getattr(index, "filters", index.fields),) if index is not None else ()


def _renamed(index: Any, operation: Any) -> Any:
    """Return the index with the new field name; it keeps its name in the database, which may contain the old one."""
    if operation.old_name not in _names(index):
        return index
    new = copy.copy(index)
    new._name = index.get_name(operation.model_name)
    for attribute in ("fields", "include", "partition_by", "metadata", "labels"):
        if hasattr(index, attribute):
            names = getattr(index, attribute)
            setattr(new, attribute, type(names)(_name(name, operation) for name in names))
    if index.condition is not None:
        new.condition = _condition(index.condition, operation)
    return new


def _name(name: str, operation: Any) -> str:
    """Return the new name of a field, preserving a ``-`` prefix and a ``__gt`` lookup suffix."""
    bare, lookup, rest = name.removeprefix("-").partition("__")
    sign = "-" if name.startswith("-") else ""
    return f"{sign}{operation.new_name if bare == operation.old_name else bare}{lookup}{rest}"


def _names(index: Any) -> set[str]:
    names = {*index.fields, *index.include, *getattr(index, "filters", ()), *getattr(index, "labels", ())}
    names |= {*_named_in(index.condition)}
    return {str(name).removeprefix("-").partition("__")[0] for name in names}


def _named_in(condition: Any) -> Iterator[str]:
    for child in getattr(condition, "children", ()):
        if isinstance(child, Q):
            yield from _named_in(child)
        else:
            yield child[0]


def rename_in_constraints(operation: Any, app_label: str, after: Any) -> None:
    """Update the field names in constraints after a field is renamed."""
    options = model_of(operation.model_name, app_label, after)["options"]
    if options.get("constraints"):
        options["constraints"] = [_renamed_constraint(constraint, operation) for constraint in options["constraints"]]


def _renamed_constraint(constraint: Any, operation: Any) -> Any:
    new = copy.copy(constraint)
    for attribute in ("fields", "include"):
        names = getattr(constraint, attribute, None)
        if names:
            setattr(new, attribute, type(names)(_name(name, operation) for name in names))
    for attribute in ("check", "condition"):
        if isinstance(getattr(constraint, attribute, None), Q):
            setattr(new, attribute, _condition(getattr(constraint, attribute), operation))
    return new


def _condition(condition: Q, operation: Any) -> Q:
    new = copy.copy(condition)
    new.children = [
        _condition(child, operation)
        if isinstance(child, Q)
        else (_name(child[0], operation), _expression(child[1], operation))
        for child in condition.children
    ]
    return new
