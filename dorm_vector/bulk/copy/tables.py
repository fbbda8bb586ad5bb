"""The tables of a copy: those of the models and of their many-to-many fields, each after those it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from dorm.conf import settings
from dorm.fields import AutoField, BigAutoField, IntegerField
from dorm.models import _model_registry

from ...introspection import held_field, key_names
from ..columns import is_relation, written_fields
from .values import Column

Row = Sequence[Any]


@dataclass(frozen=True)
class Reference:
    """A column that refers to a row of another copied table, or of its own."""

    position: int
    column: str
    table: str
    may_be_null: bool


@dataclass(eq=False)
class Table:
    """A table to copy."""

    label: str
    model: Any
    """The model, or a stand-in for the table of a many-to-many field."""
    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    later: list[Reference] = field(default_factory=list)
    """References to rows that may be copied later: they are written once those rows are there."""

    @property
    def name(self) -> str:
        return str(self.model._meta.db_table)

    @property
    def key_positions(self) -> list[int]:
        names = [column.column for column in self.columns]
        return [names.index(key) for key in self.keys]

    def key(self, row: Row) -> list[Any]:
        return [row[position] for position in self.key_positions]

    def is_ordered(self, reference: Reference) -> bool:
        """Return whether rows are copied in the order of the keys that the reference holds, which numbers have."""
        own = self.columns[self.key_positions[0]].field
        is_number = isinstance(own, (AutoField, IntegerField))
        return reference.table == self.name and len(self.keys) == 1 and is_number

    def is_later(self, reference: Reference, value: Any, key: Any) -> bool:
        """Return whether the row that a value refers to may not be there yet when its row is inserted."""
        return value is not None and not (self.is_ordered(reference) and value <= key)


def installed_models() -> list[Any]:
    """Return the models of the installed apps that have a table of their own, or all models if no app is installed."""
    apps = tuple(settings.INSTALLED_APPS or ())
    names = tuple(f"{app}." for app in apps)
    found = dict.fromkeys(_model_registry.values())
    chosen = [
        model
        for model in found
        if not apps or model._meta.app_label in apps or f"{model.__module__}.".startswith(names)
    ]
    return [model for model in chosen if has_table(model) and model._meta.managed]


def has_table(model: Any) -> bool:
    return not model._meta.abstract and not model._meta.proxy


def tables_of(models: Iterable[Any]) -> list[Table]:
    """Return the tables of the models, and those of many-to-many fields between two of them."""
    owners = list(dict.fromkeys(model._meta.concrete_model for model in models))
    named = {str(model._meta.db_table): model for model in owners}
    found = [_of_model(model, named) for model in owners]
    found += [junction for model in owners for junction in _junctions(model, named)]
    return list({table.name: table for table in found}.values())


def _of_model(model: Any, named: dict[str, Any]) -> Table:
    fields = written_fields(model)
    keys = tuple(model._meta.get_field(name).column for name in key_names(model))
    label = f"{model._meta.app_label}.{model.__name__}"
    return Table(label, model, tuple(map(Column.of, fields)), keys, tuple(_references(fields, named)))


def _references(fields: Sequence[Any], named: dict[str, Any]) -> Iterator[Reference]:
    for position, each in enumerate(fields):
        if is_relation(each):
            table = str(each._resolve_related_model()._meta.db_table)
            if table in named:
                yield Reference(position, each.column, table, may_be_null=bool(each.null))


def _junctions(model: Any, named: dict[str, Any]) -> Iterator[Table]:
    for each in model._meta.fields:
        if not getattr(each, "many_to_many", False) or each.through:
            continue
        other = each._resolve_related_model()
        if str(other._meta.db_table) not in named:
            continue
        number: Any = BigAutoField(primary_key=True)
        number.name = number.attname = number.column = "id"
        ends = zip(each._get_through_columns(), (model, other), strict=True)
        columns = (Column("id", number), *(Column(name, held_field(end._meta.pk)) for name, end in ends))
        meta = SimpleNamespace(db_table=each._get_through_table(), pk=number)
        label = f"{model._meta.app_label}.{model.__name__}.{each.name}"
        references = tuple(
            Reference(position, columns[position].column, str(end._meta.db_table), may_be_null=False)
            for position, end in enumerate((model, other), 1)
        )
        yield Table(label, SimpleNamespace(_meta=meta, __name__=label), columns, ("id",), references)


def without_number(table: Table) -> Table:
    """Return the table of a many-to-many field that has no id, as other tools create it."""
    model = SimpleNamespace(_meta=SimpleNamespace(db_table=table.name, pk=SimpleNamespace()), __name__=table.label)
    columns = table.columns[1:]
    model._meta.pk = SimpleNamespace(field_names=[column.column for column in columns])
    model._meta.get_field = lambda name: next(column for column in columns if column.column == name)
    references = tuple(
        Reference(each.position - 1, each.column, each.table, each.may_be_null) for each in table.references
    )
    return Table(table.label, model, columns, tuple(column.column for column in columns), references)


def in_order(tables: Sequence[Table]) -> list[Table]:
    """Return each table after those that it refers to, and note the references that no order can satisfy."""
    waiting = {table.name: table for table in tables}
    ordered: list[Table] = []
    while waiting:
        table = waiting.pop(_next(waiting))
        table.later = [
            reference for reference in table.references if reference.table in waiting or reference.table == table.name
        ]
        ordered.append(table)
    return ordered


def _next(waiting: dict[str, Table]) -> str:
    """Return a table that refers to no waiting table; if there is none, the one of a cycle that costs least."""
    costs = {name: _cost(table, waiting) for name, table in waiting.items()}
    ready = [name for name, (_not_null, missing) in costs.items() if not missing]
    return ready[0] if ready else min((name for name in waiting if _is_in_cycle(name, waiting)), key=costs.__getitem__)


def _is_in_cycle(name: str, waiting: dict[str, Table]) -> bool:
    reached: set[str] = set()
    pending = [name]
    while pending:
        found = {each.table for each in waiting[pending.pop()].references if each.table in waiting}
        pending += found - reached
        reached |= found
    return name in reached


def _cost(table: Table, waiting: dict[str, Table]) -> tuple[int, int]:
    """Return how many references to waiting tables the table has: those that may not be NULL, and all."""
    missing = [each for each in table.references if each.table in waiting and each.table != table.name]
    return sum(not each.may_be_null for each in missing), len(missing)
