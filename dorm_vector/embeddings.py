"""Vectors that keep themselves: embedded when their text changes, and never twice for the same text."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from dorm.expressions import F
from dorm.fields import CharField

from .djanorm.embedding import embedding_fields, fill_on_save, hash_name
from .djanorm.models import field_names, rows_of
from .embedders import Embedder, as_embedder
from .exceptions import EmbeddingError
from .fields import VectorField
from .steps import Steps, arun, run

if TYPE_CHECKING:
    from .djanorm.reembedding import Progress


class EmbeddingField(VectorField):
    """Store the embedding of the model's own text, made by ``embedder`` whenever a row is saved with another text.

    ``source`` names a field or a property, several (joined by blank lines), or is a function of the instance.
    ``embedder`` is what ``as_embedder`` takes. Beside it stands ``<name>_hash``, which knows the text and the model of
    the vector. A vector that you give a new row is kept until its text changes. Rows without text have none.
    ``batch_size`` texts are embedded at a time. Neither source nor embedder is part of the schema.
    """

    def __init__(
        self,
        dimensions: int,
        *,
        source: str | Sequence[str] | Callable[[Any], str | None] = (),
        embedder: Any = None,
        batch_size: int = 64,
        **options: Any,
    ) -> None:
        super().__init__(dimensions, **options)
        self.source, self.batch_size = source, batch_size
        self._embedder = embedder

    @property
    def embedder(self) -> Embedder:
        """The embedder; raises EmbeddingError where there is none, or one of another length."""
        if self._embedder is None:
            raise EmbeddingError(f"{self.label} has no embedder. Declare it: EmbeddingField(..., embedder=…).")
        if not isinstance(self._embedder, Embedder):
            self._embedder = as_embedder(self._embedder)
        if self._embedder.dimensions not in (None, self.dimensions):
            raise EmbeddingError(
                f"{self.label} holds {self.dimensions} dimensions; {self._embedder.name} makes"
                f" {self._embedder.dimensions}. Declare EmbeddingField(dimensions={self._embedder.dimensions})."
            )
        return self._embedder

    @property
    def fills(self) -> bool:
        return self._embedder is not None and bool(self.source)

    def contribute_to_class(self, cls: Any, name: str) -> None:
        super().contribute_to_class(cls, name)
        EmbeddingHashField().contribute_to_class(cls, hash_name(self))
        fill_on_save(cls)

    def text(self, instance: Any) -> str | None:
        """Return the text of an instance; None where there is nothing to embed."""
        if callable(self.source):
            return self.source(instance) or None
        names = [self.source] if isinstance(self.source, str) else self.source
        return "\n\n".join(str(part) for part in (getattr(instance, name) for name in names) if part) or None

    def reads(self, names: Collection[str]) -> bool:
        """Tell whether the text may come from one of these fields."""
        sources = self._source_fields()
        return sources is None or not sources.isdisjoint(names)

    def is_told_by(self, names: Collection[str]) -> bool:
        """Tell whether these fields are all that the text comes from."""
        sources = self._source_fields()
        return sources is not None and sources <= set(names)

    def _source_fields(self) -> set[str] | None:
        """Return the names of the fields that the text comes from; None where a function or a property makes it."""
        if callable(self.source):
            return None
        sources = {self.source} if isinstance(self.source, str) else set(self.source)
        return sources if sources <= set(field_names(self.model)) else None

    def hash(self, text: str) -> str:
        """Return what is recorded of a text and the model that embeds it."""
        known = f"{self.embedder.name}\0{self.dimensions}\0{text}"
        return hashlib.sha256(known.encode()).hexdigest()

    def __deepcopy__(self, memo: Any) -> EmbeddingField:
        # A model that inherits the field does not load its embedder again.
        return copy.copy(self)


class EmbeddingHashField(CharField):
    """Record which text and which model the vector beside it is of; NULL where that is not known."""

    keeps_deferred = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 64, "null": True, "editable": False} | options)

    def contribute_to_class(self, cls: Any, name: str) -> None:
        # An abstract parent and a migration bring the one that the embedding has brought already.
        if name not in {field.name for field in cls._meta.get_fields()}:
            super().contribute_to_class(cls, name)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        if not add and self.attname not in model_instance.__dict__:
            return F(str(self.column))
        return super().pre_save(model_instance, add)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        return name, "dorm_vector.embeddings.EmbeddingHashField", args, options


def reembed(
    queryset: Any, field: str | None = None, *, batch_size: int | None = None, progress: Progress | None = None
) -> int:
    """Embed the rows whose vector is not of their present text and model, and return how many there were.

    ``field`` may be left out where the model has one EmbeddingField. ``batch_size`` rows are read, embedded and written
    at a time, in the order of their keys: what stops, goes on where it was when called again. ``progress(done, total)``
    is called after each batch.
    """
    return run(_reembedding(queryset, field, batch_size, progress))


async def areembed(
    queryset: Any, field: str | None = None, *, batch_size: int | None = None, progress: Progress | None = None
) -> int:
    """Do what ``reembed`` does, without blocking the event loop."""
    return await arun(_reembedding(queryset, field, batch_size, progress))


def _reembedding(source: Any, name: str | None, batch_size: int | None, progress: Progress | None) -> Steps[int]:
    queryset = rows_of(source)
    fields = {field.name: field for field in embedding_fields(queryset.model)}
    if name not in fields and (name is not None or len(fields) != 1):
        there = f"It has {', '.join(fields)}." if fields else "It has none."
        raise EmbeddingError(f"{queryset.model.__name__}: reembed(field={name!r}) names no EmbeddingField. {there}")
    field = fields[name] if name is not None else next(iter(fields.values()))
    size = field.batch_size if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"reembed(batch_size={batch_size!r}): want a whole number of rows, at least 1.")
    # Late: few programs do.
    from .djanorm.reembedding import reembedded

    return reembedded(queryset, field, size, progress)
