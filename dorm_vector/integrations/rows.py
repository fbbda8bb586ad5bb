"""Write, read, delete and search documents as rows of a model, for each framework, sync and async.

Each operation is a generator of steps that ``run`` or ``arun`` executes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dorm.exceptions import ValidationError
from dorm.expressions import Q
from dorm.fields import AutoField, CharField, JSONField, TextField, UUIDField

from ..embeddings.embedders import Embedder, EmbedDocuments, as_embedder, one_for_each
from ..embeddings.on_save import record_names
from ..exceptions import EmbeddingError
from ..introspection import indexes_of, primary_key, text_indexes_of
from ..models.managers import as_vector
from ..retrieval.each_database import OnError
from ..retrieval.ranking import mmr
from ..search.nearest import chosen_metric
from ..steps import Steps
from ..values.metrics import Metric
from . import json_numbers
from .columns import columns_of
from .confined import confined_values
from .filter_targets import all_of
from .records import Asked, Found, Page, Record
from .several import several_databases
from .steps import EmbedQuery, SearchText
from .storage import Delete, Upsert, UpsertGroup, rows_in
from .stored import storable

_DISTANCE = "document_distance"

_PREFIX = "document_"

_IDS_AT_ONCE = 10_000


class Rows:
    """The documents of a model, or of a queryset, which limits reads and deletes to its rows."""

    def __init__(
        self,
        source: Any,
        *,
        embedding: Any = None,
        distance: str | None = None,
        using: str | None = None,
        databases: Iterable[str] | None = None,
        on_error: OnError = "raise",
        clean_text: bool = False,
        store: str = "DormVectorStore",
        **fields: Any,
    ) -> None:
        self._store, self._cleans_text = store, clean_text
        self._source, self._using = source, using
        self._several = several_databases(store, using, databases, on_error)
        self.columns = columns_of(self.queryset.model, store=store, **fields)
        chosen = distance or (None if indexes_of(self.columns.vector) else Metric.COSINE)
        self.metric = chosen_metric(self.columns.vector, chosen)
        self._embedder = None if embedding is None else as_embedder(embedding)

    @property
    def queryset(self) -> Any:
        # Each time: the manager of a model may choose by what is true now, such as the tenant.
        return rows_in(self._source, self._using)

    @property
    def embedder(self) -> Embedder:
        """The embedder of the store, or else of the EmbeddingField; raises EmbeddingError if there is none."""
        if self._embedder is not None:
            return self._embedder
        if not hasattr(self.columns.vector, "embedder"):
            raise EmbeddingError(
                f"{self.columns.vector.label} has no embedder. Give the store an embedding:"
                f" {self._store}(model, embedding), or make the field an EmbeddingField."
            )
        own: Embedder = self.columns.vector.embedder
        return own

    # writing

    def add(self, records: Sequence[Record], *, batch_size: int | None = None) -> Steps[list[str]]:
        """Upsert all of the documents or none, replacing documents with the same ids, and return the ids."""
        self._several.require_one("add")
        records = storable(records, clean=self._cleans_text)
        if batch_size is not None and _count("batch_size", batch_size) == 0:
            raise ValueError("batch_size=0: want a number of documents from 1 up.")
        vectors = yield from self._vectors(records, batch_size)
        confined = yield from confined_values(self.queryset)
        instances = [self._instance(record, vector, confined) for record, vector in zip(records, vectors, strict=True)]
        if instances:
            groups = list(self._groups(records, instances))
            yield Upsert(self.queryset, self.columns.key, groups, batch_size, self.columns.is_unique)
        return [self._id(instance) for instance in instances]

    def _vectors(self, records: Sequence[Record], batch_size: int | None) -> Steps[list[Any]]:
        waiting = [position for position, record in enumerate(records) if record.vector is None]
        vectors = [record.vector for record in records]
        if waiting and not (self._embedder is None and getattr(self.columns.vector, "fills", False)):
            found = yield from self._embedded([records[position].text for position in waiting], batch_size)
            for position, vector in zip(waiting, found, strict=True):
                vectors[position] = vector
        return vectors

    def _embedded(self, texts: list[str], batch_size: int | None) -> Steps[list[Any]]:
        vectors: list[Any] = []
        for start in range(0, len(texts), batch_size or len(texts)):
            some = texts[start : start + (batch_size or len(texts))]
            found = yield EmbedDocuments(self.embedder, some)
            vectors += one_for_each(self.embedder, some, found)
        return vectors

    def _instance(self, record: Record, vector: Any, confined: Mapping[str, Any]) -> Any:
        columns, values = self.columns, self._metadata_values(record.metadata)
        values |= {columns.text.attname: record.text, columns.vector.attname: vector}
        key = self._new_key() if record.id is None else self._key(record.id)
        return columns.model(**{**confined, **values}, **({} if key is None else {columns.key.attname: key}))

    def _metadata_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the columns that hold metadata, by attribute."""
        columns, metadata = self.columns, dict(given)
        columns.require_place(metadata)
        present = {name: field for name, field in columns.others.items() if name in metadata}
        values = {name: _in_column(field, metadata.pop(name)) for name, field in present.items()}
        if columns.metadata is not None:
            values[columns.metadata.attname] = json_numbers.written(_as_json(metadata))
        return values

    def _groups(self, records: Sequence[Record], instances: Sequence[Any]) -> Iterator[UpsertGroup]:
        alike: dict[tuple[str, ...], dict[Any, Any]] = {}
        for record, instance in zip(records, instances, strict=True):
            is_numbered = record.id is None and isinstance(self.columns.key, AutoField)
            key = object() if is_numbered else self._id(instance)
            written = () if is_numbered else tuple(self._written(record))
            # If two documents have the same id, the later one wins.
            for others in alike.values():
                others.pop(key, None)
            alike.setdefault(written, {})[key] = instance
        for written, found in alike.items():
            if found:
                yield UpsertGroup(list(found.values()), written)

    def _written(self, record: Record) -> Iterator[str]:
        columns = self.columns
        yield columns.text.name
        yield columns.vector.name
        if hasattr(columns.vector, "fills"):
            yield from record_names(columns.vector)
        if columns.metadata is not None:
            yield columns.metadata.name
        yield from (found.name for name, found in columns.others.items() if name in record.metadata)

    # reading

    def get(self, ids: Iterable[str], where: Q | None = None) -> Steps[list[Record]]:
        """Return the documents with these ids, in the same order; ids that do not exist are skipped."""
        wanted, found = list(ids), {}
        for some in self._batches(wanted):
            for record in (yield from self.filtered(all_of([some, *([where] if where is not None else [])]))):
                found[record.id] = record
        known = [self._known_id(text) for text in wanted]
        return [found[text] for text in known if text in found]

    def filtered(self, where: Q | None) -> Steps[list[Record]]:
        rows = yield self._several.reading(self._filtered(where))
        return [self._record(row) for row in rows]

    def page(self, page: Page) -> Steps[list[Record]]:
        """Return a part of the documents, in the order of the primary key."""
        limit = None if page.limit is None else _count("limit", page.limit)
        first, last = _count("offset", page.offset), None if limit is None else page.offset + limit
        if page.ids is not None:
            found = yield from self.get(page.ids, page.where)
            return found[first:last]
        if limit == 0:
            return []
        ordered = self._filtered(page.where).order_by(primary_key(self.columns.model))
        rows = yield self._several.reading(ordered, first, last)
        return [self._record(row) for row in rows]

    def delete(self, ids: Iterable[str] | None = None, where: Q | None = None) -> Steps[int]:
        """Delete the documents that have these ids (or all) and match the filter, and return how many there were."""
        self._several.require_one("delete")
        queryset = self._filtered(where)
        if ids is None:
            deleted = yield Delete(queryset)
            return int(deleted)
        count = 0
        for some in self._batches(list(ids)):
            count += yield Delete(queryset.filter(some))
        return count

    # searching

    def embedded(self, text: str) -> Steps[Any]:
        vector = yield EmbedQuery(self.embedder, text)
        return vector

    def search(self, vector: Any, k: int, asked: Asked) -> Steps[list[Found]]:
        """Return the ``k`` nearest documents, nearest first."""
        rows = yield self._several.nearest(self._nearest(vector, asked), _DISTANCE, _count("k", k))
        return [Found(self._record(row), getattr(row, _DISTANCE)) for row in rows]

    def diverse(self, vector: Any, k: int, fetch_k: int, balance: float, asked: Asked) -> Steps[list[Found]]:
        """Return ``k`` diverse documents, selected with MMR from the ``fetch_k`` nearest."""
        rows = yield self._several.nearest(self._nearest(vector, asked), _DISTANCE, max(_count("k", k), fetch_k))
        chosen = mmr(rows, self.columns.vector.name, vector, k, balance=balance)
        return [Found(self._record(row), getattr(row, _DISTANCE)) for row in chosen]

    def both(self, text: str, vector: Any, k: int, asked: Asked, **options: Any) -> Steps[list[Found]]:
        """Return the ``k`` best documents of a hybrid search for a text and a vector, best first."""
        if _count("k", k) == 0:
            return []
        options |= {"vector": vector, "field": self.columns.vector.name, "distance": self.metric, "exact": asked.exact}
        rows = yield self._several.hybrid(self._for_words(asked), self._words(text, k) | options)
        return [Found(self._record(row), row.document_vector_distance, row.document_score) for row in rows]

    def of_words(self, text: str, k: int, asked: Asked) -> Steps[list[Found]]:
        """Return the ``k`` best documents of a full-text search, best first."""
        if _count("k", k) == 0:
            return []
        self._several.require_one("search by words alone")
        rows = yield SearchText(self._for_words(asked), self._words(text, k))
        return [Found(self._record(row), None, row.document_text_score) for row in rows]

    def _words(self, text: str, k: int) -> dict[str, Any]:
        # If the model has exactly one TextIndex, the search uses its fields.
        fields = None if len(text_indexes_of(self.columns.model)) == 1 else [self.columns.text.name]
        return {"text": text, "text_fields": fields, "limit": k, "prefix": _PREFIX}

    def _for_words(self, asked: Asked) -> Any:
        if asked.max_distance is not None:
            raise ValueError("A search of words finds documents at any distance: max_distance is not for it.")
        if asked.group_by is not None:
            raise ValueError("A search of words finds every document: group_by is for searches by vector.")
        return self.narrowed(asked)

    def _nearest(self, vector: Any, asked: Asked) -> Any:
        return self.narrowed(asked).nearest(
            self.columns.vector.name,
            vector,
            distance=self.metric,
            max_distance=asked.max_distance,
            exact=asked.exact,
            as_=_DISTANCE,
            group_by=self._group(asked),
        )

    def _group(self, asked: Asked) -> str | None:
        """Return the path of the metadata to group by."""
        if asked.group_by is None:
            return None
        self._several.require_one("return one document of each group")
        field = self.columns.named(asked.group_by)
        if field is not None:
            return str(field.name)
        self.columns.require_place([asked.group_by])
        return f"{self.columns.metadata.name}__{asked.group_by}"  # type: ignore[union-attr]  # there is a place

    def narrowed(self, asked: Asked) -> Any:
        queryset = self._filtered(asked.where)
        if asked.narrow is not None:
            queryset = as_vector(asked.narrow(queryset))
        return queryset.search_options(**asked.search_options) if asked.search_options else queryset

    def _filtered(self, where: Q | None) -> Any:
        # Always a new queryset, because evaluating self.queryset would cache its rows.
        return self.queryset.all() if where is None else self.queryset.filter(where)

    # ids, and rows as documents

    def _record(self, row: Any) -> Record:
        columns = self.columns
        vector = getattr(row, columns.vector.attname)
        return Record(getattr(row, columns.text.attname) or "", self._metadata(row), self._id(row), vector)

    def _metadata(self, row: Any) -> dict[str, Any]:
        columns = self.columns
        metadata = json_numbers.read(getattr(row, columns.metadata.attname)) if columns.metadata is not None else None
        own = {name: json_numbers.read(getattr(row, name)) for name in columns.others}
        return {**(metadata or {}), **{name: value for name, value in own.items() if value is not None}}

    def _id(self, row: Any) -> str:
        return str(getattr(row, self.columns.key.attname))

    def _new_key(self) -> Any:
        key = self.columns.key
        if key.has_default():
            return key.get_default()
        if isinstance(key, (CharField, TextField)):
            return str(uuid.uuid4())
        return uuid.uuid4() if isinstance(key, UUIDField) else None

    def _key(self, text: str) -> Any:
        key = self.columns.key
        try:
            value = key.to_python(text)
        except (ValidationError, TypeError, ValueError) as error:
            raise ValueError(self._no_id(text)) from error
        longest = getattr(key, "max_length", None)
        if longest is not None and len(str(value)) > longest:
            raise ValueError(self._no_id(text))
        return value

    def _no_id(self, text: str) -> str:
        key = self.columns.key
        longest = getattr(key, "max_length", None)
        kind = type(key).__name__ + (f" of {longest} characters at most" if longest is not None else "")
        return (
            f"{self.columns.model.__name__}.{key.name} is a {kind}, and cannot hold the id {text!r}."
            f" Give the store a field of text for ids: {self._store}(…, id_field=…)."
        )

    def _known_id(self, text: str) -> str | None:
        """Return an id in the store's spelling, or None if no row can have it."""
        try:
            return str(self._key(text))
        except ValueError:
            return None

    def among(self, ids: Iterable[str]) -> Q:
        """Return a condition that matches the rows with these ids."""
        keys = [self._key(text) for text in dict.fromkeys(ids) if self._known_id(text) is not None]
        return Q(**{f"{self.columns.key.attname}__in": keys})

    def _batches(self, ids: list[str]) -> Iterator[Q]:
        for start in range(0, len(ids), _IDS_AT_ONCE):
            yield self.among(ids[start : start + _IDS_AT_ONCE])


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name}={value!r}: want a whole number of documents.")
    return value


def _in_column(field: Any, value: Any) -> Any:
    return json_numbers.written(value) if isinstance(field, JSONField) else value


def _as_json(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Metadata is stored as JSON, and {metadata!r} is none: {error}.") from error
    return metadata
