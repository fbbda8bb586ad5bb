"""Vector columns in ``dorm inspectdb``."""

from __future__ import annotations

import re
from typing import Any

from ..dialects.base import Dialect, Form
from ..engines import dialect_for
from ..expressions.outputs import FIELDS
from ..patching.registry import hook
from ..values.elements import Element

_MARK = "dorm_vector "

# Internal tables of Turso, of its replicas, and of libSQL, which also has a shadow table for each vector index.
_INTERNAL = ("__turso_internal_", "turso_cdc", "turso_sync_last_change_id", "libsql_vector_meta_shadow")

_SHADOW = "_shadow"


@hook("dorm.inspect", "introspect_tables")
def inspect_vectors(original: Any, connection: Any) -> list[dict[str, Any]]:
    """Make ``dorm inspectdb`` write a VectorField for a vector column, if ``settings.py`` imports dorm_vector.

    Symptom: ``TextField``, with a note about an unrecognized type. Cause: the type map cannot be extended, and the
    catalog query does not return the dimensions. djanorm 4.3 to 4.5.
    """
    found = original(connection)
    hidden = (_SHADOW,) if any(table["name"] in _INTERNAL for table in found) else ()
    tables = [table for table in found if not (table["name"].startswith(_INTERNAL) or table["name"].endswith(hidden))]
    indexes = _text_indexes(connection)
    tables = [table for table in tables if table["name"] not in indexes]
    for table in tables:
        fields = _vector_fields(table["name"], connection)
        for column in table["columns"]:
            if column["name"] in fields:
                column["data_type"] = _MARK + fields[column["name"]]
    return tables


@hook("dorm.inspect", "_map_type", name="inspect_vectors")
def _map_type(original: Any, data_type: str, vendor: str) -> Any:
    if not (data_type or "").startswith(_MARK):
        return original(data_type, vendor)
    name, option, length = data_type.removeprefix(_MARK).split()
    return name, {option: int(length) if length.isdigit() else None}


@hook("dorm.inspect", "render_models", name="inspect_vectors")
def _render_models(original: Any, tables: list[dict[str, Any]]) -> str:
    source: str = original(tables)
    for field in FIELDS.values():
        source = source.replace(f" = dorm.{field.__name__}(", f" = dorm_vector.{field.__name__}(")
    return (
        source.replace("import dorm\n", "import dorm\nimport dorm_vector\n", 1) if "dorm_vector." in source else source
    )


def _text_indexes(connection: Any) -> set[str]:
    """Return the names of tables that are, or belong to, a text index."""
    search = dialect_for(connection).text_search
    names = [row["name"] for row in connection.execute(search.hidden)] if search.hidden else []
    return {f"{name}{ending}" for name in names for ending in ("", *search.shadows)}


def _vector_fields(table: str, connection: Any) -> dict[str, str]:
    """Return the field class, its length option and its length for each vector column."""
    dialect = dialect_for(connection)
    found: dict[str, str] = {}
    if not dialect.ddl.declarations:
        return {}
    for row in connection.execute(dialect.ddl.declarations, [table]):
        for element, pattern in _patterns(dialect).items():
            for column, length in pattern.findall(row["declaration"]):
                field = FIELDS[element]
                found.setdefault(column, f"{field.__name__} {field._length_name} {length or None}")
    return found


def _patterns(dialect: Dialect) -> dict[Element, re.Pattern[str]]:
    """Return a pattern for the column definition of each element type whose definition contains the length."""
    patterns = {}
    for element in Element:
        kind, length, _rest = _declared(dialect, element).partition("({dimensions})")
        if length:
            has_none = "{element}" in str(dialect.any_length) and FIELDS[element].takes_any_length
            number = r"(?: ?\((\d+)\))?$" if has_none else r" ?\((\d+)\)"
            patterns[element] = re.compile(rf'"?(\w+)"? {kind}{number}', re.IGNORECASE)
    return patterns


def _declared(dialect: Dialect, element: Element) -> str:
    if element is Element.FLOAT32:
        return dialect.column
    form = dialect.forms.get(element)
    return form.column if isinstance(form, Form) else ""
