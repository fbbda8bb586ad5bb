"""Why a database function cannot embed text, and what to use instead."""

from __future__ import annotations

from .shared.unsupported import Unsupported

_INSTEAD = "Use EmbeddingField(dimensions, source=…, embedder=…), which embeds in Python."

POSTGRESML = {
    "pgml.": Unsupported(
        "PostgresML is an extension of PostgreSQL.",
        _INSTEAD,
        "SELECT pgml.embed('model', 'text')",
        "https://postgresml.org/docs",
    )
}

NONE_CAN_BE_ADDED = {
    "": Unsupported(
        "a program cannot add a function to it, and it has none that embeds.",
        _INSTEAD,
        "SELECT embed_probe('model', 'text')",
        "https://docs.turso.tech/features/ai-and-embeddings",
    )
}

NOT_IN_A_COLUMN = Unsupported(
    "a computed column calls no function that a user has made.",
    _INSTEAD + " In a query such a function embeds.",
    "CREATE TABLE embed_probe (a INT, b INT GENERATED ALWAYS AS (embed_probe(a)) STORED)",
    "https://mariadb.com/docs/server/reference/sql-statements/data-definition/create/generated-columns",
)
