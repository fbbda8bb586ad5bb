"""The rows and the query of a search, from the arguments of a command."""

from __future__ import annotations

import json
from typing import Any

from dorm.exceptions import FieldDoesNotExist, ValidationError
from dorm.lookups import parse_lookup_key
from dorm.queryset import QuerySet

from ..exceptions import VectorError
from ..introspection import vector_fields
from .database import Database
from .exit_codes import UsageError
from .project import checked_alias, model_named

_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


def add_model_argument(parser: Any) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model: shop.Product, or Product if no other has the name")


def add_field_argument(parser: Any) -> None:
    parser.add_argument("--field", metavar="NAME", help="the vector field; needed if the model has several")


def add_filter_argument(parser: Any) -> None:
    parser.add_argument(
        "filters",
        nargs="*",
        metavar="FIELD=VALUE",
        help="filters as in filter(): price__lt=10, in_stock=true, color__in=red,blue, sold__isnull=true",
    )


def add_distance_argument(parser: Any) -> None:
    parser.add_argument("--distance", help="the distance; by default that of the field's index, or l2")


def model_and_database(options: Any) -> tuple[Any, Database]:
    """Return the model and the database of a command; raise UsageError if there is no such table."""
    model, database = model_named(options.model), Database(checked_alias(options.database))
    if not database.has_table(model):
        raise UsageError(
            f"The database {options.database!r} has no table {model._meta.db_table}. Run: {database.migrate()}"
        )
    if missing := database.missing_columns(model):
        raise UsageError(
            f"The table {model._meta.db_table} has no column {', '.join(missing)}. Run: {database.migrate()}"
        )
    return model, database


def vector_field_named(model: Any, name: str | None) -> Any:
    """Return the vector field of that name, or the model's only one."""
    fields = {field.name: field for field in vector_fields(model)}
    if name is None and len(fields) == 1:
        return next(iter(fields.values()))
    if name not in fields:
        there = f"It has {', '.join(fields)}." if fields else "It has none."
        said = "Give --field" if name is None else f"{model.__name__} has no vector field {name!r}"
        raise UsageError(f"{said}. {there}")
    return fields[name]


def filtered(rows: Any, arguments: list[str]) -> Any:
    """Return the rows that pass the filters of the command line."""
    for argument in arguments:
        path, is_given, text = argument.partition("=")
        if not is_given or not path:
            raise UsageError(f"{argument!r} is no filter. Write FIELD=VALUE, such as price__lt=10.")
        try:
            rows = rows.filter(**{path: _value(rows.model, path, text)})
        except (FieldDoesNotExist, ValidationError, ValueError, TypeError) as error:
            raise UsageError(f"{argument!r} is no filter of {rows.model.__name__}: {error}") from error
    return rows


def _value(model: Any, path: str, text: str) -> Any:
    """Return the value of a filter, as the type of its field."""
    names, lookup = parse_lookup_key(path)
    field = _field_at(model, list(names))
    if lookup == "isnull":
        return _bool(text)
    if lookup in ("in", "range"):
        return [_as(field, part) for part in text.split(",")]
    return _as(field, text)


def _field_at(model: Any, names: list[str]) -> Any:
    field = None
    for name in names:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
        if hasattr(field, "_resolve_related_model"):
            model = field._resolve_related_model()
    return model._meta.pk if hasattr(field, "_resolve_related_model") else field


def _as(field: Any, text: str) -> Any:
    from dorm.fields import BooleanField

    try:
        return _bool(text) if isinstance(field, BooleanField) else field.to_python(text)
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is no number.") from error


def _bool(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(f"{text!r}: want true or false.")
    return text.lower() in _TRUE


def add_query_arguments(parser: Any) -> None:
    """Add the query of a search: text, a vector, or a stored row."""
    add_model_argument(parser)
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to search for; not with --vector or --like")
    add_filter_argument(parser)
    add_field_argument(parser)
    parser.add_argument("--vector", metavar="JSON", help="search by a vector, '[0.1, 0.2, …]', instead of TEXT")
    parser.add_argument("--like", metavar="KEY", help="search by the vector of the row with this primary key")
    add_distance_argument(parser)
    parser.add_argument("--limit", type=positive, default=10, help="the number of rows; 10 by default")
    parser.add_argument("--exact", action="store_true", help="do not use an index")
    parser.add_argument("--approximate", action="store_true", help="let the search use an approximate index (libSQL)")


def positive(text: str) -> int:
    """Return a number of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def search_of(options: Any) -> tuple[Any, Any]:
    """Return the search that the command line describes, and its vector field."""
    model, database = model_and_database(options)
    field = vector_field_named(model, options.field)
    by_text = options.vector is None and options.like is None
    filters = options.filters if by_text or options.text is None else [options.text, *options.filters]
    rows = filtered(database.searched(model), filters)
    exact = True if options.exact else False if options.approximate else None
    try:
        found = rows.nearest(field.name, _query(options, field, rows), distance=options.distance, exact=exact)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return found[: options.limit], field


def _query(options: Any, field: Any, rows: Any) -> Any:
    if options.like is not None:
        row = QuerySet(rows.model, rows._db).filter(pk=rows.model._meta.pk.to_python(options.like)).first()
        if row is None:
            raise UsageError(f"{rows.model.__name__} has no row with the primary key {options.like!r}.")
        return row
    if options.vector is not None:
        return _parsed(field, options.vector)
    if not options.text:
        raise UsageError("Give a text, --vector or --like.")
    if getattr(field, "_embedder", None) is None:
        raise UsageError(f"{field.label} has no embedder for text. Give --vector or --like.")
    return options.text


def _parsed(field: Any, text: str) -> Any:
    try:
        return field.to_vector(json.loads(text))
    except json.JSONDecodeError as error:
        raise UsageError(f"--vector {text!r} is no JSON: {error}. Write '[0.1, 0.2]'.") from error
    except VectorError as error:
        raise UsageError(f"--vector: {error}") from error
