"""Materialized views of a queryset's SELECT, which reads vectors in a binary form for the driver."""

from __future__ import annotations

import re
from typing import Any

from ..engines import dialect_for
from ..patching.registry import hook
from ..values.elements import Element

_COLUMN = r'((?:"[^"]+"\.)?"[^"]+")'


@hook("dorm.contrib.matview", "create_matview")
def views_of_vectors(original: Any, name: str, select_sql: str, **options: Any) -> None:
    """Keep vectors as vectors in a materialized view, so that it can be searched and indexed."""
    from dorm.db.connection import get_connection

    dialect = dialect_for(get_connection(options.get("using", "default")))
    original(name, _as_stored(select_sql, dialect), **options)


def _as_stored(sql: str, dialect: Any) -> str:
    for element in Element:
        read = re.escape(dialect.form(element).read).replace(r"\{column\}", _COLUMN)
        sql = re.sub(read, r"\1", sql) if read != _COLUMN else sql
    return sql
