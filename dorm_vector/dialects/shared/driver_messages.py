"""Recognize errors of the databases that say too little: a damaged index, and an upsert that cannot tell rows apart."""

from __future__ import annotations

import re
from functools import cache

from .. import DIALECTS, dialect_named


def damaged_index(message: str) -> str | None:
    """Return what to tell of such an error, else None."""
    for title, pattern in _patterns():
        if pattern.search(message):
            return (
                f"A full-text index of {title} is damaged, because a process was killed while it wrote to the table. No"
                " row is lost, but later writes can fail until the index is rebuilt, by rebuild_index(Model, name) or"
                f" `dorm-vector index rebuild`. The database says: {message}"
            )
    return None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    found = [(dialect.title, dialect.text_search.damaged) for dialect in map(dialect_named, DIALECTS)]
    return [(title, re.compile(text)) for title, text in found if text]


# Upserts

_REFUSALS = (
    "there is no unique or exclusion constraint matching the ON CONFLICT specification",  # PostgreSQL
    "ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint",  # SQLite, Turso, libSQL
)

_TARGET = re.compile(r'INSERT INTO "([^"]+)".* ON CONFLICT \(([^)]*)\)', re.DOTALL)


def missing_target(message: str, sql: str) -> str | None:
    """Return the message for a driver's error about the columns of an upsert, or None for any other error."""
    refusal = next((each for each in _REFUSALS if each in message), None)
    found = _TARGET.search(sql)
    if refusal is None or found is None:
        return None
    table, columns = found[1], found[2].replace('"', "")
    way_out = (
        " A table with partitions on other servers (postgres_fdw) cannot have one: use update_or_create(), or"
        " bulk_update() the rows that exist and bulk_create() the others."
        if refusal is _REFUSALS[0]
        else ""
    )
    return (
        f"upsert into {table}: no unique constraint covers exactly the columns {columns}, by which it recognizes rows"
        f" that exist. Name the fields of one in unique_fields, or declare it: UniqueConstraint(fields=[…], name=…)."
        f"{way_out} The database says: {refusal}."
    )
