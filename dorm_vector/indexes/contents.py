"""What an index holds of a vector: all of it, its first dimensions, or 16 bits, 8 bits or one bit per number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..dialects.base import Dialect
from ..dialects.shared.operands import Operand
from ..exceptions import UnsupportedByDatabase
from ..patching.on_import import Late
from ..values.elements import Element

operations: Any = Late("dorm.migrations.operations")

PRECISIONS: Mapping[str, Element] = {"half": Element.HALF, "bit": Element.BIT, "int8": Element.FLOAT32}
"""The precisions of an index, and the type that it is built for: one of 8-bit integers is built for the column itself.
"""


class Column:
    """What an index that holds more than vectors needs to know of a table column."""

    def __init__(self, name: str, declared: str, nullable: bool = False, is_key: bool = False) -> None:
        """Take the column type as ``declared``."""
        self.name, self.declared, self.nullable, self.is_key = name, declared, nullable, is_key


class IndexContents:
    """What an index holds of a field, and its SQL, with ``{operand}``."""

    def __init__(
        self, element: Element, dimensions: int, template: str = "{operand}", chosen_half: bool = False
    ) -> None:
        """Take as ``chosen_half`` whether it is in half precision only because full precision does not fit."""
        self.element, self.dimensions = element, dimensions
        self.template, self.chosen_half = template, chosen_half

    @property
    def is_reduced(self) -> bool:
        return self.template != "{operand}"

    def of(self, operand: Operand) -> Operand:
        return operand.inside(self.template)


def index_contents(index: Any, field: Any, dialect: Dialect) -> IndexContents | None:
    """Return what the index holds of the field; None if the database has no such index."""
    rules, element, dimensions = dialect.index_rules, field.element, index.dimensions or field.dimensions
    if not holds_form(index, dialect):
        return None
    if rules.metrics is not None and index.metric not in rules.metrics:
        return None
    held = element if index.precision == "int8" else PRECISIONS.get(index.precision, element)
    fits = dimensions <= _limit(dialect, held, index.kind)
    chosen_half = held is Element.FLOAT32 and not fits and dimensions <= _limit(dialect, Element.HALF, index.kind)
    if chosen_half:
        held = Element.HALF
    template = rules.prefix.format(operand="{operand}", dimensions=dimensions) if index.dimensions else "{operand}"
    if held is not element or index.dimensions:
        template = rules.casts[held].format(operand=template, dimensions=dimensions)
    return IndexContents(held, dimensions, template, chosen_half)


def holds_form(index: Any, dialect: Dialect) -> bool:
    """Return whether the database has indexes of that precision and number of dimensions."""
    if index.precision == "int8":
        return dialect.index_rules.int8 is True
    return bool(dialect.index_rules.casts) or not (index.precision or index.dimensions)


def require_fitting(held: IndexContents, field: Any, kind: str, dialect: Dialect) -> None:
    """Raise UnsupportedByDatabase, with a fix, for more dimensions than the database can index."""
    limit = _limit(dialect, held.element, kind)
    if held.dimensions <= limit:
        return
    raise UnsupportedByDatabase(
        f"{field.label} has {held.dimensions:,} dimensions; an {kind} index of {dialect.title} takes up to"
        f" {int(limit):,} as {held.element.value}. {_remedy(held, field, dialect)}"
    )


def _remedy(held: IndexContents, field: Any, dialect: Dialect) -> str:
    remedies = []
    bits = _limit(dialect, Element.BIT, "hnsw")
    if field.element in (Element.FLOAT32, Element.HALF):
        if held.dimensions <= bits:
            remedies.append(f'index one bit of each number, precision="bit", up to {int(bits):,}')
        remedies.append("index the first ones of a Matryoshka embedding, dimensions=512")
    return f"Choose: {'; '.join([*remedies, 'or store fewer'])}." if remedies else "Store fewer."


def _limit(dialect: Dialect, element: Element, kind: str) -> float:
    rules = dialect.index_rules
    return rules.limits_by_kind.get(kind, rules.max_dimensions).get(element, float("inf"))


def columns_of(fields: Mapping[str, Any], connection: Any) -> dict[str, Column]:
    """Return the columns of a table by field name; a ManyToManyField has none."""
    columns = {}
    for name, field in fields.items():
        definition = operations._field_to_column_sql(name, field, connection)
        if definition:
            _empty, column, declared = definition.split('"', 2)
            kind = re.split(r"[\s(]", f"{declared.strip()} ", maxsplit=1)[0].upper()
            # Another collation would change order and equality in the companion.
            kind = "" if " COLLATE " in declared.upper() else kind
            columns[name] = Column(column, kind, bool(field.null), bool(field.primary_key))
    return columns
