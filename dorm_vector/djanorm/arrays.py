"""Arrays of vectors, on the database that has arrays."""

from __future__ import annotations

import re
from typing import Any

from .repairs import repair

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)')


@repair("dorm.fields:ArrayField", "from_db_value")
def vector_arrays(original: Any, field: Any, value: Any) -> Any:
    """Read arrays of vectors.

    Symptom: ``ArrayField(VectorField(…))`` reads text. Cause: the driver knows no array of pgvector's types, and
    ArrayField does not ask its base field for what was read. djanorm 4.3 to 4.5.
    """
    if value is None or not hasattr(field.base_field, "to_vector"):
        return original(field, value)
    elements = value if isinstance(value, list) else [quoted or plain for quoted, plain in _ELEMENT.findall(value)]
    return [field.base_field.from_db_value(None if element == "NULL" else element) for element in elements]
