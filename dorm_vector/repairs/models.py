"""Repairs of djanorm's models: generated columns, keys, prefetched relations and proxies."""

from __future__ import annotations

import copy
from collections.abc import Collection
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from dorm.expressions import F, Value
from dorm.fields import CASCADE, AutoField, CharField, ForeignKey, GeneratedField, IntegerField, JSONField, UUIDField
from dorm.models import Model, ModelBase, _model_registry
from dorm.query import SQLQuery
from dorm.related_managers import ManyRelatedManager, ReverseFKManager

from ..models.deferred import _REPAIR, ReadInPart, _loaded
from ..models.generated_fields import _kept, _written
from ..patching.registry import repair
from ..patching.stand_ins import Statements, finished, model, plain_field


def _is_generated(field: Any) -> bool:
    return isinstance(field, GeneratedField)


_COMPUTED = [plain_field("computed", GeneratedField(expression="1", output_field=IntegerField()))]


class _Row:
    """A row with a column that the database computes."""

    _meta = model(fields=_COMPUTED, concrete_fields=_COMPUTED)._meta

    def _add_pk_where_nodes(self, _query: Any) -> None:
        """Do nothing, because the probe does not depend on the WHERE clause."""


def _saves_without_generated() -> bool:
    row, connection = _Row(), Statements("sqlite")
    Model._do_update(row, connection, row._meta)  # type: ignore[arg-type]  # it has all that _do_update uses
    return "computed" not in "".join(connection)


def _inserts_without_generated() -> bool:
    sql, _params = SQLQuery(_Row).as_bulk_insert(_COMPUTED, [[None]], Statements("sqlite"))
    return "computed" not in sql


@repair("dorm.models:Model", "_do_insert", name="generated_fields", is_fixed=_saves_without_generated)
@repair("dorm.models:Model", "_ado_insert", name="generated_fields", is_fixed=_saves_without_generated)
@repair("dorm.models:Model", "_do_update", name="generated_fields", is_fixed=_saves_without_generated)
@repair("dorm.models:Model", "_ado_update", name="generated_fields", is_fixed=_saves_without_generated)
def generated_fields(original: Any, instance: Any, connection: Any, meta: Any, *rest: Any) -> Any:
    """Leave a GeneratedField out of every INSERT and UPDATE.

    Symptom: saving a model with a GeneratedField fails with "cannot insert a non-DEFAULT value into column". Cause:
    ``save()`` and ``bulk_create()`` write NULL to it. djanorm 4.3 to 4.5.
    """
    return original(instance, connection, _written(meta, _is_generated), *rest)


@repair("dorm.query:SQLQuery", "as_bulk_insert", name="generated_fields", is_fixed=_inserts_without_generated)
def _without_generated(
    original: Any, query: Any, fields: list[Any], rows: list[list[Any]], *rest: Any, **options: Any
) -> Any:
    return original(query, *_kept(fields, rows, _is_generated), *rest, **options)


class _Counting(Statements):
    """A connection that returns the number of the row that it inserted, as SQLite's does."""

    def execute_insert(self, sql: str, params: Any = None, pk_col: str = "id") -> int:
        return 1


class _CountingLater(Statements):
    async def execute_insert(self, sql: str, params: Any = None, pk_col: str = "id") -> int:
        return 1


_NAME = plain_field("name", CharField(max_length=9, primary_key=True))


class _NamedRow:
    """A row whose key is a text."""

    _meta = model(pk=_NAME, fields=[_NAME], concrete_fields=[_NAME], _insert_template_cache={})._meta

    def __init__(self) -> None:
        self.name = "one"


def _keeps_keys() -> bool:
    now, later = _NamedRow(), _NamedRow()
    Model._do_insert(now, _Counting("sqlite"), now._meta)  # type: ignore[arg-type]  # it has all that is used
    finished(Model._ado_insert(later, _CountingLater("sqlite"), later._meta))  # type: ignore[arg-type]  # the same
    return now.name == later.name == "one"


