"""How recent a row is, as an expression for rankings."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dorm.fields import DateField, DateTimeField

from ..dialects.shared.operands import SQL
from ..exceptions import UnsuitableFunction
from .distances import Expression
from .scope import CompileScope, scope


class Recency(Expression):
    """Return how recent a row is, from 1 down to 0: ``1 / (1 + age / half_life)``, so 0.5 at the age ``half_life``.

    A row from the future is 1, and one without a date is NULL.

    Args:
        field: A DateTimeField or DateField; its path may cross foreign keys.
        half_life: The age at which a row has half the value of a new one.
        at: The moment to measure the age at; by default when the expression is made, in UTC.

    Raises:
        UnsuitableFunction: The field is not a DateTimeField or a DateField.
        ValueError: ``half_life`` is not positive.
    """

    def __init__(self, field: str, half_life: dt.timedelta, at: dt.datetime | None = None) -> None:
        if not isinstance(half_life, dt.timedelta) or half_life <= dt.timedelta(0):
            raise ValueError(
                f"Recency(half_life={half_life!r}): want a positive timedelta, such as timedelta(days=30)."
            )
        self.field, self.half_life = field, half_life
        self.at = dt.datetime.now(dt.UTC) if at is None else at

    def as_sql(self, table_alias: str | None = None, **context: Any) -> SQL:
        where = scope(table_alias, **context)
        moment = self._moment(where)
        age = where.dialect.age.format(column=where.column(self.field).sql)
        recency = f"1e0 / (1e0 + {age} / {self.half_life.total_seconds()!r})"
        return f"(CASE WHEN {age} <= 0 THEN 1e0 ELSE {recency} END)", [moment, moment]

    def _moment(self, where: CompileScope) -> Any:
        field = where.field(self.field)
        if not isinstance(field, (DateTimeField, DateField)):
            raise UnsuitableFunction(f"Recency({self.field!r}): want a DateTimeField or a DateField; got {field!r}.")
        return DateTimeField().get_db_prep_value(self.at)

    def __repr__(self) -> str:
        return f"Recency({self.field!r}, {self.half_life!r}, {self.at!r})"
