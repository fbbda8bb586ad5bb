"""Companion tables: search tables that triggers keep in sync with a model's table."""

from __future__ import annotations

from collections.abc import Mapping

from ...values.metrics import Metric
from .facts import NOTHING, Facts

EQUALITY = frozenset({"exact", "in"})

COMPARISONS = EQUALITY | {"gt", "gte", "lt", "lte", "range"}

ALL_COMPARED: Mapping[str, frozenset[str]] = {"integer": COMPARISONS, "float": COMPARISONS, "text": COMPARISONS}


# A row that REPLACE replaces fires no trigger.
INSERT = (
    'CREATE TRIGGER "{name}_insert" AFTER INSERT ON "{table}" BEGIN'
    ' DELETE FROM "{name}" WHERE id = new."{key}";'
    ' INSERT INTO "{name}" (id, {into}vector) SELECT new."{key}", {new}{new_value} WHERE {new_held}; END'
)


class Companion(Facts):
    """One kind of companion. All templates have its ``{name}`` and the ``{table}``; others are listed below."""

    create: str
    """With ``{dimensions}``, ``{metric}``, the ``{kind}`` of the key, and ``{columns}``, each followed by a comma."""
    partition: str
    """A partition column, ``by_{column}`` of the type ``{kind}``."""
    metadata: str
    """A metadata column, which does not partition it."""
    value: str
    """The value that it stores for ``{operand}``, a vector."""
    search: str
    """Finds the keys of the ``{count}`` rows nearest to ``{vector}``; ``{filter}`` is conditions, each after AND."""
    metrics: Mapping[Metric, str]
    """The metrics that it serves, and their names in ``create``."""
    exact: bool
    """Whether it finds the same rows as a full scan."""
    title: str = "companion"
    """The way in which ``explain_search()`` says that it answers."""
    oversample: int = 0
    """The rows that it finds for each one requested, unless the search sets another number; 0 for the option's default.
    """
    filled_up: str = ""
    """The vector ``{operand}`` followed by ``{bytes}`` of zeros, if it requires a multiple of eight dimensions."""
    first_numbers: str = ""
    """The first ``{bytes}`` of the vector ``{operand}``, if an index may hold only those."""
    indexed_partition: str = ""
    """Indexes the partition columns; ``{columns}`` has a comma after each."""
    insert: str = INSERT
    """The trigger that adds a row, or replaces what an earlier row with its key has left."""
    undirected: Mapping[Metric, str] = NOTHING
    """True for an ``{operand}`` that has no distance to any vector, so that the companion omits it."""
    most_rows: int = 0
    """Above this many rows, a full scan is faster; 0 means no limit."""
    most_dimensions: int = 0
    most_partitions: int = 16
    most_metadata: int = 16
    needs_extension: bool = False
    """Whether it needs the extension itself; the stand-in for the extension's functions is not enough."""
    takes_null: bool = True
    """Whether a metadata column may be NULL."""
    partition_kinds: frozenset[str] = frozenset({"integer", "float", "text"})
    """The column types that it can be partitioned by."""
    compared: Mapping[str, frozenset[str]] = ALL_COMPARED
    """The lookups on a metadata column that it evaluates like SQLite, by column type."""
    compares_past_nul: bool = True
    """Whether it compares metadata text past a NUL character."""


DROP = (
    'DROP TRIGGER IF EXISTS "{name}_insert"',
    'DROP TRIGGER IF EXISTS "{name}_update"',
    'DROP TRIGGER IF EXISTS "{name}_move"',
    'DROP TRIGGER IF EXISTS "{name}_delete"',
    'DROP TABLE IF EXISTS "{name}"',
)

FILL = 'INSERT INTO "{name}" (id, {into}vector) SELECT "{key}", {columns}{value} FROM "{table}" WHERE {held}'
"""Fills a new one: ``{into}`` is its columns, ``{columns}`` the table's, ``{held}`` the condition of its rows."""

# The row is updated in place, because the space of a deleted row stays empty.
_UPDATE = (
    'CREATE TRIGGER "{name}_update" AFTER UPDATE OF {watched} ON "{table}"'
    " WHEN {stays} AND {old_held} AND {new_held} AND ({changed}) BEGIN"
    ' UPDATE "{name}" SET {assignments}vector = {new_value} WHERE id = new."{key}"; END'
)

_MOVE = (
    'CREATE TRIGGER "{name}_move" AFTER UPDATE OF {watched} ON "{table}"'
    " WHEN NOT ({stays} AND {old_held} AND {new_held}) BEGIN"
    ' DELETE FROM "{name}" WHERE id = old."{key}"; DELETE FROM "{name}" WHERE id = new."{key}";'
    ' INSERT INTO "{name}" (id, {into}vector) SELECT new."{key}", {new}{new_value} WHERE {new_held}; END'
)

_DELETE = (
    'CREATE TRIGGER "{name}_delete" AFTER DELETE ON "{table}" BEGIN DELETE FROM "{name}" WHERE id = old."{key}"; END'
)

CHANGES = (_UPDATE, _MOVE, _DELETE)
"""Keep it in sync, together with ``insert``: ``{stays}`` if a row keeps its key and partition, ``{changed}`` if other
values changed."""

HELD = "(CASE WHEN {operand} IS NOT NULL THEN {measurable} ELSE 0 END)"

STANDING = (
    "SELECT count(*) AS \"parts\" FROM sqlite_master WHERE (type = 'table' AND name = %s AND sql = %s)"
    " OR (type = 'trigger' AND tbl_name = %s AND name IN (%s, %s, %s, %s))"
)
"""Counts the table and its triggers; binds its name, its CREATE, the model's table, and the triggers' names."""

DRIFT = (
    'SELECT (SELECT COUNT(*) FROM "{table}" AS t LEFT JOIN "{name}" AS v ON v.id = t."{key}"'
    ' WHERE {held} AND (v.id IS NULL OR {differs})) AS "missing",'
    ' (SELECT COUNT(*) FROM "{name}" AS v LEFT JOIN "{table}" AS t ON t."{key}" = v.id'
    ' WHERE t."{key}" IS NULL OR NOT {held}) AS "extra", (SELECT COUNT(*) FROM "{name}") AS "rows"'
)
"""Counts the rows that a companion lacks or holds differently, those that it should not hold, and all of its own."""

FOUND = (
    'SELECT substr(name, 1, length(name) - 5) AS "name", tbl_name AS "table", 1 AS "valid" FROM sqlite_master'
    " WHERE type = 'trigger' AND substr(name, -5) = '_move' AND instr(sql, 'DELETE FROM \"' || substr(name, 1,"
    " length(name) - 5) || '\" WHERE id = old.')"
)
"""Returns each existing companion, with its table."""

KINDS = {
    "INTEGER": "integer",
    "SMALLINT": "integer",
    "BIGINT": "integer",
    "BOOLEAN": "integer",
    "REAL": "float",
    "TEXT": "text",
    "VARCHAR": "text",
    "CHAR": "text",
}
"""Declared column types, and their types in a companion."""
