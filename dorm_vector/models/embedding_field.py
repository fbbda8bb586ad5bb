"""EmbeddingField: a vector column that is filled from the text of other columns."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from dorm.expressions import F
from dorm.fields import CharField

from ..embeddings.embedders import Embedder, as_embedder
from ..embeddings.on_save import hash_name
from ..exceptions import EmbeddingError
from ..introspection import field_names
from .fields import VectorField


class EmbeddingField(VectorField):
    """Store the embedding of the model's own text, made by ``embedder`` whenever a row is saved with another text.

    ``source`` names a field or a property, several (joined by blank lines), or is a function of the instance.
    ``embedder`` is what ``as_embedder`` takes. Beside it stands ``<name>_hash``, which knows the text and the model of
    the vector. A vector that you give a new row is kept until its text changes. Rows without text have none.
    ``batch_size`` texts are embedded at a time. Neither source nor embedder is part of the schema.
    """

    # Its model makes vectors of one length.
    takes_any_length = False
    dimensions: int

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
