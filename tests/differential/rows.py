"""Random rows of random models, as dictionaries; relations hold the keys of the other rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from tests.differential.literals import of_kind, vectors
from tests.differential.model import Shape, Table

Row = dict[str, Any]
Rows = dict[str, list[Row]]

MOST = {"Owner": 4, "Tag": 3, "Item": 12, "Part": 9}
LEAST = {"Owner": 1, "Tag": 0, "Item": 4, "Part": 0}
KEY_OF: dict[str, Callable[[int], Any]] = {"auto": int, "text": "k{}".format, "uuid": lambda number: UUID(int=number)}


@st.composite
def rows(draw: st.DrawFn, shape: Shape) -> Rows:
    found: Rows = {}
    for table in shape.tables:
        found[table.name] = []
        for number in range(1, 1 + draw(st.integers(LEAST[table.name], MOST[table.name]))):
            found[table.name].append({"id": KEY_OF[table.key](number), **draw(_row(table, found))})
    return found


@st.composite
def _row(draw: st.DrawFn, table: Table, found: Rows) -> Row:
    row: Row = {}
    for name, column in table.columns.items():
        row[name] = draw(_maybe(of_kind(column.kind), null=column.null))
    for name, vector in table.vectors.items():
        row[name] = draw(_maybe(vectors(vector.dimensions), null=vector.null))
    for name, relation in table.relations.items():
        # Those that exist already, so that a row never refers to a later one.
        keys = [other["id"] for other in found[relation.target]]
        if relation.many:
            row[name] = draw(st.lists(st.sampled_from(keys), unique=True, max_size=3)) if keys else []
        else:
            row[name] = draw(_maybe(st.sampled_from(keys), null=relation.null)) if keys else None
    return row


def _maybe(values: st.SearchStrategy[Any], *, null: bool) -> st.SearchStrategy[Any]:
    return st.one_of(values, values, values, st.none()) if null else values


def write(table: Table, model: Any, rows: list[Row]) -> None:
    """Store the rows, in the package's own way."""
    many = [name for name, relation in table.relations.items() if relation.many]
    keys = {name: f"{name}_id" for name, relation in table.relations.items() if not relation.many}
    made = [model(**{keys.get(name, name): value for name, value in row.items() if name not in many}) for row in rows]
    model.objects.bulk_create(made)
    for instance, row in zip(made, rows, strict=True):
        for name in many:
            getattr(instance, name).add(*row[name])
