"""Embed rows that bypass ``save()``, before their values are bound."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from ..steps import Steps
from ..values.missing import is_missing
from .on_save import embedding_fields, filled, hash_name

_AT_A_TIME = 1_000


def filled_rows(model: Any, rows: list[Any]) -> Steps[list[Any]]:
    """Return the rows of a load (instances or dicts) with their missing embeddings added."""
    fields = embedding_fields(model)
    if not fields or not all(isinstance(row, (model, Mapping)) for row in rows):
        return rows  # invalid rows are rejected later
    instances = [row if isinstance(row, model) else model(**_whole(row)) for row in rows]
    yield from filled(instances)
    return [
        row if isinstance(row, model) else {**row, **_made(fields, instance)}
        for row, instance in zip(rows, instances, strict=True)
    ]


def filled_columns(model: Any, columns: Mapping[str, Any]) -> Steps[Mapping[str, Any]]:
    """Return the columns of a load with the missing embedding columns added."""
    fields = embedding_fields(model)
    if not fields:
        return columns
    made: dict[str, list[Any]] = {name: [] for field in fields for name in (field.name, hash_name(field))}
    rows = zip(*columns.values(), strict=False)
    while part := [dict(zip(columns, values, strict=True)) for values in islice(rows, _AT_A_TIME)]:
        for row in (yield from filled_rows(model, part)):
            for name, values in made.items():
                values.append(row[name])
    return {**columns, **{name: values for name, values in made.items() if name not in columns}}


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if is_missing(value) else value for name, value in row.items()}


def _made(fields: list[Any], instance: Any) -> dict[str, Any]:
    return {name: instance.__dict__.get(name) for field in fields for name in (field.attname, hash_name(field))}
