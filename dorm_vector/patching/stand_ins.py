"""What a probe hands to djanorm in the place of a connection: it keeps the statements, and no server hears of them."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, Self

from dorm.fields import Field


class Statements(list[str]):
    """A connection, or a cursor of one, that keeps the statements it is given."""

    def __init__(self, vendor: str = "", rows: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__()
        self.rows, self.description, self.rowcount = list(rows), None, 0
        vars(self).update(vendor=vendor)  # which djanorm asks for; nothing here does

    def execute(self, sql: str, params: Any = None) -> Any:
        self.append(sql)
        return self.rows

    execute_script = execute_write = execute

    def begin(self) -> None:
        self.append("BEGIN")

    def commit(self) -> None:
        self.append("COMMIT")

    def rollback(self) -> None:
        self.append("ROLLBACK")

    def cursor(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing is open."""


class AsyncStatements(Statements):
    """The same for async code."""

    async def execute(self, sql: str, params: Any = None) -> Any:
        self.append(sql)
        return self

    async def begin(self) -> None:  # type: ignore[override]  # awaited
        self.append("BEGIN")

    async def commit(self) -> None:  # type: ignore[override]  # awaited
        self.append("COMMIT")

    async def rollback(self) -> None:  # type: ignore[override]  # awaited
        self.append("ROLLBACK")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Nothing is open."""


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that waits for nothing; raises RuntimeError where it waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} waits, and a probe runs without an event loop.")


def model(table: str = "item", **facts: Any) -> Any:
    """Return what SQL is compiled for: a model's ``_meta``, without a class that djanorm would register."""
    key = SimpleNamespace(column="id", name="id", attname="id")
    meta = SimpleNamespace(**{"db_table": table, "pk": key, "concrete_fields": [], **facts})
    return SimpleNamespace(__name__=table.title(), _meta=meta)


def plain_field(name: str, field: Any = None) -> Any:
    """Return a field that has its name in all three places, and belongs to no model."""
    field = field if field is not None else Field()
    field.name = field.attname = field.column = name
    return field


def state(**options: Any) -> Any:
    """Return a state of migrations with one model, ``app.item``, and its options; ``fields`` are its fields."""
    fields = options.pop("fields", {})
    return SimpleNamespace(models={"app.item": {"name": "Item", "fields": fields, "options": options}})
