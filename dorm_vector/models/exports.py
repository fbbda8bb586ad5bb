"""``dorm.contrib`` exports: vectors as numbers in JSON, CSV and MessagePack, and in OpenAPI and Avro schemas."""

from __future__ import annotations

from typing import Any

from ..introspection import vector_fields
from ..patching.registry import hook
from ..values.elements import Element
from .serialization import plain


@hook("dorm.contrib.streaming", "_row_to_dict", name="vectors_in_exports")
@hook("dorm.contrib.serializers", "_row_to_dict", name="vectors_in_exports")
def vectors_in_exports(original: Any, row: Any) -> dict[str, Any]:
    """Write vectors as lists of numbers, and sparse vectors and bits as text."""
    return {name: plain(value) for name, value in original(row).items()}


@hook("dorm.contrib.serializers", "openapi_schema_for", name="vectors_in_exports")
def _vectors_in_openapi(original: Any, model_cls: Any, **options: Any) -> dict[str, Any]:
    schema: dict[str, Any] = original(model_cls, **options)
    for field in vector_fields(model_cls):
        if field.name in schema["properties"] and not _is_text(field):
            length = {} if field.dimensions is None else {"minItems": field.dimensions, "maxItems": field.dimensions}
            schema["properties"][field.name] = {"type": "array", "items": {"type": "number"}, **length}
    return schema


@hook("dorm.contrib.serializers", "avro_schema_for", name="vectors_in_exports")
def _vectors_in_avro(original: Any, model_cls: Any) -> dict[str, Any]:
    schema: dict[str, Any] = original(model_cls)
    arrays = {field.name: field for field in vector_fields(model_cls) if not _is_text(field)}
    for entry in schema["fields"]:
        if entry["name"] in arrays:
            numbers = {"type": "array", "items": "float"}
            entry["type"] = ["null", numbers] if arrays[entry["name"]].null else numbers
    return schema


def _is_text(field: Any) -> bool:
    return field.element in (Element.SPARSE, Element.BIT)
