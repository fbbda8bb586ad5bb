"""Where djanorm's writes pass: each fills the embeddings of its rows first, all of one batch at a time."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from typing import Any

from ..exceptions import EmbeddingError

Embed = tuple[Any, list[str]]
"""An embedder, and texts for it."""
_LEFT_OUT = object()


def embedding_fields(model: Any) -> list[Any]:
    """Return the model's fields that keep themselves."""
    return [field for field in model._meta.concrete_fields if getattr(field, "fills", False)]


def hash_name(field: Any) -> str:
    return f"{field.name}_hash"


class _Filling:
    """What a model with an embedding does before it saves."""

    def save(self, *args: Any, **options: Any) -> Any:
        fill([self], options)
        return super().save(*args, **options)  # type: ignore[misc]  # stands before dorm.Model

    async def asave(self, *args: Any, **options: Any) -> Any:
        await afill([self], options)
        return await super().asave(*args, **options)  # type: ignore[misc]  # as above


def fill_on_save(cls: Any) -> None:
    """Let the model class, which djanorm's metaclass is still building, fill its embeddings on save."""
    if not issubclass(cls, _Filling):
        # Behind what the class itself defines: a save() of its own may still change the text.
        cls.__bases__ = (_Filling, *cls.__bases__)


def fill(instances: list[Any], options: dict[str, Any] | None = None) -> list[str]:
    """Embed the texts that have changed, and return the names of the fields that did; ``update_fields`` gains them."""
    steps, answer = _filled(instances, _written(options)), None
    while True:
        try:
            embedder, texts = steps.send(answer)
        except StopIteration as end:
            return _noted(options, end.value)
        answer = embedder.embed_documents(texts)


async def afill(instances: list[Any], options: dict[str, Any] | None = None) -> list[str]:
    steps, answer = _filled(instances, _written(options)), None
    while True:
        try:
            embedder, texts = steps.send(answer)
        except StopIteration as end:
            return _noted(options, end.value)
        answer = await embedder.aembed_documents(texts)


def _written(options: dict[str, Any] | None) -> Collection[str] | None:
    return (options or {}).get("update_fields")


def _noted(options: dict[str, Any] | None, changed: list[str]) -> list[str]:
    if _written(options) is not None and options is not None:
        options["update_fields"] = [*options["update_fields"], *changed]
    return changed


def _filled(instances: list[Any], written: Collection[str] | None) -> Generator[Embed, Any, list[str]]:
    changed: list[str] = []
    for field in embedding_fields(type(instances[0])) if instances else ():
        if written is not None and not field.reads(written):
            continue
        changed += [field.name, hash_name(field)]
        waiting = [(instance, text) for instance in instances if (text := _wanted(field, instance)) is not None]
        for start in range(0, len(waiting), field.batch_size):
            yield from embedded(field, waiting[start : start + field.batch_size])
    return changed


def embedded(field: Any, batch: list[tuple[Any, str]]) -> Generator[Embed, Any, None]:
    """Embed the texts of a batch, and give each instance its vector and its hash."""
    vectors = yield field.embedder, [text for _instance, text in batch]
    if len(vectors) != len(batch):
        raise EmbeddingError(
            f"{field.embedder.name} gave {len(vectors)} vectors for {len(batch)} texts. It has to give one for each."
        )
    for (instance, text), vector in zip(batch, vectors, strict=True):
        setattr(instance, field.name, field.to_vector(vector))
        instance.__dict__[hash_name(field)] = field.hash(text)


def _wanted(field: Any, instance: Any) -> str | None:
    """Return the text that has to be embedded; None where the vector is right, or comes from elsewhere."""
    attributes, name = instance.__dict__, hash_name(field)
    known, is_new = attributes.get(name), instance._is_unsaved()
    if field.attname not in attributes and known is None and not is_new:
        return None  # only() or defer() left both out, and perhaps the text
    text: str | None = field.text(instance)
    if text is None:
        setattr(instance, field.name, None)
        attributes[name] = None
        return None
    right = field.hash(text)
    if known is None and is_new and attributes.get(field.attname) is not None:
        attributes[name] = right
        return None
    return None if known == right and attributes.get(field.attname, _LEFT_OUT) is not None else text


