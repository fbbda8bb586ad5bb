"""Stand-ins that a probe passes to djanorm instead of a connection: they record statements and contact no server."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, Self

from dorm.fields import Field


class Statements(list[str]):
    """A connection or cursor that records the statements it receives."""

    def __init__(self, vendor: str = "", rows: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__()
        self.rows, self.description, self.rowcount = list(rows), None, 0
        vars(self).update(vendor=vendor)  # djanorm reads it; nothing here does

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
        """Do nothing, because nothing is open."""


class AsyncStatements(Statements):
    """The async version of ``Statements``."""

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
        """Do nothing, because nothing is open."""


class Unwritten(list[Any]):
    """Instances in a list that djanorm considers empty, so that it writes nothing."""

    def __bool__(self) -> bool:
        return False


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that never suspends.

    Raises:
        RuntimeError: The coroutine suspends.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} waits, and a probe runs without an event loop.")


def model(table: str = "item", **facts: Any) -> Any:
    """Return a stand-in for a model: the ``_meta`` that SQL compilation reads, and no class registered in djanorm."""
    key = SimpleNamespace(column="id", name="id", attname="id")
    meta = SimpleNamespace(**{"db_table": table, "pk": key, "concrete_fields": [], **facts})
    return SimpleNamespace(__name__=table.title(), _meta=meta)


def plain_field(name: str, field: Any = None) -> Any:
    """Return a field of no model, with its name, attname and column set to ``name``."""
    field = field if field is not None else Field()
    field.name = field.attname = field.column = name
    return field


def state(**options: Any) -> Any:
    """Return a migration state with one model, ``app.item``, and these options; ``fields`` are its fields."""
    fields = options.pop("fields", {})
    return SimpleNamespace(models={"app.item": {"name": "Item", "fields": fields, "options": options}})
