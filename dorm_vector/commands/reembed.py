"""``dorm-vector reembed``: embed the rows whose text or embedding model has changed."""

from __future__ import annotations

from typing import Any

from .exit_codes import DONE, FOUND, UsageError
from .output import Output
from .progress import TerminalProgress
from .project import add_database_argument, label_of
from .rows import add_field_argument, add_filter_argument, add_model_argument, filtered, model_and_database, positive

HELP = "Embed the rows whose vector does not match their text and embedding model. Run it again to resume."

EXIT_1 = (
    "With --dry-run, there are rows to embed."
    " Without it, the embedder or the database failed; the rows before are stored."
)


def add_arguments(parser: Any) -> None:
    add_model_argument(parser)
    add_filter_argument(parser)
    add_field_argument(parser)
    parser.add_argument(
        "--batch-size",
        type=positive,
        metavar="ROWS",
        help="rows at a time; by default, what the embedder embeds in half a second",
    )
    parser.add_argument("--shared", action="store_true", help="share the rows with other workers that run this command")
    parser.add_argument("--zeros", action="store_true", help="also embed rows whose vector is all zeros")
    parser.add_argument("--dry-run", action="store_true", help="count the rows, and change nothing; 1 if there are any")
    add_database_argument(parser)


def run(options: Any, output: Output) -> int:
    """Embed the stale rows, or count them; with ``--dry-run``, the exit code is 1 if there are any."""
    model, database = model_and_database(options)
    field = _embedding_field(model, options.field)
    rows, size = filtered(database.rows(model), options.filters), options.batch_size
    with TerminalProgress("Checking" if options.dry_run else "Embedding") as progress:
        if options.dry_run:
            count = _counted(rows, field, size, progress, zeros=options.zeros)
        else:
            count = _embedded(rows, field, size, progress, zeros=options.zeros, shared=options.shared)
    data = {"model": label_of(model), "field": field.name, "rows": count, "dry_run": options.dry_run}
    what = "rows would be embedded" if options.dry_run else "rows embedded"
    output.show(data, [f"{label_of(model)}.{field.name}: {count:,} {what}."])
    return FOUND if options.dry_run and count else DONE


def _embedding_field(model: Any, name: str | None) -> Any:
    from ..embeddings.on_save import embedding_fields

    fields = {field.name: field for field in embedding_fields(model)}
    if name is None and len(fields) == 1:
        return next(iter(fields.values()))
    if name not in fields:
        there = f"It has {', '.join(fields)}." if fields else "It has none."
        raise UsageError(f"{model.__name__}: give --field, the name of an EmbeddingField with an embedder. {there}")
    return fields[name]


def _embedded(rows: Any, field: Any, size: int | None, progress: Any, *, zeros: bool, shared: bool) -> int:
    from ..embeddings.on_save import hash_name
    from ..embeddings.reembedding import reembed

    if zeros:
        # Their hash is right, and a row without one is stale, also for the run that resumes this one.
        _with_zeros(rows, field).update(**{hash_name(field): None})
    return reembed(rows, field.name, batch_size=size, progress=progress, shared=shared)


def _counted(rows: Any, field: Any, size: int | None, progress: Any, *, zeros: bool) -> int:
    from ..embeddings.reembedding import reembed

    stale = reembed(rows, field.name, batch_size=size, progress=progress, dry_run=True)
    if not zeros:
        return stale
    empty = _with_zeros(rows, field)
    return stale + int(empty.count()) - reembed(empty, field.name, dry_run=True)


def _with_zeros(rows: Any, field: Any) -> Any:
    return rows.filter(**{field.name: [0.0] * field.dimensions})
