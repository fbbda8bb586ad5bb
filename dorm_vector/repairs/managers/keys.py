"""Compare the keys of many-to-many relations in Python's form, where a database stores them in another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from dorm.fields import UUIDField
from dorm.related_managers import ManyRelatedManager

from ...patching.registry import repair
from ...patching.stand_ins import Statements, plain_field

_MANAGER = "dorm.related_managers:ManyRelatedManager"
_KEY = UUID(int=1)


class _Related:
    """A relation whose rows have UUIDs as keys."""

    instance = SimpleNamespace(pk=_KEY)
    _rel_model = SimpleNamespace(_meta=SimpleNamespace(pk=plain_field("id", UUIDField(primary_key=True))))
    _through_table, _through_columns = "items_tags", ("item_id", "tag_id")

    def _adapt(self, sql: str, _connection: Any) -> str:
        return sql


def _knows_keys() -> bool:
    connection, manager = Statements("sqlite", [{"tag_id": str(_KEY)}]), ManyRelatedManager
    return _KEY in manager._fetch_existing_targets(_Related(), connection, [_KEY])  # type: ignore[arg-type]


@repair(_MANAGER, "_fetch_existing_targets", is_fixed=_knows_keys)
def keys_of_many_to_many(original: Any, manager: Any, connection: Any, keys: Any) -> Any:
    """Find the rows that a many-to-many relation has, whatever type their primary keys have.

    Symptom: ``add()`` of a row that is there fails with a duplicate key, and ``prefetch_related()`` finds nothing, if
    keys are UUIDs, on every database but PostgreSQL. Cause: the key in Python is compared with the text that the
    database returns. djanorm 4.3 to 4.5.
    """
    return _asked(manager, keys, original(manager, connection, keys))


@repair(_MANAGER, "_afetch_existing_targets", name="keys_of_many_to_many", is_fixed=_knows_keys)
async def _afound(original: Any, manager: Any, connection: Any, keys: Any) -> Any:
    return _asked(manager, keys, await original(manager, connection, keys))


def _asked(manager: Any, keys: Any, found: Any) -> set[Any]:
    """Return those of the keys that were found, each as it was passed."""
    key = manager._rel_model._meta.pk
    stored = {key.from_db_value(value) for value in found}
    return {value for value in keys if key.to_python(value) in stored}


@repair("dorm.queryset:QuerySet", "_hydrate_m2m_join_rows", name="keys_of_many_to_many", is_fixed=_knows_keys)
def _prefetched(original: Any, queryset: Any, rows: Any, keys: Any, related: Any, connection: Any) -> Any:
    key = queryset.model._meta.pk
    if connection.vendor == "postgresql":  # it returns the keys as Python has them
        return original(queryset, rows, keys, related, connection)
    stored = {value: key.get_db_prep_value(value) for value in keys}
    found = original(queryset, rows, list(stored.values()), related, connection)
    return {value: found[text] for value, text in stored.items()}
