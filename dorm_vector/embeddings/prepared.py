"""Values that ``pre_save()`` changes: computed once, before the text is embedded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dorm.fields import CompositePrimaryKey, Field, GeneratedField


def changes_on_save(field: Any) -> bool:
    """Return whether a field may store a value that differs from that of the instance."""
    computed = isinstance(field, (CompositePrimaryKey, GeneratedField)) or hasattr(field, "keeps_deferred")
    return not computed and type(field).pre_save is not Field.pre_save


class _PreparedField:
    """A field whose ``pre_save()`` has already been called, and returns that value again."""

    def __init__(self, field: Any, value: Any) -> None:
        self._field, self._value = field, value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        return self._value


class Prepared:
    """A model's ``_meta`` whose fields save the values that were computed before."""

    def __init__(self, meta: Any, values: Mapping[str, Any]) -> None:
        self._meta, self._values = meta, values
        self.fields = [self._prepared(field) for field in meta.fields]
        self.concrete_fields = [self._prepared(field) for field in meta.concrete_fields]

    @classmethod
    def of(cls, meta: Any, values: Mapping[str, Any]) -> Any:
        return cls(meta, values) if values else meta

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meta, name)

    def get_field(self, name: str) -> Any:
        return self._prepared(self._meta.get_field(name))

    def _prepared(self, field: Any) -> Any:
        name = field.attname
        return _PreparedField(field, self._values[name]) if name in self._values else field
