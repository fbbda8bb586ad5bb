"""Rows and search plans as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ..values.shown import first_values
from .reading import shown_names

_ROWS = 20

_CHARACTERS = 80


def rows_as_html(queryset: Any) -> str:
    """Return the first rows as a table, with vectors and long texts in short."""
    found = list(queryset[: _ROWS + 1])
    names = [name for name in queryset._query.selected_fields or () if name] if queryset._query.is_values() else []
    names = names or shown_names(queryset)
    more = f"<p>The first {_ROWS} rows.</p>" if len(found) > _ROWS else ""
    return table_as_html(names, (_values(row, names) for row in found[:_ROWS])) + more


def table_as_html(names: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table with a head."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(shown(value))}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown(value: Any) -> str:
    """Return a value as short text."""
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.6g}"
    if hasattr(value, "dtype") or _is_numbers(value):
        return f"{first_values(value, len(value))} ({len(value)} dimensions)"
    text = str(value)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, float) for each in value)


def _values(row: Any, names: Sequence[str]) -> list[Any]:
    if isinstance(row, dict):
        return [row[name] for name in names]
    if isinstance(row, tuple):
        return list(row)
    return [getattr(row, name, None) for name in names] if hasattr(row, "_meta") else [row]
