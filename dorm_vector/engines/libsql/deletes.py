"""Rewrite statements that delete every row: libSQL would empty the table at once, without updating its vector index."""

from __future__ import annotations

import re

_COMMENT = r"(?:\s|--[^\n]*\n)*"
_NAME = r'(?:"(?:[^"]|"")+"|\w+)'
_EVERY_ROW = re.compile(rf"({_COMMENT}DELETE\s+FROM\s+{_NAME}(?:\s*\.\s*{_NAME})?)\s*;?\s*", re.IGNORECASE)


def row_by_row(sql: str) -> str:
    """Return the statement so that it deletes row by row, which the vector indexes of a table notice.

    Otherwise the rows stay in the index: https://sqlite.org/lang_delete.html#the_truncate_optimization
    """
    every = _EVERY_ROW.fullmatch(sql)
    return sql if every is None else f"{every[1]} WHERE TRUE"