@repair("dorm.models:Model", "_do_insert", is_fixed=_keeps_keys)
def given_keys(original: Any, instance: Any, connection: Any, meta: Any, *rest: Any) -> None:
    """Keep the primary key that a new row was given.

    Symptom: after ``create(name="one")`` of a model whose primary key is a text, a UUID or a date, ``pk`` is a number,
    and ``save()``, ``delete()`` and foreign keys miss the row. Cause: SQLite, Turso and libSQL return the number of
    the inserted row, and MySQL and MariaDB 0, which djanorm takes for its key. djanorm 4.3 to 4.5.
    """
    given = _given(instance, meta)
    original(instance, connection, meta, *rest)
    instance.__dict__.update(given)


@repair("dorm.models:Model", "_ado_insert", name="given_keys", is_fixed=_keeps_keys)
async def _after_async_insert(original: Any, instance: Any, connection: Any, meta: Any, *rest: Any) -> None:
    given = _given(instance, meta)
    await original(instance, connection, meta, *rest)
    instance.__dict__.update(given)


def _given(instance: Any, meta: Any) -> dict[str, Any]:
    if meta.pk is None or isinstance(meta.pk, AutoField):
        return {}
    found = instance.__dict__.get(meta.pk.attname)
    return {} if found is None or hasattr(found, "as_sql") else {meta.pk.attname: found}


_PREFETCHED = "prefetched_relations"


def _writes_keys() -> bool:
    key, value = UUIDField(primary_key=True), UUID(int=1)
    relation: Any = ForeignKey(model(pk=key), on_delete=CASCADE)
    written = relation.get_db_prep_value(value)
    return bool(written == key.get_db_prep_value(value) and relation.from_db_value(str(value)) == value)


@repair("dorm.fields:RelatedField", "get_db_prep_value", name="keys_of_relations", is_fixed=_writes_keys)
def keys_of_relations(original: Any, field: Any, value: Any) -> Any:
    """Convert a foreign key like the key that it refers to.

    Symptom: a foreign key to a model with a ``UUIDField`` primary key cannot be saved or filtered by on SQLite, Turso
    and libSQL. There and on MySQL and MariaDB it is read as text, so that prefetches find nothing.
    Cause: the value is passed to and from the driver unconverted. djanorm 4.3 to 4.5.
    """
    key = original(field, value)
    return key if key is None or hasattr(key, "as_sql") else _key_of(field).get_db_prep_value(key)


@repair("dorm.fields:RelatedField", "from_db_value", name="keys_of_relations", is_fixed=_writes_keys)
def _read_key(original: Any, field: Any, value: Any) -> Any:
    key = original(field, value)
    return key if key is None else _key_of(field).from_db_value(key)


def _key_of(field: Any) -> Any:
    return field._resolve_related_model()._meta.pk


_MANY = "dorm.related_managers:ManyRelatedManager"
_UUID = UUID(int=1)


class _OfUuids:
    """A relation whose rows have UUIDs as keys."""

    instance = SimpleNamespace(pk=_UUID)
    _rel_model = SimpleNamespace(_meta=SimpleNamespace(pk=plain_field("id", UUIDField(primary_key=True))))
    _through_table, _through_columns = "items_tags", ("item_id", "tag_id")

    def _adapt(self, sql: str, _connection: Any) -> str:
        return sql


def _knows_keys() -> bool:
    connection, manager = Statements("sqlite", [{"tag_id": str(_UUID)}]), ManyRelatedManager
    return _UUID in manager._fetch_existing_targets(_OfUuids(), connection, [_UUID])  # type: ignore[arg-type]


@repair(_MANY, "_fetch_existing_targets", is_fixed=_knows_keys)
def keys_of_many_to_many(original: Any, manager: Any, connection: Any, keys: Any) -> Any:
    """Find the rows that a many-to-many relation has, whatever type their primary keys have.

    Symptom: ``add()`` of a row that is there fails with a duplicate key, and ``prefetch_related()`` finds nothing, if
    keys are UUIDs, on every database but PostgreSQL. Cause: the key in Python is compared with the text that the
    database returns. djanorm 4.3 to 4.5.
    """
    return _asked_for(manager, keys, original(manager, connection, keys))


@repair(_MANY, "_afetch_existing_targets", name="keys_of_many_to_many", is_fixed=_knows_keys)
async def _afound(original: Any, manager: Any, connection: Any, keys: Any) -> Any:
    return _asked_for(manager, keys, await original(manager, connection, keys))


