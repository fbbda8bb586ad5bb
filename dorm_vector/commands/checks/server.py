"""The server and its settings: the extension, the journal, timeouts, and sequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engines.limits.setting import NAME, statement_timeout
from ...engines.sqlite.extension import SqliteVecTier, sqlite_vec_tier
from ...exceptions import VectorsUnavailable
from ...schema.operations import require_version
from ..database import Database
from ..project import label_of, models_of_tables
from .finding import NOTE, Finding


def extension(database: Database) -> Iterator[Finding]:
    """Yield a finding if vector support is missing, hidden, too old, or the slow stand-in."""
    dialect = database.dialect
    try:
        # A server that does not answer would look like one without vectors.
        database.ask("SELECT 1 AS answers")
        require_version(dialect, database.connection)
    except VectorsUnavailable as error:
        hint = dialect.extension.install_hint
        fix = f"Run: dorm migrate, with VectorExtension() in a migration. {hint}" if dialect.extension.enable else hint
        yield Finding("extension", dialect.title, str(error), f"Vectors {dialect.minimum} or newer.", fix)
        return
    if (
        any(each.needs_extension for each in dialect.companions.values())
        and sqlite_vec_tier() is SqliteVecTier.NUMPY_FUNCTIONS
    ):
        yield Finding(
            "extension",
            dialect.title,
            "This Python cannot load sqlite-vec, so numpy computes the distances and a Vec0Index is not used.",
            "A Python whose sqlite3 loads extensions.",
            dialect.extension.install_hint,
            NOTE,
        )


def journal(database: Database) -> Iterator[Finding]:
    """Yield a finding if a database file is not in WAL mode."""
    found = database.ask(database.dialect.upkeep.journal_mode)
    if found and found["file"] and found["mode"] != "wal":
        yield Finding(
            "journal-mode",
            "journal_mode",
            f"The database file is in {found['mode']!r} mode: readers wait for writers, and writers for readers.",
            "'wal'.",
            "Run once, in dorm dbshell: PRAGMA journal_mode = WAL;",
        )


def timeouts(database: Database) -> Iterator[Finding]:
    """Yield a note if nothing limits how long a statement may take."""
    if statement_timeout(database.connection.settings) is not None or not _can_limit(database):
        return
    if database.ask(database.dialect.upkeep.statement_limit).get("seconds"):
        return
    yield Finding(
        "statement-timeout",
        f"DATABASES[{database.alias!r}]",
        "No limit ends a statement that takes too long; an exact search over a large table holds its connection.",
        f"A limit in OPTIONS[{NAME!r}], or on the server.",
        f'Add to DATABASES[{database.alias!r}]: "OPTIONS": {{"{NAME}": 30}}',
        NOTE,
    )


def _can_limit(database: Database) -> bool:
    in_process = database.dialect.limits.none_in_process
    return not in_process or getattr(database.connection, "is_remote", False)


def sequences(database: Database) -> Iterator[Finding]:
    """Yield a finding for each sequence whose next key is already taken."""
    upkeep = database.dialect.upkeep
    for model in models_of_tables() if upkeep.sequence_behind else ():
        key = model._meta.pk
        if not _is_counted(key) or not database.is_migrated(model):
            continue
        found = database.ask(upkeep.sequence_behind.format(table=model._meta.db_table, key=key.column))
        if found:
            yield Finding(
                "sequence",
                f"{label_of(model)}.{key.name}",
                f"The sequence {found['name']} is at {found['last']}, and the highest key is {found['top']}: the next"
                " INSERT fails with a duplicate key.",
                f"At least {found['top']}.",
                f"In dorm dbshell: {upkeep.sequence_fix.format(name=found['name'], top=found['top'])}",
            )


def _is_counted(key: Any) -> bool:
    from dorm.fields import AutoField

    return isinstance(key, AutoField)
