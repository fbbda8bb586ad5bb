"""EmbeddingField: a vector column that stores the embedding of the text of other columns."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from dorm.expressions import F
from dorm.fields import CharField

from ..embeddings.embedders import Embedder, as_embedder
from ..embeddings.on_save import hash_name, model_name
from ..exceptions import EmbeddingError
from ..introspection import field_names
from .fields import VectorField

_LONGEST_NAME = 255


class EmbeddingField(VectorField):
    """Store the embedding of the model's text, and keep it in sync: saving a row with changed text embeds it again.

    A companion column, ``<name>_hash``, records which text and which embedding model the vector was computed from.
    A vector that you assign to a new row is kept until its text changes. Rows without text have no vector.
    ``source`` and ``embedder`` are not part of the schema, so changing them needs no migration. ``record_model`` adds a
    column, ``<name>_model``, so changing it does.

    Args:
        dimensions: The length of the vectors.
        source: The name of a field or property, a sequence of names (their texts are joined by blank lines), or a
            function that takes the instance and returns its text.
        embedder: Anything that ``as_embedder`` accepts.
        batch_size: The number of texts to embed at a time.
        record_model: Whether to record the name of the embedder with each vector. Searches by text then warn if stored
            vectors are of another model, and ``stale_count()`` counts them.
        options: The options of ``VectorField``.
    """

    # An embedding model returns vectors of one length.
    takes_any_length = False
    dimensions: int

    def __init__(
        self,
        dimensions: int,
        *,
        source: str | Sequence[str] | Callable[[Any], str | None] = (),
        embedder: Any = None,
        batch_size: int = 64,
        record_model: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(dimensions, **options)
        self.records_model = record_model
        self.source, self.batch_size = source, batch_size
        self._embedder = embedder
        self._known: Embedder | None = None
        """The embedder, once it was found to be one: the check of the protocol takes a tenth of a millisecond."""

    @property
    def embedder(self) -> Embedder:
        """The embedder of this field.

        Raises:
            EmbeddingError: The field has no embedder, or its embedder returns vectors of another length.
        """
        if self._embedder is None:
            raise EmbeddingError(f"{self.label} has no embedder. Declare it: EmbeddingField(..., embedder=…).")
        if self._known is None or self._known is not self._embedder:
            self._embedder = self._known = as_embedder(self._embedder)
        made = self._known.dimensions
        if made not in (None, self.dimensions):
            raise EmbeddingError(
                f"{self.label} holds {self.dimensions} dimensions; {self._known.name} makes"
                f" {made}. Declare EmbeddingField(dimensions={made})."
            )
        return self._known

    @embedder.setter
    def embedder(self, embedder: Any) -> None:
        """Replace the embedder, such as in tests, by anything that ``as_embedder`` accepts."""
        self._embedder = embedder

    @property
    def model_name(self) -> str:
        """The name of the embedder, as it is recorded."""
        return self.embedder.name[:_LONGEST_NAME]

    @property
    def fills(self) -> bool:
        return self._embedder is not None and bool(self.source)

    def contribute_to_class(self, cls: Any, name: str) -> None:
        super().contribute_to_class(cls, name)
        EmbeddingHashField().contribute_to_class(cls, hash_name(self))
        if self.records_model:
            EmbeddingModelField().contribute_to_class(cls, model_name(self))

    def validate(self, value: Any, model_instance: Any) -> None:
        if value is None and self.fills and model_instance is not None and self.text(model_instance) is not None:
            return  # saving the instance computes the vector
        super().validate(value, model_instance)

    def text(self, instance: Any) -> str | None:
        """Return the text of an instance, or None if there is nothing to embed."""
        if callable(self.source):
            return self.source(instance) or None
        names = [self.source] if isinstance(self.source, str) else self.source
        return "\n\n".join(str(part) for part in (getattr(instance, name) for name in names) if part) or None

    def reads(self, names: Collection[str]) -> bool:
        """Return whether the text may depend on one of these fields."""
        sources = self._source_fields()
        return sources is None or not sources.isdisjoint(names)

    def is_told_by(self, names: Collection[str]) -> bool:
        """Return whether the text depends on these fields only."""
        sources = self._source_fields()
        return sources is not None and sources <= set(names)

    def _source_fields(self) -> set[str] | None:
        """Return the names of the fields that the text comes from, or None if a function or property computes it."""
        if callable(self.source):
            return None
        sources = {self.source} if isinstance(self.source, str) else set(self.source)
        return sources if sources <= set(field_names(self.model)) else None

    def hash(self, text: str) -> str:
        """Return the SHA-256 that identifies a text, the model that embeds it, and the dimensions."""
        known = f"{self.embedder.name}\0{self.dimensions}\0{text}"
        return hashlib.sha256(known.encode()).hexdigest()

    def __deepcopy__(self, memo: Any) -> EmbeddingField:
        # Shallow, so that a model that inherits the field does not load the embedder again.
        return copy.copy(self)


class EmbeddingHashField(CharField):
    """Record the text and the model that the vector in the companion column was computed from; NULL if unknown."""

    keeps_deferred = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 64, "null": True, "editable": False} | options)

    def contribute_to_class(self, cls: Any, name: str) -> None:
        # An abstract parent or a migration may declare it again after the EmbeddingField has added it.
        if name not in {field.name for field in cls._meta.get_fields()}:
            super().contribute_to_class(cls, name)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        if not add and self.attname not in model_instance.__dict__:
            return F(str(self.column))
        return super().pre_save(model_instance, add)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        return name, "dorm_vector.embeddings.EmbeddingHashField", args, options


class EmbeddingModelField(EmbeddingHashField):
    """Record the name of the model that the vector was computed by; NULL if unknown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": _LONGEST_NAME} | options)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        return name, "dorm_vector.embeddings.EmbeddingModelField", args, options
