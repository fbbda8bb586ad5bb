"""Rows that reach a table around ``save()``: their embeddings are made of what they are, before they are bound."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from dorm.models import _model_registry

from ..steps import Steps, run
from .embedding import embedding_fields, filled, hash_name
from .repairs import repair
from .serializing import plain

_AT_A_TIME = 1_000


def filled_rows(model: Any, rows: list[Any]) -> Steps[list[Any]]:
    """Return the rows of a load, instances or dicts, with the embeddings that they lack."""
    fields = embedding_fields(model)
    if not fields or not all(isinstance(row, (model, Mapping)) for row in rows):
        return rows  # what is no row is refused further on
    instances = [row if isinstance(row, model) else model(**row) for row in rows]
    yield from filled(instances)
    return [
        row if isinstance(row, model) else {**row, **_made(fields, instance)}
        for row, instance in zip(rows, instances, strict=True)
    ]


def filled_columns(model: Any, columns: Mapping[str, Any]) -> Steps[Mapping[str, Any]]:
    """Return the columns of a load with those of the embeddings that they lack."""
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


def _made(fields: list[Any], instance: Any) -> dict[str, Any]:
    return {name: instance.__dict__.get(name) for field in fields for name in (field.attname, hash_name(field))}


@repair("dorm.serialize", "load")
def embeddings_in_fixtures(original: Any, text: str, *args: Any, **options: Any) -> Any:
    """Let ``loaddata`` embed the rows of a fixture whose vector is missing, or is of another text or model.

    Symptom: such a row has no vector, or a wrong one, and no search finds it. Cause: a fixture is loaded around
    ``save()``. djanorm 4.3 to 4.5.
    """
    if any(embedding_fields(model) for model in _model_registry.values()):
        text = run(_filled_fixture(text))
    return original(text, *args, **options)


def _filled_fixture(text: str) -> Steps[str]:
    from dorm.serialize import _resolve_model, deserialize

    records: Any = json.loads(text)
    by_model: dict[Any, list[Any]] = {}
    for record in records if isinstance(records, list) else ():
        if record.get("model"):
            by_model.setdefault(_resolve_model(record["model"]), []).append(record)
    for model, own in by_model.items():
        fields = embedding_fields(model)
        instances = list(deserialize(json.dumps(own))) if fields else []
        yield from filled(instances)
        for record, instance in zip(own, instances, strict=False):
            made = _made(fields, instance)
            record.setdefault("fields", {}).update({name: plain(value) for name, value in made.items()})
    return json.dumps(records)
