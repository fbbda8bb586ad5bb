"""Embed rows in batches before they are saved."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from dorm.expressions import F
from dorm.queryset import QuerySet

from ..engines.connections import alias_of
from ..exceptions import StaleEmbedding, frames_inside
from ..introspection import is_one_of, vector_fields
from ..patching.registry import hook
from ..steps import Fetch, Steps, arun, run
from .prepared import Prepared, changes_on_save

_LEFT_OUT = object()


def embedding_fields(model: Any) -> list[Any]:
    """Return the embedding fields of the model that have an embedder and a source."""
    return [field for field in model._meta.concrete_fields if getattr(field, "fills", False)]


def hash_name(field: Any) -> str:
    return f"{field.name}_hash"


def model_name(field: Any) -> str:
    return f"{field.name}_model"


def record_names(field: Any) -> list[str]:
    """Return the names of the fields that record what the vector was computed from."""
    return [hash_name(field), *([model_name(field)] if field.records_model else [])]


def record(field: Any, text: str | None) -> dict[str, str | None]:
    """Return the records of a vector that the field's model computes from a text; None is no vector."""
    known: dict[str, str | None] = {hash_name(field): field.hash(text) if text is not None else None}
    if field.records_model:
        known[model_name(field)] = field.model_name if text is not None else None
    return known


@hook("dorm.models:Model", "_do_insert", name="embeddings_on_save")
@hook("dorm.models:Model", "_do_update", name="embeddings_on_save")
def embeddings_on_save(
    original: Any, instance: Any, connection: Any, meta: Any, update_fields: Collection[str] | None = None
) -> Any:
    """Embed an instance after signal receivers and ``pre_save()`` methods, which may change its text."""
    if not embedding_fields(type(instance)):
        return original(instance, connection, meta, *_given(update_fields))
    prepared = _prepared(instance, meta, update_fields, adding=original.__name__.endswith("insert"))
    made = run(filled([instance], update_fields, alias_of(connection), prepared))
    return original(instance, connection, Prepared.of(meta, prepared), *_given(update_fields, made))


@hook("dorm.models:Model", "_ado_insert", name="embeddings_on_save")
@hook("dorm.models:Model", "_ado_update", name="embeddings_on_save")
async def _aembeddings_on_save(
    original: Any, instance: Any, connection: Any, meta: Any, update_fields: Collection[str] | None = None
) -> Any:
    if not embedding_fields(type(instance)):
        return await original(instance, connection, meta, *_given(update_fields))
    prepared = _prepared(instance, meta, update_fields, adding=original.__name__.endswith("insert"))
    made = await arun(filled([instance], update_fields, alias_of(connection), prepared))
    return await original(instance, connection, Prepared.of(meta, prepared), *_given(update_fields, made))


def _given(update_fields: Collection[str] | None, made: Collection[str] = ()) -> list[list[str]]:
    # An INSERT takes no field names.
    return [] if update_fields is None else [[*update_fields, *made]]


def _prepared(instance: Any, meta: Any, names: Collection[str] | None, *, adding: bool) -> dict[str, Any]:
    """Return the ``pre_save()`` values of the fields that a text may depend on."""
    readers = embedding_fields(type(instance))
    fields = [
        field
        for field in meta.concrete_fields
        if changes_on_save(field)
        and (adding or (field.attname in instance.__dict__ and (names is None or field.name in names)))
        and any(reader.reads({field.name}) for reader in readers)
    ]
    return {field.attname: field.pre_save(instance, adding) for field in fields}


def filled(
    instances: list[Any],
    written: Iterable[str] | None = None,
    using: str | None = None,
    prepared: Mapping[str, Any] | None = None,
) -> Steps[list[str]]:
    """Embed the texts that changed, and return the names of the embedding and hash fields that may have changed.

    Args:
        instances: The rows to embed, all of one model.
        written: The names of the fields that will be saved; None means all fields.
        using: The database alias to read stored values from.
        prepared: The values that will be written instead of those of the instance, if there is only one.
    """
    names, changed = None if written is None else set(written), []
    for field in embedding_fields(type(instances[0])) if instances else ():
        if names is not None and not field.reads(names):
            continue
        changed += [field.name, *record_names(field)]
        waiting = yield from waiting_texts(field, instances, names, using, prepared)
        for start in range(0, len(waiting), field.batch_size):
            yield from embedded(field, waiting[start : start + field.batch_size])
    return changed


def waiting_texts(
    field: Any,
    instances: list[Any],
    names: AbstractSet[str] | None = None,
    using: str | None = None,
    prepared: Mapping[str, Any] | None = None,
) -> Steps[list[tuple[Any, str]]]:
    """Return the instances whose text has changed, with the text."""
    sources = yield from _Texts(field, instances, names, prepared or {}).read(using)
    return [
        (instance, text)
        for instance, source in zip(instances, sources, strict=True)
        if source is not None and (text := _wanted(field, instance, source)) is not None
    ]


