"""Vectors in JSON: fixtures of ``dumpdata``, and the schemas of ``dorm.contrib.pydantic``."""

from __future__ import annotations

from typing import Any

from ..bits import Bit
from ..elements import Element
from ..fields import VectorField
from ..sparse import SparseVector
from ..vector import Vector
from .repairs import repair


def plain(value: Any) -> Any:
    """Return a vector as JSON has it: a list of numbers, or the text of a sparse vector or of bits."""
    if isinstance(value, (SparseVector, Bit)):
        return value.to_text()
    if isinstance(value, Vector):
        return value.to_list()
    return value.tolist() if hasattr(value, "__array__") else value


@repair("dorm.serialize", "_serialize_value")
def vectors_in_fixtures(original: Any, value: Any) -> Any:
    """Let ``dumpdata`` write vectors as lists of numbers.

    Symptom: ``Object of type ndarray is not JSON serializable``, and an instance that was never read back is written
    as base64. Cause: the serializer knows the types of djanorm's own fields. djanorm 4.3 to 4.5.
    """
    return original(plain(value))


@repair("dorm.contrib.pydantic", "_base_type_for")
def vectors_in_schemas(original: Any, field: Any) -> Any:
    """Give a vector field its type in ``DormSchema`` and ``schema_for()``.

    Symptom: the JSON schema says nothing about the vector, and ``as_numpy`` fields raise PydanticSerializationError.
    Cause: a field that djanorm does not know is ``Any``. djanorm 4.3 to 4.5.
    """
    return _annotated(field) if isinstance(field, VectorField) else original(field)


def _annotated(field: VectorField) -> Any:
    from typing import Annotated

    from pydantic import BeforeValidator, Field

    if field.element in (Element.SPARSE, Element.BIT):
        return Annotated[str, BeforeValidator(plain)]
    length = Field(min_length=field.dimensions, max_length=field.dimensions)
    return Annotated[list[float], BeforeValidator(plain), length]