def _asked_for(manager: Any, keys: Any, found: Any) -> set[Any]:
    """Return those of the keys that were found, each as it was passed."""
    key = manager._rel_model._meta.pk
    stored = {key.from_db_value(value) for value in found}
    return {value for value in keys if key.to_python(value) in stored}


@repair("dorm.queryset:QuerySet", "_hydrate_m2m_join_rows", name="keys_of_many_to_many", is_fixed=_knows_keys)
def _prefetched_by_key(original: Any, queryset: Any, rows: Any, keys: Any, related: Any, connection: Any) -> Any:
    key = queryset.model._meta.pk
    if connection.vendor == "postgresql":  # it returns the keys as Python has them
        return original(queryset, rows, keys, related, connection)
    stored = {value: key.get_db_prep_value(value) for value in keys}
    found = original(queryset, rows, list(stored.values()), related, connection)
    return {value: found[text] for value, text in stored.items()}


class _Author:
    """A row whose ``items`` were prefetched and are empty."""

    pk = 1

    def __init__(self) -> None:
        self._prefetch_items: list[Any] = []


def _keeps_the_relation() -> bool:
    relation: Any = SimpleNamespace(name="author", related_name="items")
    prefetched = ReverseFKManager(_Author(), model(), relation).get_queryset()
    return bool(prefetched._query.where_nodes)


_by_key = partial(repair, "dorm.related_managers:ReverseFKManager", name=_PREFETCHED, is_fixed=_keeps_the_relation)

_by_table = partial(repair, "dorm.related_managers:ManyRelatedManager", name=_PREFETCHED, is_fixed=_keeps_the_relation)


@_by_key("get_queryset")
@_by_table("get_queryset")
def prefetched_relations(original: Any, manager: Any) -> Any:
    """Keep the filter of a relation after ``prefetch_related()``.

    Symptom: after a prefetch, ``author.documents.all().nearest(…)`` searches the documents of all authors, and every
    other filter, count, order or index of it does the same. Cause: the prefetched rows are put into a queryset of the
    whole table. djanorm 4.3 to 4.5.
    """
    prefetched = original(manager)
    if prefetched._result_cache is None:
        return prefetched
    relation = original(_without_prefetches(manager))
    relation._result_cache = prefetched._result_cache
    return relation


@_by_key("aget_queryset")
@_by_table("aget_queryset")
async def _aprefetched_relations(original: Any, manager: Any) -> Any:
    return manager.get_queryset()


def _without_prefetches(manager: Any) -> Any:
    bare = copy.copy(manager)
    bare.instance = object.__new__(type(manager.instance))
    bare.instance.__dict__ = {
        name: value for name, value in vars(manager.instance).items() if not name.startswith("_prefetch_")
    }
    return bare


_NAMES = ("title", "pages")


_FIELDS = [plain_field(name) for name in _NAMES]


class _Partial(ReadInPart):
    """A partially read row without ``pages``, like one of a model with vectors."""

    _meta = model(fields=_FIELDS, concrete_fields=_FIELDS, get_field=dict(zip(_NAMES, _FIELDS, strict=True)).get)._meta

    def __init__(self) -> None:
        self.title = "a"

    def _add_pk_where_nodes(self, _query: Any) -> None:
        """Do nothing, because the probe does not depend on the WHERE clause."""


def _keeps_what_was_not_read() -> bool:
    row, connection = _Partial(), Statements("sqlite")
    Model._do_update(row, connection, row._meta)  # type: ignore[arg-type]  # it has all that _do_update uses
    return "pages" not in "".join(connection)


@repair("dorm.models:Model", "_do_update", name=_REPAIR, is_fixed=_keeps_what_was_not_read)
@repair("dorm.models:Model", "_ado_update", name=_REPAIR, is_fixed=_keeps_what_was_not_read)
def deferred_columns(
    original: Any, instance: Any, connection: Any, meta: Any, update_fields: Collection[str] | None = None
) -> Any:
    """Save a partially read row of a model with vectors without overwriting the columns that were not read.

    Symptom: ``document = Document.objects.only("title").get(); document.save()`` writes NULL to every other column, or
    fails if one is NOT NULL. Cause: djanorm reads a deferred column as None, and saves that value.
    djanorm 4.3 to 4.5.
    """
    return original(instance, connection, meta, _loaded(instance, meta, update_fields))


