"""Keys of text."""

from __future__ import annotations

from typing import Any

from dorm.fields import CharField

from .dialects import dialect_for


class TextKeyField(CharField):
    """Store a key of text as it is: ``a`` and ``A`` are two keys on every database."""

    def db_type(self, connection: Any) -> str:
        return dialect_for(connection).text_key.format(length=self.max_length)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        return name, "dorm_vector.keys.TextKeyField", args, options
