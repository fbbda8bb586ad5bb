"""Vectors in JSON: ``dumpdata`` fixtures and ``dorm.contrib.pydantic`` schemas."""

from __future__ import annotations

import json
from typing import Any

from dorm.models import _model_registry

from ..embeddings.loading import _made
from ..embeddings.on_save import embedding_fields, filled, record_names
from ..patching.registry import hook
from ..steps import Steps, run
from ..values.bit import Bit
from ..values.elements import Element
from ..values.sparse import SparseVector
from ..values.vector import Vector
from .fields import VectorField


def plain(value: Any) -> Any:
    """Return a JSON-compatible vector: a list of numbers, or text for a sparse vector or bits."""
    if isinstance(value, (SparseVector, Bit)):
        return value.to_text()
    if isinstance(value, Vector):
        return value.to_list()
    if isinstance(value, list) and value and not isinstance(value[0], float):
        return [plain(element) for element in value]
    return value.tolist() if hasattr(value, "__array__") else value


@hook("dorm.serialize", "_serialize_value")
def vectors_in_fixtures(original: Any, value: Any) -> Any:
    """Make ``dumpdata`` write vectors as lists of numbers.

    Symptom: ``Object of type ndarray is not JSON serializable``, and an instance that was never read back is written
    as base64. Cause: the serializer supports only the types of djanorm's own fields. djanorm 4.3 to 4.5.
    """
    return original(plain(value))


@hook("dorm.contrib.pydantic", "_base_type_for")
def vectors_in_schemas(original: Any, field: Any) -> Any:
    """Give vector fields a type in ``DormSchema`` and ``schema_for()``.

    Symptom: the JSON schema does not describe the vector, and ``as_numpy`` fields raise PydanticSerializationError.
    Cause: djanorm maps fields that it does not know to ``Any``. djanorm 4.3 to 4.5.
    """
    return _annotated(field) if isinstance(field, VectorField) else original(field)


@hook("dorm.contrib.pydantic", "_auto_pk_excludes", name="embeddings_in_requests")
def _without_hashes(original: Any, model_cls: Any) -> tuple[str, ...]:
    return (*original(model_cls), *(name for field in embedding_fields(model_cls) for name in record_names(field)))


@hook("dorm.contrib.pydantic", "create_schema_for")
def embeddings_in_requests(
    original: Any, model_cls: Any, *, name: str | None = None, exclude: tuple[str, ...] = (), **options: Any
) -> Any:
    """Make embeddings optional in requests, because the server computes them, and do not accept their records."""
    made = tuple(field.name for field in embedding_fields(model_cls))
    if not made:
        return original(model_cls, name=name, exclude=exclude, **options)
    from dorm.contrib import pydantic

    left_out = (*exclude, *pydantic._auto_pk_excludes(model_cls))
    return pydantic.schema_for(
        model_cls, name=name or f"{model_cls.__name__}Create", exclude=left_out, optional=made, **options
    )


def _annotated(field: VectorField) -> Any:
    from typing import Annotated

    from pydantic import BeforeValidator, Field

    if field.element in (Element.SPARSE, Element.BIT):
        return Annotated[str, BeforeValidator(plain)]
    length = Field(min_length=field.dimensions, max_length=field.dimensions)
    return Annotated[list[float], BeforeValidator(plain), length]


@hook("dorm.serialize", "load")
def embeddings_in_fixtures(original: Any, text: str, *args: Any, **options: Any) -> Any:
    """Make ``loaddata`` embed the fixture rows whose vector is missing or was computed from another text or model.

    Symptom: such a row has no vector, or a wrong one, and no search finds it. Cause: ``loaddata`` bypasses ``save()``.
    djanorm 4.3 to 4.5.
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
