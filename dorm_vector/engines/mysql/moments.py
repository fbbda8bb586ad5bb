"""Repair of datetimes with a time zone on MySQL and MariaDB, whose columns hold none: UTC is stored."""

from __future__ import annotations

import datetime as dt
import sys
from types import SimpleNamespace
from typing import Any

from dorm.fields import NOT_PROVIDED, DateTimeField

from ...patching.registry import repair

_NAME = "moments_in_utc"

_BACKEND = "dorm.db.backends.mysql"

_MYSQL = SimpleNamespace(vendor="mysql")


class Moment(str):
    """A moment with its offset, as djanorm writes it."""

    __slots__ = ()

    def in_utc(self) -> str:
        """Return it as MySQL and MariaDB write a moment in UTC."""
        return _in_utc(dt.datetime.fromisoformat(self))


def _in_utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ")


def _is_aware(value: Any) -> bool:
    return isinstance(value, dt.datetime) and value.tzinfo is not None


def _keeps_microseconds() -> bool:
    return "6" in DateTimeField().db_type(_MYSQL)


@repair("dorm.fields:DateTimeField", "db_type", name=_NAME, is_fixed=_keeps_microseconds)
def _of_microseconds(original: Any, field: Any, connection: Any) -> str:
    kind = str(original(field, connection))
    # A default that the database computes would need the same precision.
    is_plain = kind == "DATETIME" and field.db_default is NOT_PROVIDED
    return "DATETIME(6)" if is_plain and getattr(connection, "vendor", "") == "mysql" else kind


@repair("dorm.fields:DateTimeField", "get_db_prep_value", name=_NAME, is_fixed=_keeps_microseconds)
def moments_in_utc(original: Any, field: Any, value: Any) -> Any:
    """Write datetimes that have a time zone, those of `auto_now` among them, on MySQL and MariaDB.

    Symptom: `Incorrect datetime value: '…+00:00'` on MariaDB, for every `auto_now` field and for `contrib.history`,
    `temporal`, `softdelete` and `outbox`; MySQL converts to the zone of its session; and both drop the microseconds.
    Cause: djanorm writes the offset into a column that has none, of type DATETIME. djanorm 4.3 to 4.5.
    """
    written = original(field, value)
    return Moment(written) if _BACKEND in sys.modules and isinstance(written, str) and _has_offset(written) else written


def _has_offset(text: str) -> bool:
    return text[19:].find("+") >= 0 or "-" in text[19:]


_ONE_HOUR_EAST = dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def _escapes_in_utc() -> bool:
    # The package is still being imported: it has no attributes yet.
    module = sys.modules["pymysql.connections"]
    stand_in = SimpleNamespace(encoders=module.converters.encoders, encoding="utf8mb4", _escape_string=str)
    return "02:00" in str(module.Connection.escape(stand_in, _ONE_HOUR_EAST))


def _escapes_in_utc_async() -> bool:
    stand_in = SimpleNamespace(_charset="utf8mb4", escape_string=str)
    return "02:00" in str(sys.modules["aiomysql.connection"].Connection.escape(stand_in, _ONE_HOUR_EAST))


@repair("pymysql.connections:Connection", "escape", name=_NAME, is_fixed=_escapes_in_utc)
def _escaped(original: Any, connection: Any, value: Any, mapping: Any = None) -> Any:
    return original(connection, _as_stored(value), mapping)


@repair("aiomysql.connection:Connection", "escape", name=_NAME, is_fixed=_escapes_in_utc_async)
def _escaped_async(original: Any, connection: Any, value: Any) -> Any:
    return original(connection, _as_stored(value))


def _as_stored(value: Any) -> Any:
    if isinstance(value, Moment):
        return value.in_utc()
    return _in_utc(value) if _is_aware(value) else value