# all rows of a queryset


def reembedded(queryset: Any, field: Any, batch_size: int) -> Generator[Any, Any, int]:
    """Embed the rows whose vector is not of their text and of this model; yields what the caller has to do."""
    key, last, embedded_rows, seen = queryset.model._meta.pk.name, None, 0, 0
    total = yield "count", queryset
    ordered = queryset.order_by(key)
    while True:
        page = yield "rows", (ordered if last is None else ordered.filter(**{f"{key}__gt": last}))[:batch_size]
        if not page:
            return embedded_rows
        last, seen = page[-1].pk, seen + len(page)
        stale = list(_stale(field, page))
        if stale:
            yield from _tagged(embedded(field, stale))
            rows = type(queryset)(queryset.model, queryset._db)
            yield "write", (rows, [row for row, _text in stale], [field.name, hash_name(field)])
            embedded_rows += len(stale)
        yield "progress", (seen, total)


def _stale(field: Any, page: list[Any]) -> Iterator[tuple[Any, str]]:
    for row in page:
        text = field.text(row)
        known = row.__dict__.get(hash_name(field))
        if text is not None and (known != field.hash(text) or getattr(row, field.name) is None):
            yield row, text


def _tagged(steps: Generator[Embed, Any, None]) -> Generator[Any, Any, None]:
    answer = None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration:
            return
        answer = yield "embed", request


# querysets


class EmbeddingQueries:
    """What a queryset does for embeddings: its writes fill them, and its searches wait for that of their text."""

    model: Any
    _query: Any

    def bulk_create(self, objs: list[Any], *args: Any, **options: Any) -> Any:
        fill(list(objs))
        return super().bulk_create(objs, *args, **options)  # type: ignore[misc]  # stands before dorm.QuerySet

    async def abulk_create(self, objs: list[Any], *args: Any, **options: Any) -> Any:
        await afill(list(objs))
        return await super().abulk_create(objs, *args, **options)  # type: ignore[misc]  # as above

    def bulk_update(self, objs: list[Any], fields: list[str], *args: Any, **options: Any) -> Any:
        written: dict[str, Any] = {"update_fields": list(fields)}
        fill(list(objs), written)
        names = list(dict.fromkeys(written["update_fields"]))
        return super().bulk_update(objs, names, *args, **options)  # type: ignore[misc]  # as above

    async def abulk_update(self, objs: list[Any], fields: list[str], *args: Any, **options: Any) -> Any:
        written: dict[str, Any] = {"update_fields": list(fields)}
        await afill(list(objs), written)
        names = list(dict.fromkeys(written["update_fields"]))
        return await super().abulk_update(objs, names, *args, **options)  # type: ignore[misc]  # as above

    async def _aiterator(self) -> Any:
        await self._embed_texts()
        async for row in super()._aiterator():  # type: ignore[misc]  # as above
            yield row

    async def _aiterator_streaming(self, chunk_size: int) -> Any:
        await self._embed_texts()
        async for row in super()._aiterator_streaming(chunk_size):  # type: ignore[misc]  # as above
            yield row

    async def acount(self) -> int:
        await self._embed_texts()
        return int(await super().acount())  # type: ignore[misc]  # as above

    async def aexists(self) -> bool:
        await self._embed_texts()
        return bool(await super().aexists())  # type: ignore[misc]  # as above

    async def aaggregate(self, **aggregates: Any) -> Any:
        await self._embed_texts()
        return await super().aaggregate(**aggregates)  # type: ignore[misc]  # as above

    async def aexplain(self, **options: Any) -> str:
        await self._embed_texts()
        return str(await super().aexplain(**options))  # type: ignore[misc]  # as above

    async def _embed_texts(self) -> None:
        for expression in self._query.annotations.values():
            text = getattr(expression, "text", None)
            if text is not None:
                await text.aembed()