_PROBE = "DormVectorProbeOfProxies"


def _stand_in(name: str, bases: tuple[type, ...], **meta: Any) -> Any:
    facts = {
        "abstract": False,
        "proxy": False,
        "fields": [],
        "managers": [],
        "indexes": [],
        "db_table": "probe",
        **meta,
    }
    made: Any = type.__new__(ModelBase, name, bases, {"_meta": SimpleNamespace(**facts)})
    made._meta.concrete_model = bases[0] if bases else made
    return made


def _has_the_fields_of_its_table() -> bool:
    key = CharField(max_length=9, primary_key=True)
    key.name = "word"
    proxy = _stand_in("Proxy", (_stand_in("Table", (), fields=[key]),), proxy=True)
    meta = type("Meta", (), {"proxy": True})
    try:
        made: Any = ModelBase(_PROBE, (proxy,), {"Meta": meta, "__module__": "dorm_vector_probe"})
    finally:
        for known in (_PROBE, f"dorm_vector_probe.{_PROBE}"):
            _model_registry.pop(known, None)
    return any(field.name == "word" for field in made._meta.fields)


@repair("dorm.models:ModelBase", "__new__", is_fixed=_has_the_fields_of_its_table)
def proxies_of_proxies(original: Any, kind: Any, name: str, bases: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    """Give a proxy of a proxy the fields of its table.

    Symptom: it has no field but ``id``, so that every filter and search raises FieldDoesNotExist. Cause: fields are
    copied from parents that are no proxies. djanorm 4.3 to 4.5.
    """
    if getattr(attributes.get("Meta"), "proxy", False):
        bases = _with_table(bases)
    return original(kind, name, bases, attributes)


def _with_table(bases: tuple[Any, ...]) -> tuple[Any, ...]:
    metas = [base._meta for base in bases if hasattr(base, "_meta") and not base._meta.abstract]
    if not metas or any(not meta.proxy for meta in metas):
        return bases
    return (*bases, metas[0].concrete_model)


def _refuses_unreadable() -> bool:
    field: Any = JSONField()
    try:
        field.get_db_prep_value({"key": 2**63})
    except ValueError:
        return True
    return False


@repair("dorm.fields:JSONField", "get_db_prep_value", is_fixed=_refuses_unreadable)
def readable_json(original: Any, field: Any, value: Any) -> Any:
    """Refuse a value in a JSONField that some databases cannot read again.

    Symptom: after one row with an integer past 64 bits, NaN, infinity, a NUL character or half of a surrogate pair,
    filters over the JSON fail for everybody on some databases: "Invalid JSON text" on MySQL, "malformed JSON" on
    SQLite, "number too large" on Turso. PostgreSQL refuses the write without naming the value. Cause: the text that
    ``json.dumps()`` returns is stored unchecked. djanorm 4.3 to 4.5.
    """
    if not hasattr(value, "as_sql"):
        from ..values.documents import unstorable

        for found in unstorable(_label_of(field), value, "Remove such characters."):
            raise ValueError(f"{found.where} {found.why}")
    return original(field, value)


def _label_of(field: Any) -> str:
    owner = getattr(field, "model", None)
    return f"{owner.__name__}.{field.name}" if owner is not None else str(getattr(field, "name", None) or "JSONField")


@repair("dorm.queryset:QuerySet", "update", name="readable_json", is_fixed=_refuses_unreadable)
@repair("dorm.queryset:QuerySet", "aupdate", name="readable_json", is_fixed=_refuses_unreadable)
def _readable_updates(original: Any, queryset: Any, /, **values: Any) -> Any:
    # djanorm swallows the errors of get_db_prep_value here, and sends the raw value.
    for name, value in values.items():
        field = queryset.model._meta._field_cache.get(name)
        if isinstance(field, JSONField) and not isinstance(value, (F, Value)):
            field.get_db_prep_value(value)
    return original(queryset, **values)
