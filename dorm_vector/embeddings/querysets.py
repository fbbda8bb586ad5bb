"""Queryset methods for embeddings: writes embed their rows, and async searches embed their query text first."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from ..expressions.query_text import embed_texts, needs_embedding, searches_by_text
from ..query.routed import for_writing
from ..steps import Steps, arun, run
from .on_save import embedding_fields, filled, is_computed, names_read, record, vectors_of, warn_of_stale


class EmbeddingQueries:
    """A mixin that precedes dorm.QuerySet."""

    model: Any
    _query: Any
    _db: str

    # writes

    def bulk_create(self, objs: Any, *args: Any, **options: Any) -> Any:
        for_writing(self)
        rows = list(objs)
        run(filled(rows, using=self._db))
        return super().bulk_create(rows, *args, **self._overwriting(options))  # type: ignore[misc]  # as above

    async def abulk_create(self, objs: Any, *args: Any, **options: Any) -> Any:
        for_writing(self)
        rows = list(objs)
        await arun(filled(rows, using=self._db))
        return await super().abulk_create(rows, *args, **self._overwriting(options))  # type: ignore[misc]  # as above

    def _overwriting(self, options: dict[str, Any]) -> dict[str, Any]:
        """Add the embedding fields to ``update_fields``, so that an existing row with new text also gets its vector."""
        names = options.get("update_fields")
        if names is None:
            return options
        made = names_read(embedding_fields(self.model), names)
        return options | {"update_fields": list(dict.fromkeys([*names, *made]))}

    def bulk_update(self, objs: Any, fields: Any, *args: Any, **options: Any) -> int:
        for_writing(self)
        rows, names = list(objs), list(fields)
        made = run(filled(rows, names, self._db))
        parts = _by_what_they_have(rows, names, made)
        return sum(super(EmbeddingQueries, self).bulk_update(*part, *args, **options) for part in parts)  # type: ignore[misc]  # as above

    async def abulk_update(self, objs: Any, fields: Any, *args: Any, **options: Any) -> int:
        for_writing(self)
        rows, names = list(objs), list(fields)
        made = await arun(filled(rows, names, self._db))
        parts = _by_what_they_have(rows, names, made)
        return sum([await super(EmbeddingQueries, self).abulk_update(*part, *args, **options) for part in parts])  # type: ignore[misc]  # as above

    def update(self, **values: Any) -> int:
        """Update every row, and its embedding if the values contain its whole text; otherwise warn that it is stale."""
        found = run(self._with_embeddings(values))
        return int(super().update(**found))  # type: ignore[misc]  # as above

    async def aupdate(self, **values: Any) -> int:
        """Do what ``update()`` does."""
        found = await arun(self._with_embeddings(values))
        await embed_texts(self)
        return int(await super().aupdate(**found))  # type: ignore[misc]  # as above

    def _with_embeddings(self, values: dict[str, Any]) -> Steps[dict[str, Any]]:
        found, told = dict(values), {name for name, value in values.items() if not is_computed(value)}
        for field in embedding_fields(self.model):
            if field.name in values or not field.reads(values):
                continue
            if not field.is_told_by(told):
                warn_of_stale(field)
                continue
            text = field.text(SimpleNamespace(**values))
            (vector,) = (yield from vectors_of(field, [text])) if text is not None else (None,)
            found |= {field.name: vector, **record(field, text)}
        return found

    # searches

    def _iterator(self) -> Any:
        if searches_by_text(self._query):
            run(_checked(self))
        return super()._iterator()  # type: ignore[misc]  # as above

    def _aiterator(self) -> Any:
        rows = super()._aiterator  # type: ignore[misc]  # as above
        return self._embedding(rows) if needs_embedding(self._query) else rows()

    async def _embedding(self, rows: Any) -> Any:
        await arun(_checked(self))
        await embed_texts(self)
        async for row in rows():
            yield row

    async def _aiterator_streaming(self, chunk_size: int) -> Any:
        await embed_texts(self)
        async for row in super()._aiterator_streaming(chunk_size):  # type: ignore[misc]  # as above
            yield row

    async def acount(self) -> int:
        await embed_texts(self)
        return int(await super().acount())  # type: ignore[misc]  # as above

    async def aexists(self) -> bool:
        await embed_texts(self)
        return bool(await super().aexists())  # type: ignore[misc]  # as above

    async def aaggregate(self, **aggregates: Any) -> Any:
        await embed_texts(self)
        return await super().aaggregate(**aggregates)  # type: ignore[misc]  # as above

    async def aexplain(self, **options: Any) -> str:
        await embed_texts(self)
        return str(await super().aexplain(**options))  # type: ignore[misc]  # as above


def _checked(queryset: Any) -> Steps[None]:
    from .other_models import warn_of_other_models  # imported late, because most models have no embeddings

    return warn_of_other_models(queryset)


def _by_what_they_have(rows: list[Any], names: list[str], made: list[str]) -> Iterator[tuple[list[Any], list[str]]]:
    """Yield groups of rows with the fields to write: rows that deferred their embedding keep the stored one."""
    with_made = [row for row in rows if all(name in row.__dict__ for name in made)]
    yield with_made, list(dict.fromkeys([*names, *made]))
    yield [row for row in rows if not all(name in row.__dict__ for name in made)], names
