"""``dorm-vector search``: the rows nearest to a text, a vector or another row."""

from __future__ import annotations

from typing import Any

from ..introspection import reads_vectors
from ..models.serialization import plain
from .exit_codes import DONE
from .output import Output, table
from .project import add_database_argument, label_of
from .rows import add_query_arguments, search_of

HELP = "Search a model by text, by a vector or by a row, with filters."

EXIT_1 = "The search failed."

_SHOWN = 5


def add_arguments(parser: Any) -> None:
    add_query_arguments(parser)
    parser.add_argument("--columns", metavar="NAMES", help="the fields to show, separated by commas; all in JSON")
    add_database_argument(parser)


def run(options: Any, output: Output) -> int:
    """Print the rows that a search finds, nearest first."""
    search, field = search_of(options)
    names = columns_of(search.model, options.columns)
    rows = [{"pk": row.pk, "distance": row.distance, **_values(row, names)} for row in search]
    data = {"model": label_of(search.model), "field": field.name, "count": len(rows), "rows": rows}
    shown = ["pk", "distance", *(name for name in names if name != search.model._meta.pk.name)]
    if options.columns is None:
        shown = shown[: _SHOWN + 2]
    lines = list(table(shown, [[row[name] for name in shown] for row in rows])) or ["No rows."]
    output.show(data, lines)
    return DONE


def columns_of(model: Any, given: str | None = None) -> list[str]:
    """Return the fields to show: the given ones, or all but vectors and what records of them."""
    from ..embeddings.on_save import embedding_fields, record_names

    known = [field.name for field in model._meta.concrete_fields]
    if given is not None:
        return _known(given.split(","), known, model)
    hidden = {name for field in embedding_fields(model) for name in record_names(field)}
    hidden |= {field.name for field in model._meta.concrete_fields if reads_vectors(field)}
    return [name for name in known if name not in hidden]


def _known(given: list[str], known: list[str], model: Any) -> list[str]:
    from .exit_codes import UsageError

    for name in given:
        if name not in known:
            raise UsageError(f"{model.__name__} has no field {name!r}. It has {', '.join(known)}.")
    return given


def _values(row: Any, names: list[str]) -> dict[str, Any]:
    return {name: plain(getattr(row, row._meta.get_field(name).attname)) for name in names}
