"""The operations of Haystack's document stores that the other stores lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dorm.expressions import Q

from ...introspection import indexes_of
from ...schema.reindexing import arebuild_index, rebuild_index
from ...steps import Fetch, Step, Steps, Update
from ..confined import confined_values
from ..records import Asked, Found, Record
from ..rows import Rows
from ..storage import Insert, InTransaction, Written, alias_of
from ..stored import storable

Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class DocumentRows(Rows):
    """Documents of a model that may lack a vector, and that are not embedded by the store."""

    def insert(self, records: Sequence[Record], *, skips: bool) -> Steps[tuple[int, list[str]]]:
        """Insert the documents whose id has no row, and return how many, and the ids of the others.

        Unless it ``skips`` those, nothing is written if there are any.
        """
        self._several.require_one("add")
        records = storable(records, clean=self._cleans_text)
        vectors = yield from self._vectors(records, None)
        confined = yield from confined_values(self.queryset)
        made = [self._instance(record, vector, confined) for record, vector in zip(records, vectors, strict=True)]
        first: dict[str, Any] = {}
        again = [self._id(each) for each in made if first.setdefault(self._id(each), each) is not each]
        if not made or (again and not skips):
            return 0, again
        there = yield from Insert(Written(self.queryset, self.columns.key, list(first.values())), skips).steps()
        return len(first) - len(there), [*again, *map(str, there)]

    def _vectors(self, records: Sequence[Record], batch_size: int | None) -> Steps[list[Any]]:
        yield from ()
        vector = self.columns.vector
        if not vector.null and not getattr(vector, "fills", False):
            for position, record in enumerate(records):
                if record.vector is None:
                    raise ValueError(
                        f"Document {position} has no embedding, and {vector.label} cannot be null. Run a document"
                        " embedder before the writer, or let the column be null: document_model(…,"
                        " null_embeddings=True)."
                    )
        return [record.vector for record in records]

    def rewrite(self, where: Q | None, change: Change) -> Steps[int]:
        """Replace the metadata of the documents that pass a filter, and return how many there were."""
        self._several.require_one("update")
        count: int = yield InTransaction(alias_of(self.queryset), partial(self._rewriting, where, change))
        return count

    def _rewriting(self, where: Q | None, change: Change) -> Steps[int]:
        rows = yield Fetch(self._filtered(where).only(*self._of_metadata()).select_for_update())
        written: dict[str, None] = {}
        for row in rows:
            values = self._metadata_values(change(self._metadata(row)))
            for name, value in values.items():
                setattr(row, name, value)
            written |= dict.fromkeys(row._meta.get_field(name).name for name in values)
        if rows:
            yield Update(self._filtered(None), rows, list(written))
            yield from Written(self.queryset, self.columns.key, rows).check()
        return len(rows)

    def metadata(self, where: Q | None) -> Steps[list[dict[str, Any]]]:
        """Return the metadata of the documents that pass a filter, in the order of the primary key."""
        rows = yield self._several.reading(self._filtered(where).only(*self._of_metadata()))
        return [self._metadata(row) for row in rows]

    def _of_metadata(self) -> list[str]:
        columns = self.columns
        fields = [columns.key, *columns.others.values()]
        return [field.name for field in fields] + ([] if columns.metadata is None else [columns.metadata.name])

    def count(self, where: Q | None) -> Steps[int]:
        found: int = yield self._several.counting(self._filtered(where))
        return found

    def with_vectors(self, asked: Asked) -> Asked:
        """Return a search that finds only documents that have a vector."""
        if not self.columns.vector.null:
            return asked
        there = Q(**{f"{self.columns.vector.name}__isnull": False})
        where = there if asked.where is None else Q(asked.where, there)
        return replace(asked, where=where)

    def nearest(self, vector: Any, k: int, asked: Asked) -> Steps[list[Found]]:
        """Return the ``k`` nearest documents that have a vector."""
        return self.search(vector, k, self.with_vectors(asked))

    def rebuild_indexes(self) -> Steps[None]:
        """Rebuild the vector indexes of the embeddings."""
        model, alias = self.columns.model, alias_of(self.queryset)
        for index in indexes_of(self.columns.vector):
            yield _Rebuild(model, index.get_name(model.__name__), alias)


@dataclass(frozen=True)
class _Rebuild(Step):
    model: Any
    name: str
    alias: str

    def run(self, wrapper: Any) -> None:
        rebuild_index(self.model, self.name, using=self.alias)

    async def arun(self, wrapper: Any) -> None:
        await arebuild_index(self.model, self.name, using=self.alias)
