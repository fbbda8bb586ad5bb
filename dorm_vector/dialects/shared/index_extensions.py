"""Extensions of a server that some indexes need."""

from __future__ import annotations

from .facts import Facts


class IndexExtension(Facts):
    """An extension of the server that builds one kind of index; ``migrate`` enables it with the first such index."""

    name: str
    minimum: str
    """The lowest version on which the test suite passes."""
    version: str
    """Returns its ``version``, enabled or not; no row if the server does not have it."""
    enable: str
    """Enables it, unless it is."""
    install_hint: str


def extension_of_postgresql(name: str, minimum: str, install_hint: str, *, cascade: bool = False) -> IndexExtension:
    """Return how to enable an extension of PostgreSQL, for all schemas if possible, as for pgvector."""
    also = " CASCADE" if cascade else ""
    return IndexExtension(
        name=name,
        minimum=minimum,
        version=f"SELECT coalesce(installed_version, default_version) AS version FROM pg_available_extensions"
        f" WHERE name = '{name}'",
        enable=f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_extension WHERE extname = '{name}') THEN RETURN; END IF;"
        " IF 'public' = ANY (current_schemas(false)) AND has_schema_privilege('public', 'CREATE')"
        f" THEN CREATE EXTENSION {name} SCHEMA public{also}; ELSE CREATE EXTENSION {name}{also}; END IF; END $$",
        install_hint=install_hint,
    )
