"""The size of an index, or why it is not known."""

from __future__ import annotations

from typing import Any

from dorm.exceptions import DatabaseError

from .database import Database
from .redaction import without_secrets


def index_size(database: Database, model: Any, name: str, *, is_text: bool = False) -> tuple[int | None, str]:
    """Return the bytes of an index, or None with the reason."""
    upkeep = database.dialect.upkeep
    query = upkeep.text_index_bytes if is_text else upkeep.index_bytes
    try:
        found = database.ask(query.format(name=name, table=model._meta.db_table)).get("bytes")
    except DatabaseError as error:
        said = without_secrets(str(error)).partition("\n")[0]
        return None, f"Its size is not known: {upkeep.no_index_bytes} ({said})"
    return (None, f"Its size is not known: {upkeep.no_index_bytes}") if found is None else (int(found), "")
