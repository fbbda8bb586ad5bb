"""Arrays of vectors, on the database that has arrays."""

from __future__ import annotations

import re
from typing import Any

from .repairs import repair

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)')


@repair("dorm.fields:ArrayField", "get_db_prep_value", name="vector_arrays")
def vector_arrays(original: Any, field: Any, value: Any) -> Any:
    """Write and read arrays of vectors.

    Symptom: ``ArrayField(VectorField(…))`` cannot be written, and reads text. Cause: the driver knows no array of
    pgvector's types, and ArrayField does not ask its base field for what was read. djanorm 4.3 to 4.5.
    """
    if value is None or not hasattr(field.base_field, "to_vector"):
        return original(field, value)
    return "{" + ",".join(map(_written, original(field, value))) + "}"


@repair("dorm.fields:ArrayField", "from_db_value", name="vector_arrays")
def _read(original: Any, field: Any, value: Any) -> Any:
    if value is None or not hasattr(field.base_field, "to_vector"):
        return original(field, value)
    elements = value if isinstance(value, list) else [quoted or plain for quoted, plain in _ELEMENT.findall(value)]
    return [field.base_field.from_db_value(None if element == "NULL" else element) for element in elements]


def _written(vector: Any) -> str:
    return "NULL" if vector is None else f'"{vector.to_text()}"'
