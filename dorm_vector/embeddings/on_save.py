"""Rows on their way to the database: their embeddings are filled first, all of one batch at a time."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Iterable
from typing import Any

from dorm.expressions import F
from dorm.queryset import QuerySet

from ..exceptions import StaleEmbedding, frames_inside
from ..introspection import vector_fields
from ..patching.registry import hook
from ..steps import Fetch, Steps, arun, run
from .embedders import EmbedDocuments, one_for_each

_LEFT_OUT = object()

_SAVE = ("using", "force_insert", "force_update", "update_fields")
"""The arguments of save(), in their order."""


def embedding_fields(model: Any) -> list[Any]:
    """Return the model's fields that keep themselves."""
    return [field for field in model._meta.concrete_fields if getattr(field, "fills", False)]


def hash_name(field: Any) -> str:
    return f"{field.name}_hash"


@hook("dorm.models:Model", "save")
def embeddings_on_save(original: Any, instance: Any, *args: Any, **options: Any) -> Any:
    """Fill the embeddings of an instance after what a ``save()`` of its own changed, and before it is written."""
    if not embedding_fields(type(instance)):
        return original(instance, *args, **options)
    options |= dict(zip(_SAVE, args, strict=False))
    written = run(filled([instance], options.get("update_fields"), options.get("using")))
    return original(instance, **_with_embeddings(options, written))


@hook("dorm.models:Model", "asave", name="embeddings_on_save")
async def _aembeddings_on_save(original: Any, instance: Any, *args: Any, **options: Any) -> Any:
    if not embedding_fields(type(instance)):
        return await original(instance, *args, **options)
    options |= dict(zip(_SAVE, args, strict=False))
    written = await arun(filled([instance], options.get("update_fields"), options.get("using")))
    return await original(instance, **_with_embeddings(options, written))


def _with_embeddings(options: dict[str, Any], written: list[str]) -> dict[str, Any]:
    if options.get("update_fields") is None:
        return options
    return options | {"update_fields": [*options["update_fields"], *written]}


def filled(instances: list[Any], written: Iterable[str] | None = None, using: str | None = None) -> Steps[list[str]]:
    """Embed the texts that have changed, and return the names of the fields that may have.

    ``written`` names the fields that will be saved; None stands for all.
    """
    names, changed = None if written is None else list(written), []
    for field in embedding_fields(type(instances[0])) if instances else ():
        if names is not None and not field.reads(names):
            continue
        changed += [field.name, hash_name(field)]
        sources = yield from _whole(field, instances, using)
        waiting = [
            (instance, text)
            for instance, source in zip(instances, sources, strict=True)
            if source is not None and (text := _wanted(field, instance, source)) is not None
        ]
        for start in range(0, len(waiting), field.batch_size):
            yield from embedded(field, waiting[start : start + field.batch_size])
    return changed


def _whole(field: Any, instances: list[Any], using: str | None) -> Steps[list[Any]]:
    """Return what the text of each instance is read from; None for one whose text cannot have changed.

    That is the instance, or where it was read in part, it with the rest as it is stored.
    """
    columns = _columns_read(field, type(instances[0]))
    partial = [instance.pk for instance in instances if _is_partial(columns | {hash_name(field)}, instance)]
    stored = {}
    if partial:
        model = type(instances[0])
        others = [vector.name for vector in vector_fields(model)]
        rows = yield Fetch(QuerySet(model, using or "default").filter(pk__in=partial).defer(*others))
        stored = {row.pk: row for row in rows}
    return [
        _joined(stored, instance) if _may_have_changed(field, columns, instance) else None for instance in instances
    ]


def _may_have_changed(field: Any, columns: set[str], instance: Any) -> bool:
    held = columns & instance.__dict__.keys()
    if any(is_computed(instance.__dict__[name]) for name in held):
        warn_of_stale(field)
        return False
    return bool(held) or not _is_partial(columns, instance)


def _columns_read(field: Any, model: Any) -> set[str]:
    """Return the columns that the text may come from, as instances hold them."""
    others = vector_fields(model)
    return {each.attname for each in model._meta.concrete_fields if each not in others and field.reads({each.name})}


def _is_partial(columns: set[str], instance: Any) -> bool:
    return not instance._is_unsaved() and not columns <= instance.__dict__.keys()


def _joined(stored: dict[Any, Any], instance: Any) -> Any:
    if instance.pk not in stored:
        return instance
    whole = copy.copy(stored[instance.pk])
    whole.__dict__ = {**whole.__dict__, **instance.__dict__}
    return whole


def embedded(field: Any, batch: list[tuple[Any, str]]) -> Steps[None]:
    """Embed the texts of a batch, and give each instance its vector and its hash."""
    vectors = yield from vectors_of(field, [text for _instance, text in batch])
    for (instance, text), vector in zip(batch, vectors, strict=True):
        setattr(instance, field.name, vector)
        instance.__dict__[hash_name(field)] = field.hash(text)


def vectors_of(field: Any, texts: list[str]) -> Steps[list[Any]]:
    """Return the vectors of the texts, each as the field binds it."""
    vectors = yield EmbedDocuments(field.embedder, texts)
    return [field.to_vector(vector) for vector in one_for_each(field.embedder, texts, vectors)]


def _wanted(field: Any, instance: Any, source: Any) -> str | None:
    """Return the text that has to be embedded; None where the vector is right, or comes from elsewhere."""
    attributes, name = instance.__dict__, hash_name(field)
    known, vector = source.__dict__.get(name), attributes.get(field.attname, _LEFT_OUT)
    text: str | None = field.text(source)
    if text is None:
        cleared(field, instance)
        return None
    right = field.hash(text)
    if known is None and instance._is_unsaved() and vector not in (None, _LEFT_OUT):
        attributes[name] = right
        return None
    return None if known == right and vector is not None else text


def cleared(field: Any, instance: Any) -> None:
    """Take the vector of a text away that is no more."""
    setattr(instance, field.name, None)
    instance.__dict__[hash_name(field)] = None


def names_read(fields: list[Any], names: Collection[str]) -> list[str]:
    """Return the names of the columns that go with what is written."""
    return [name for field in fields if field.reads(names) for name in (field.name, hash_name(field))]


def is_computed(value: Any) -> bool:
    """Tell whether the database makes the value, so that nobody knows its text before."""
    return isinstance(value, F) or hasattr(value, "as_sql") or hasattr(value, "_query")


def warn_of_stale(field: Any) -> None:
    """Warn before anything is sent: where warnings are errors, this is one that changed nothing."""
    message = (
        f"{field.label}: this may give a row another text, and leave it the vector of the old one."
        f" Embed it afterwards: reembed({field.model.__name__}.objects.all(), {field.name!r})."
    )
    warnings.warn(message, StaleEmbedding, stacklevel=frames_inside())
