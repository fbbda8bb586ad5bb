"""Store datetimes with a time zone, times of day and durations on MySQL and MariaDB, which lack such types."""

from __future__ import annotations

import datetime as dt
import sys
from types import SimpleNamespace
from typing import Any

from dorm.fields import NOT_PROVIDED, DateTimeField, DurationField, TimeField

from ...patching.registry import repair

_NAME = "moments_in_utc"

_BACKEND = "dorm.db.backends.mysql"

_MYSQL = SimpleNamespace(vendor="mysql")


class Moment(str):
    """A datetime with its UTC offset, as djanorm writes it."""

    __slots__ = ()

    def in_utc(self) -> str:
        """Return the datetime in UTC, in the format of MySQL and MariaDB."""
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
    # A default computed by the database would need the same precision.
    is_plain = kind == "DATETIME" and field.db_default is NOT_PROVIDED
    return "DATETIME(6)" if is_plain and getattr(connection, "vendor", "") == "mysql" else kind


@repair("dorm.fields:DateTimeField", "get_db_prep_value", name=_NAME, is_fixed=_keeps_microseconds)
def moments_in_utc(original: Any, field: Any, value: Any) -> Any:
    """Write datetimes with a time zone, such as those of `auto_now`, on MySQL and MariaDB.

    Symptom: MariaDB raises `Incorrect datetime value: '…+00:00'` for every `auto_now` field and for `contrib.history`,
    `temporal`, `softdelete` and `outbox`; MySQL converts to the time zone of its session; and both drop microseconds.
    An annotation such as `Coalesce(F("since"), F("made"))` equals no moment of whole seconds on MySQL. Cause: djanorm
    writes the offset to a column of type DATETIME, which has none, and MySQL compares computed moments with plain text
    as text. djanorm 4.3 to 4.5.
    """
    written = original(field, value)
    return Moment(written) if _BACKEND in sys.modules and isinstance(written, str) and _has_offset(written) else written


def _has_offset(text: str) -> bool:
    return text[19:].find("+") >= 0 or "-" in text[19:]


_MIDNIGHT = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def _reads_times() -> bool:
    read = TimeField().from_db_value(dt.timedelta(hours=1))
    return "6" in TimeField().db_type(_MYSQL) and isinstance(read, dt.time)


@repair("dorm.fields:TimeField", "db_type", name="times_of_day", is_fixed=_reads_times)
def _time_of_microseconds(original: Any, field: Any, connection: Any) -> str:
    kind = str(original(field, connection))
    # As above.
    is_plain = kind == "TIME" and field.db_default is NOT_PROVIDED
    return "TIME(6)" if is_plain and getattr(connection, "vendor", "") == "mysql" else kind


@repair("dorm.fields:TimeField", "from_db_value", is_fixed=_reads_times)
def times_of_day(original: Any, field: Any, value: Any) -> Any:
    """Read the values of a TimeField as times on MySQL and MariaDB, and keep their microseconds.

    Symptom: a TimeField reads as a `timedelta`, and its microseconds are gone. Cause: the drivers return a column of
    type TIME as a duration, and djanorm creates it without a precision. A column that exists keeps whole seconds until
    it is altered. djanorm 4.3 to 4.5.
    """
    is_duration = isinstance(value, dt.timedelta)
    return (_MIDNIGHT + value).time() if is_duration else original(field, value)


_MICROSECOND = dt.timedelta(microseconds=1)


class Duration(dt.timedelta):
    """A value of a DurationField; a plain timedelta may as well be one of a column of type TIME."""

    __slots__ = ()

    def __conform__(self, _protocol: object) -> int:  # sqlite3 calls it: it knows no subclasses
        return self // _MICROSECOND


def _marks_durations() -> bool:
    return type(DurationField().get_db_prep_value(_MICROSECOND)) is not dt.timedelta


@repair("dorm.fields:DurationField", "get_db_prep_value", is_fixed=_marks_durations)
def durations(original: Any, field: Any, value: Any) -> Any:
    """Write the values of a DurationField on MySQL and MariaDB.

    Symptom: a row cannot be saved ("Data truncated for column"), and filters find nothing. Cause: the column is a
    BIGINT of microseconds, and the drivers write a duration as a time of day. djanorm 4.3 to 4.5.
    """
    written = original(field, value)
    return Duration(0, 0, written // _MICROSECOND) if isinstance(written, dt.timedelta) else written


_ONE_HOUR_EAST = dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def _escapes_in_utc() -> bool:
    # PyMySQL is still being imported, so its submodules are not attributes of the package yet.
    module = sys.modules["pymysql.connections"]
    stand_in = SimpleNamespace(encoders=module.converters.encoders, encoding="utf8mb4", _escape_string=str)
    return "02:00" in str(module.Connection.escape(stand_in, _ONE_HOUR_EAST))


def _escapes_in_utc_async() -> bool:
    stand_in = SimpleNamespace(_charset="utf8mb4", escape_string=str)
    return "02:00" in str(sys.modules["aiomysql.connection"].Connection.escape(stand_in, _ONE_HOUR_EAST))


@repair("pymysql.connections:Connection", "escape", name=_NAME, is_fixed=_escapes_in_utc)
def _escaped(original: Any, connection: Any, value: Any, mapping: Any = None) -> Any:
    return _typed(value, original(connection, _as_stored(value), mapping))


@repair("aiomysql.connection:Connection", "escape", name=_NAME, is_fixed=_escapes_in_utc_async)
def _escaped_async(original: Any, connection: Any, value: Any) -> Any:
    return _typed(value, original(connection, _as_stored(value)))


_LITERALS = {dt.datetime: "TIMESTAMP", dt.time: "TIME"}


def _typed(value: Any, escaped: Any) -> Any:
    # https://dev.mysql.com/doc/refman/9.7/en/date-and-time-literals.html
    return f"{_LITERALS[type(value)]}{escaped}" if type(value) in _LITERALS else escaped


def _as_stored(value: Any) -> Any:
    if isinstance(value, Moment):
        return value.in_utc()
    if isinstance(value, Duration):
        return value // _MICROSECOND
    return _in_utc(value) if _is_aware(value) else value