class _Texts:
    """The objects from which to read the text of each instance, with the values that will be stored."""

    def __init__(
        self, field: Any, instances: list[Any], names: AbstractSet[str] | None, prepared: Mapping[str, Any]
    ) -> None:
        self._field, self._instances, self._prepared = field, instances, prepared
        self._model = type(instances[0])
        self._columns = _columns_read(field, self._model)
        columns = [each for each in self._model._meta.concrete_fields if each.attname in self._columns]
        self._kept = {
            each.attname
            for each in columns
            if names is not None and not each.primary_key and names.isdisjoint((each.name, each.attname))
        }
        """Columns that keep their stored value, regardless of the values of the instances."""

    def read(self, using: str | None) -> Steps[list[Any]]:
        """Return an object to read the text from for each instance, or None if its text cannot have changed.

        The object is the instance, or a copy with the stored values if part of the row keeps them.
        """
        partial = [instance for instance in self._instances if self._needs_stored(instance)]
        stored = {}
        if partial:
            others = [vector.name for vector in vector_fields(self._model)]
            rows = yield Fetch(QuerySet(self._model, using or "default").filter(is_one_of(partial)).defer(*others))
            stored = {row.pk: row for row in rows}
        return [
            self._joined(stored.get(instance.pk), instance) if self._may_have_changed(instance) else None
            for instance in self._instances
        ]

    def _needs_stored(self, instance: Any) -> bool:
        if instance._is_unsaved():
            return False
        return bool(self._kept) or not (self._columns | {hash_name(self._field)}) <= instance.__dict__.keys()

    def _may_have_changed(self, instance: Any) -> bool:
        written = self._columns - self._kept
        held = instance.__dict__ | dict(self._prepared)
        if any(is_computed(held[name]) for name in written & held.keys()):
            warn_of_stale(self._field)
            return False
        return bool(written & held.keys()) or instance._is_unsaved() or self._columns <= held.keys()

    def _joined(self, stored: Any, instance: Any) -> Any:
        if stored is None and not self._prepared:
            return instance
        whole = copy.copy(instance if stored is None else stored)
        held = {name: value for name, value in instance.__dict__.items() if stored is None or name not in self._kept}
        whole.__dict__ = {**whole.__dict__, **held, **self._prepared}
        return whole


def _columns_read(field: Any, model: Any) -> set[str]:
    """Return the attribute names of the columns that the text may depend on."""
    columns = [each for each in model._meta.concrete_fields if not hasattr(each, "keeps_deferred")]
    return {each.attname for each in columns if field.reads({each.name})}


def embedded(field: Any, batch: list[tuple[Any, str]]) -> Steps[None]:
    """Embed the texts of a batch, and set the vector and the hash of each instance."""
    set_vectors(field, batch, (yield from vectors_of(field, [text for _instance, text in batch])))


def set_vectors(field: Any, batch: list[tuple[Any, str]], vectors: Iterable[Any]) -> None:
    """Set the vector and the hash of each instance."""
    for (instance, text), vector in zip(batch, vectors, strict=True):
        setattr(instance, field.name, vector)
        instance.__dict__.update(record(field, text))


def vectors_of(field: Any, texts: list[str]) -> Steps[list[Any]]:
    """Return the vectors of the texts as query parameters of the field."""
    from .embedders import EmbedDocuments, one_for_each

    vectors = yield EmbedDocuments(field.embedder, texts)
    return [field.to_vector(vector) for vector in one_for_each(field.embedder, texts, vectors)]


def _wanted(field: Any, instance: Any, source: Any) -> str | None:
    """Return the text to embed, or None if the vector is up to date or was assigned by the caller."""
    attributes, name = instance.__dict__, hash_name(field)
    known, vector = source.__dict__.get(name), attributes.get(field.attname, _LEFT_OUT)
    text: str | None = field.text(source)
    if text is None:
        cleared(field, instance)
        return None
    right = field.hash(text)
    if known is None and instance._is_unsaved() and vector not in (None, _LEFT_OUT):
        # The caller may say which model the vector is from.
        given = {key: value for key, value in attributes.items() if key == model_name(field) and value is not None}
        attributes.update(record(field, text) | given)
        return None
    if known != right or vector is None:
        return text
    if field.records_model and attributes.get(model_name(field), _LEFT_OUT) is None:
        # The hash holds the name of the model, too: it is this one.
        attributes.update(record(field, text))
    return None


def cleared(field: Any, instance: Any) -> None:
    """Clear the vector and the hash of an instance that no longer has text."""
    setattr(instance, field.name, None)
    instance.__dict__.update(record(field, None))


def names_read(fields: list[Any], names: Collection[str]) -> list[str]:
    """Return the names of the embedding and hash fields whose text depends on the written fields."""
    return [name for field in fields if field.reads(names) for name in (field.name, *record_names(field))]


def is_computed(value: Any) -> bool:
    """Return whether the database computes the value, so that the text is unknown before the write."""
    return isinstance(value, F) or hasattr(value, "as_sql") or hasattr(value, "_query")


def warn_of_stale(field: Any) -> None:
    """Warn before anything is sent, so that nothing has changed if warnings are errors."""
    message = (
        f"{field.label}: this may give a row another text, and leave it the vector of the old one."
        f" Embed it afterwards: reembed({field.model.__name__}.objects.all(), {field.name!r})."
    )
    warnings.warn(message, StaleEmbedding, stacklevel=frames_inside())
