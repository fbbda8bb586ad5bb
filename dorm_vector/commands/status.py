"""``dorm-vector status``: the databases, and what they hold of vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dorm.exceptions import DatabaseError

from ..engines.limits.exempt import no_statement_timeout
from ..exceptions import VectorsUnavailable
from ..introspection import innermost, reads_vectors
from .database import Database
from .exit_codes import DONE, FOUND
from .index_state import index_states
from .output import Output, size_of, table
from .progress import TerminalProgress
from .project import add_database_argument, aliases, label_of, models_with_vectors
from .redaction import without_secrets

HELP = "Show databases, versions, tables, rows, embedding models and indexes."

Note = Callable[[str], object]

EXIT_1 = "A database cannot be read."


def add_arguments(parser: Any) -> None:
    add_database_argument(parser, several=True)


def run(options: Any, output: Output) -> int:
    """Print what each database holds."""
    named = aliases(options.database)
    with no_statement_timeout(), TerminalProgress("Reading", "databases") as progress:
        found = []
        for done, alias in enumerate(named):
            progress(done, len(named))
            found.append(_status_or_error(alias, progress.note))
    output.show({"databases": found}, _lines(found))
    return FOUND if any(each["error"] for each in found) else DONE


def _status_or_error(alias: str, note: Note) -> dict[str, Any]:
    try:
        return status_of(Database(alias), note)
    except (DatabaseError, VectorsUnavailable) as error:
        unknown = dict.fromkeys(("dialect", "title", "version", "extension"))
        return {"alias": alias, **unknown, "error": without_secrets(str(error)), "tables": [], "missing_tables": []}


def status_of(database: Database, note: Note) -> dict[str, Any]:
    """Return what one database holds; the keys are documented in docs/reference/command-line.md.

    ``note`` is called with the name of each table before it is read.
    """
    dialect = database.dialect
    version = database.ask(dialect.upkeep.version).get("version")
    models = [model for model in models_with_vectors() if database.has_table(model)]
    return {
        "alias": database.alias,
        "dialect": dialect.name,
        "title": dialect.title,
        "version": str(version) if version else None,
        "extension": _extension(database),
        "error": None,
        "tables": [_table(database, model, note) for model in models],
        "missing_tables": [label_of(model) for model in models_with_vectors() if model not in models],
    }


def _extension(database: Database) -> dict[str, str | None]:
    from ..schema.operations import require_version

    try:
        require_version(database.dialect, database.connection)
    except VectorsUnavailable as error:
        return {"version": None, "error": str(error)}
    version = database.ask(database.dialect.extension.version_query).get("version")
    return {"version": str(version) if version else None, "error": None}


def _table(database: Database, model: Any, note: Note) -> dict[str, Any]:
    note(f"{database.alias}, {label_of(model)}")
    rows, missing = database.rows(model), database.missing_columns(model)
    fields = [field for field in model._meta.concrete_fields if reads_vectors(field) and field.column not in missing]
    return {
        "model": label_of(model),
        "table": model._meta.db_table,
        "rows": rows.count(),
        "missing_columns": missing,
        "fields": [_field(rows, model, field) for field in fields],
        "indexes": [] if missing else [state.as_json() for state in index_states(database, model, sizes=True)],
    }


def _field(rows: Any, model: Any, field: Any) -> dict[str, Any]:
    return {
        "name": field.name,
        "kind": type(field).__name__,
        "dimensions": getattr(innermost(field), "dimensions", None),
        "without_vector": rows.filter(**{f"{field.name}__isnull": True}).count() if field.null else 0,
        "embedding_models": embedding_models(rows, model, field),
    }


def embedding_models(rows: Any, model: Any, field: Any) -> list[dict[str, Any]] | None:
    """Return how many rows each embedding model has embedded; None for a field that does not record it."""
    from dorm.aggregates import Count

    from ..embeddings.on_save import model_name

    if not getattr(field, "records_model", False):
        return None
    name = model_name(field)
    counted = rows.filter(**{f"{field.name}__isnull": False}).values(name).annotate(found=Count(field.name))
    return [{"model": row[name], "rows": row["found"]} for row in counted.order_by(name)]


def _lines(found: list[dict[str, Any]]) -> Iterator[str]:
    head = ["database", "server", "version", "vectors"]
    yield from table(head, [[d["alias"], d["title"], d["version"], _vectors(d)] for d in found])
    for database in found:
        if not database["error"]:
            yield from _tables(database)


def _vectors(database: dict[str, Any]) -> str:
    if database["error"]:
        return f"error: {database['error']}"
    extension = database["extension"]
    own = extension["version"] if extension["version"] != database["version"] else None
    return str(extension["error"] or own or "built in")


def _tables(database: dict[str, Any]) -> Iterator[str]:
    yield ""
    if not database["tables"]:
        yield f"{database['alias']}: no table of a model with vectors. Run: {Database(database['alias']).migrate()}."
        return
    head = [database["alias"], "field", "dimensions", "rows", "without vector", "embedded by"]
    rows = [
        [each["model"], field["name"], field["dimensions"], each["rows"], field["without_vector"], _models(field)]
        for each in database["tables"]
        for field in each["fields"]
    ]
    yield from table(head, rows)
    indexes = [(each, index) for each in database["tables"] for index in each["indexes"]]
    if indexes:
        yield ""
        head = ["index", "model", "kind", "distance", "state", "size", "companion"]
        yield from table(
            head,
            [
                [i["name"], each["model"], i["kind"], i["distance"], i["state"], size_of(i["bytes"]), _content(i)]
                for each, i in indexes
            ],
        )
        noted = [f"{index['name']}: {index['note']}" for _table, index in indexes if index["note"]]
        yield from ("", *noted) if noted else ()


def _models(field: dict[str, Any]) -> str | None:
    known = field["embedding_models"]
    return ", ".join(f"{each['model'] or 'unknown'}: {each['rows']:,}" for each in known) if known else None


def _content(index: dict[str, Any]) -> str | None:
    content = index["companion"]
    if content is None:
        return None
    return "in sync" if content["in_sync"] else f"{content['missing'] + content['extra']:,} rows differ"
