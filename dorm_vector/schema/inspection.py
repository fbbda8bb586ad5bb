"""Vector columns in ``dorm inspectdb``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..dialects.base import Dialect, Form
from ..engines import dialect_for
from ..expressions.outputs import FIELDS
from ..patching.registry import hook
from ..values.elements import Element
from .vec0_files import WithoutVec0, indexed_dimensions, is_shadow, vec0_tables

_MARK = "dorm_vector "
# A field as djanorm renders it, with what stands for the arrays around it.
_DEPTH = "arrays"
_MARKED = re.compile(rf"dorm\.(\w+)\({_DEPTH}=(\d+), (\w+=\w+)(.*\))")

# Internal tables of Turso, of its replicas, and of libSQL, which also has a shadow table for each vector index.
_INTERNAL = ("__turso_internal_", "turso_cdc", "turso_sync_last_change_id", "libsql_vector_meta_shadow")

_SHADOW = "_shadow"


@hook("dorm.inspect", "introspect_tables")
def inspect_vectors(original: Any, connection: Any) -> list[dict[str, Any]]:
    """Make ``dorm inspectdb`` write a VectorField for a vector column, and omit the tables of indexes.

    Symptom: ``TextField``, with a note about an unrecognized type, and a model for each table that a full-text or vec0
    table stores its content in. Cause: the type map cannot be extended, and the catalog query does not return the
    dimensions. djanorm 4.3 to 4.5.
    """
    vec0 = vec0_tables(connection)
    found = original(WithoutVec0(connection, vec0) if vec0 else connection)
    hidden = (_SHADOW,) if any(table["name"] in _INTERNAL for table in found) else ()
    tables = [table for table in found if not (table["name"].startswith(_INTERNAL) or table["name"].endswith(hidden))]
    indexes, held = _text_indexes(connection), indexed_dimensions(connection)
    tables = [table for table in tables if table["name"] not in indexes and not is_shadow(table["name"], vec0)]
    for table in tables:
        name = table["name"]
        # Generated columns cannot be written.
        columns = [column for column in vec0.get(name, table["columns"]) if column.get("hidden") not in (2, 3)]
        fields = vector_columns(name, connection)
        fields |= {column: Column("VectorField", "dimensions", length) for column, length in held.get(name, {}).items()}
        table["columns"] = [_described(column, fields) for column in columns]
    return tables


def _described(column: dict[str, Any], fields: dict[str, Column]) -> dict[str, Any]:
    in_vec0 = re.fullmatch(r"float\[(\d+)\]", str(column.get("type")))
    field = Column("VectorField", "dimensions", int(in_vec0[1])) if in_vec0 else fields.get(column["name"])
    return column if field is None else {**column, "data_type": f"{_MARK}{field.mark}"}


@hook("dorm.inspect", "_map_type", name="inspect_vectors")
def _map_type(original: Any, data_type: str, vendor: str) -> Any:
    if not (data_type or "").startswith(_MARK):
        return original(data_type, vendor)
    name, option, length, depth = data_type.removeprefix(_MARK).split()
    return name, {_DEPTH: int(depth), option: int(length) if length.isdigit() else None}


@hook("dorm.inspect", "render_models", name="inspect_vectors")
def _render_models(original: Any, tables: list[dict[str, Any]]) -> str:
    source = _MARKED.sub(_written, original(tables))
    return (
        source.replace("import dorm\n", "import dorm\nimport dorm_vector\n", 1) if "dorm_vector." in source else source
    )


def _written(field: re.Match[str]) -> str:
    """Return a vector field, inside as many arrays as its column has."""
    name, depth, length, rest = field.groups()
    inner = f"dorm_vector.{name}({length}"
    return "dorm.ArrayField(" * int(depth) + inner + ")" * int(depth) + rest


@dataclass(frozen=True)
class Column:
    """What a column of the database holds: a field class, its length option, the length, and arrays around it."""

    field: str
    option: str
    length: int | None
    depth: int = 0

    def __str__(self) -> str:
        length = "" if self.length is None else f"{self.option}={self.length}"
        return "ArrayField(" * self.depth + f"{self.field}({length})" + ")" * self.depth

    @property
    def mark(self) -> str:
        return f"{self.field} {self.option} {self.length} {self.depth}"


def _text_indexes(connection: Any) -> set[str]:
    """Return the names of tables that are, or belong to, a text index."""
    search = dialect_for(connection).text_search
    names = [row["name"] for row in connection.execute(search.hidden)] if search.hidden else []
    return {f"{name}{ending}" for name in names for ending in ("", *search.shadows)}


def vector_columns(table: str, connection: Any) -> dict[str, Column]:
    """Return what each vector column of a table holds, where the database declares it."""
    dialect = dialect_for(connection)
    found: dict[str, Column] = {}
    if not dialect.ddl.declarations:
        return {}
    for row in connection.execute(dialect.ddl.declarations, [table]):
        for element, pattern in _patterns(dialect).items():
            for column, length, arrays in pattern.findall(row["declaration"]):
                field = FIELDS[element]
                held = Column(field.__name__, field._length_name, int(length) if length else None, len(arrays) // 2)
                found.setdefault(column, held)
    return found


def recognized_elements(dialect: Dialect) -> set[Element]:
    """Return the element types whose columns are recognizable by their definition."""
    return set(_patterns(dialect))


def _patterns(dialect: Dialect) -> dict[Element, re.Pattern[str]]:
    """Return a pattern for the column definition of each element type whose definition contains the length."""
    patterns = {}
    for element in Element:
        kind, length, _rest = _declared(dialect, element).partition("({dimensions})")
        if length:
            has_none = "{element}" in str(dialect.any_length) and FIELDS[element].takes_any_length
            number = r"(?: ?\((\d+)\))?((?:\[\])*)$" if has_none else r" ?\((\d+)\)((?:\[\])*)"
            patterns[element] = re.compile(rf'"?(\w+)"? {kind}{number}', re.IGNORECASE)
    return patterns


def _declared(dialect: Dialect, element: Element) -> str:
    if element is Element.FLOAT32:
        return dialect.column
    form = dialect.forms.get(element)
    return form.column if isinstance(form, Form) else ""
