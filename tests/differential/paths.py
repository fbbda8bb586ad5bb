"""The paths that a query can name: columns and keys, over relations in both directions."""

from __future__ import annotations

from collections.abc import Iterator

from tests.differential.model import Shape

KEY_KINDS = {"auto": "integer", "text": "text", "uuid": "uuid"}


class Paths:
    """Paths of a shape, from each of its models."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def columns(self, table: str, depth: int = 2, *, many: bool = True) -> dict[str, str]:
        """Return each path to an ordinary column, with the column's kind; ``pk`` is one."""
        return dict(self._columns(table, depth, many))

    def vectors(self, table: str, depth: int = 2) -> list[str]:
        return [path for path, _owner in self._vectors(table, depth)]

    def owner_of(self, table: str, path: str) -> str:
        for name in path.split("__")[:-1]:
            table = self.shape.relations_of(table)[name][0]
        return table

    def dimensions(self) -> int:
        return self.shape.table("Item").vectors["embedding"].dimensions

    def relations(self, table: str) -> dict[str, bool]:
        """Return the relations whose key can be compared, and whether they lead to many rows."""
        return {name: many for name, (_target, many) in self.shape.relations_of(table).items()}

    def _columns(self, table: str, depth: int, many: bool) -> Iterator[tuple[str, str]]:
        found = self.shape.table(table)
        yield "pk", KEY_KINDS[found.key]
        yield from ((name, column.kind) for name, column in found.columns.items())
        for name, (target, is_many) in self.shape.relations_of(table).items() if depth else ():
            if many or not is_many:
                yield from ((f"{name}__{path}", kind) for path, kind in self._columns(target, depth - 1, many))

    def _vectors(self, table: str, depth: int) -> Iterator[tuple[str, str]]:
        yield from ((name, table) for name in self.shape.table(table).vectors)
        for name, (target, _many) in self.shape.relations_of(table).items() if depth else ():
            yield from ((f"{name}__{path}", owner) for path, owner in self._vectors(target, depth - 1))
