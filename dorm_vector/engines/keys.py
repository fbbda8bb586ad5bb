"""Auto-incremented primary keys."""

from __future__ import annotations

from typing import Any

from dorm.fields import AutoField


def keys_counted(meta: Any, dialect: Any) -> str:
    """Return the statement that moves the table's sequence past its largest key; empty if there is none to move."""
    if not isinstance(meta.pk, AutoField):
        return ""
    return str(dialect.count_past_keys.format(table=meta.db_table, key=meta.pk.column))
