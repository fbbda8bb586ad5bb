"""The roles of a model's fields in a document: detected if unambiguous, and named by options otherwise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from dorm.constraints import UniqueConstraint
from dorm.exceptions import FieldDoesNotExist
from dorm.fields import CharField, JSONField, TextField

from ..expressions.scope import vector_field
from ..introspection import primary_key, require_one_key
from ..models.embedding_field import EmbeddingHashField
from ..models.fields import TextKeyField, VectorField
from .storage import concrete_fields


@dataclass(frozen=True)
class Columns:
    """The fields of a document: its id, its text, its vector, a JSONField for metadata, and metadata columns."""

    model: Any
    key: Any
    text: Any
    vector: Any
    metadata: Any | None
    others: dict[str, Any]
    is_unique: bool = True
    """Whether the database has a unique index of the key."""

    def named(self, name: str) -> Any | None:
        """Return the field that a filter refers to by this name, or None if the name must be a metadata key."""
        found = {"id": self.key, self.key.name: self.key, self.text.name: self.text, **self.others}
        return found.get(name)

    def require_place(self, names: Collection[str]) -> None:
        """Raise ValueError for metadata that the model cannot store."""
        homeless = [name for name in names if name not in self.others]
        if homeless and self.metadata is None:
            raise ValueError(
                f"{self.model.__name__} has no place for the metadata {', '.join(map(repr, homeless))}. It has the"
                f" columns {', '.join(self.others) or 'none'}. Add a field: metadata = dorm.JSONField(default=dict)."
            )


def columns_of(
    model: Any,
    *,
    id_field: str | None = None,
    text_field: str | None = None,
    embedding_field: str | None = None,
    metadata_field: str | None = None,
    metadata_columns: Sequence[str] | None = None,
    store: str = "DormVectorStore",
) -> Columns:
    """Return the role of each field of the model.

    By default, the id is the only TextKeyField or else the primary key; the vector is the only vector field; the text
    is the source of the EmbeddingField or else the only TextField; and the metadata is the JSONField named
    ``metadata``. Every other column is a metadata column. Errors name the class ``store``.

    Raises:
        FieldDoesNotExist: The model has no field with a given name, or a default is ambiguous.
        ValueError: The id field is not unique.
    """
    require_one_key(model, "A store")
    fields = concrete_fields(model)
    if isinstance(metadata_columns, str):
        raise TypeError(f"metadata_columns={metadata_columns!r}: want a list of names.")
    key = _named(fields, id_field or _the_key(fields, primary_key(model)), model)
    _require_kind(key, "id_field", "a key", not isinstance(key, (VectorField, JSONField)))
    is_unique = key.primary_key or key.unique or _is_constrained(model, key.name)
    if not is_unique and id_field is None:
        raise ValueError(
            f"{model.__name__}.{key.name} may be the same in two rows, and an id is not. Declare unique=True, or name"
            f" the field if the table has no such index: {store}(…, id_field={key.name!r})."
        )
    vector = vector_field(model, embedding_field) if embedding_field else _the_vector(model, fields, store)
    text = _named(fields, text_field, model) if text_field else _the_text(model, fields, vector, store)
    _require_kind(text, "text_field", "text", isinstance(text, (CharField, TextField)))
    taken = {key.name, primary_key(model), vector.name, text.name}
    metadata = _the_metadata(fields, metadata_field, model)
    others = {name: field for name, field in fields.items() if field.name not in taken and _is_plain(field, metadata)}
    if metadata_columns is not None:
        others = {name: _named(others, name, model) for name in metadata_columns}
    return Columns(model, key, text, vector, metadata, others, is_unique)


def _require_kind(field: Any, option: str, what: str, is_fit: bool) -> None:
    if not is_fit:
        raise FieldDoesNotExist(
            f"{field.model.__name__}.{field.name} is a {type(field).__name__}, and {option}= wants {what}."
        )


def _is_constrained(model: Any, name: str) -> bool:
    constraints = [item for item in model._meta.constraints if isinstance(item, UniqueConstraint)]
    return any(list(item.fields) == [name] and item.condition is None for item in constraints)


def _named(fields: dict[str, Any], name: str, model: Any) -> Any:
    if name not in fields:
        raise FieldDoesNotExist(f"{model.__name__} has no field {name!r} for that. It has {', '.join(fields)}.")
    return fields[name]


def _the_key(fields: dict[str, Any], primary: str) -> str:
    keys = [str(field.name) for field in fields.values() if isinstance(field, TextKeyField) and field.unique]
    return keys[0] if len(keys) == 1 else primary


def _the_vector(model: Any, fields: dict[str, Any], store: str) -> Any:
    found = [field for field in fields.values() if isinstance(field, VectorField)]
    return _the_one(model, found, "vector field", f"{store}(…, embedding_field=…)")


def _the_text(model: Any, fields: dict[str, Any], vector: Any, store: str) -> Any:
    source = getattr(vector, "source", None)
    if isinstance(source, str):
        return _named(fields, source, model)
    found = [field for field in fields.values() if isinstance(field, TextField)]
    return _the_one(model, found, "TextField", f"{store}(…, text_field=…)")


def _the_one(model: Any, found: list[Any], what: str, call: str) -> Any:
    if len(found) != 1:
        has = " and ".join(field.name for field in found) or "none"
        raise FieldDoesNotExist(f"{model.__name__} has not one {what}, but {has}. Name the field: {call}.")
    return found[0]


def _the_metadata(fields: dict[str, Any], name: str | None, model: Any) -> Any | None:
    field = _named(fields, name, model) if name else fields.get("metadata")
    if name and not isinstance(field, JSONField):
        raise FieldDoesNotExist(f"{model.__name__}.{name} is no JSONField, and metadata may be anything.")
    return field if isinstance(field, JSONField) else None


def _is_plain(field: Any, metadata: Any | None) -> bool:
    return field is not metadata and not isinstance(field, (VectorField, EmbeddingHashField))
