"""How tables are joined in Turso's statements that have subqueries."""

from __future__ import annotations

import re
from typing import Any

from ...dialects import dialect_named
from ...patching.registry import hook

_MODULE = "dorm.db.backends.libsql"

# As djanorm and this package write it.
_JOIN = re.compile(r'( JOIN "[^"]+" AS "[^"]+" ON )("[^"]+"\."[^"]+") = ("[^"]+"\."[^"]+")')


@hook(f"{_MODULE}:LibSQLDatabaseWrapper", "_adapt", name="joins_beside_subqueries")
@hook(f"{_MODULE}:LibSQLAsyncDatabaseWrapper", "_adapt", name="joins_beside_subqueries")
def joins_beside_subqueries(original: Any, _wrapper: Any, sql: str) -> Any:
    """Join in a form that Turso does not hash, where a subquery may read the joined row.

    Symptom: the process ends with ``No index cursor found for table``, or a subquery is NULL. Cause: a hash join
    computes correlated subqueries before it reads the row that they refer to. Turso 0.8.
    """
    if " JOIN " in sql and "(SELECT " in sql:
        join = dialect_named("turso").planning.join_with_subquery
        sql = _JOIN.sub(lambda found: found[1] + join.format(left=found[2], right=found[3]), sql)
    return original(sql)
