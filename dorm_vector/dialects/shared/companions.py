"""A table beside a model's table, kept in step by triggers, that searches are answered from."""

from __future__ import annotations

from collections.abc import Mapping

from ...values.metrics import Metric
from .facts import NOTHING, Facts


class Companion(Facts):
    """What one kind of companion is. Its templates know its ``{name}``, that of the ``{table}``, and what they say."""

    create: str
    """With ``{dimensions}``, ``{metric}``, the ``{kind}`` of the key, and ``{columns}``, a comma behind each."""
    partition: str
    """One of the columns that split it, ``by_{column}`` of the type ``{kind}``."""
    metadata: str
    """One of the columns that do not."""
    value: str
    """What it holds of ``{operand}``, a vector."""
    search: str
    """Finds the keys of the ``{count}`` rows nearest to ``{vector}``; ``{filter}`` is conditions, AND before each."""
    metrics: Mapping[Metric, str]
    """The distances that it serves, and their names in ``create``."""
    exact: bool
    """Whether it finds what reading every row finds."""
    filled_up: str = ""
    """The vector ``{operand}`` with ``{bytes}`` of zeros behind it, where it takes dimensions by the eight."""
    indexed_partition: str = ""
    """Indexes the columns that split it, ``{columns}`` with a comma behind each."""
    undirected: Mapping[Metric, str] = NOTHING
    """What ``{operand}`` is where it has no distance to anything, so that the companion does without it."""
    most_rows: int = 0
    """How many rows it finds sooner than reading every row does; 0 without a limit."""
    most_dimensions: int = 0
    most_partitions: int = 16
    most_metadata: int = 16
    is_virtual: bool = False
    """Whether it needs the extension itself, and not the stand-in for its functions."""
    takes_null: bool = True
    """Whether a column that does not split it may be NULL."""


DROP = (
    'DROP TRIGGER IF EXISTS "{name}_insert"',
    'DROP TRIGGER IF EXISTS "{name}_update"',
    'DROP TRIGGER IF EXISTS "{name}_move"',
    'DROP TRIGGER IF EXISTS "{name}_delete"',
    'DROP TABLE IF EXISTS "{name}"',
)

FILL = 'INSERT INTO "{name}" (id, {into}vector) SELECT "{key}", {columns}{value} FROM "{table}" WHERE {held}'
"""Fills a new one: ``{into}`` its columns, ``{columns}`` those of the table, ``{held}`` which rows it is to have."""

# A row that REPLACE puts another one in the place of fires no trigger.
_INSERT = (
    'CREATE TRIGGER "{name}_insert" AFTER INSERT ON "{table}" BEGIN'
    ' DELETE FROM "{name}" WHERE id = new."{key}";'
    ' INSERT INTO "{name}" (id, {into}vector) SELECT new."{key}", {new}{new_value} WHERE {new_held}; END'
)

# In its place: the place of a row that is deleted stays empty.
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

TRIGGERS = (_INSERT, _UPDATE, _MOVE, _DELETE)
"""Keep it in step: ``{stays}`` where a row keeps its key and its part, ``{changed}`` where more of it did not."""

HELD = "(CASE WHEN {operand} IS NOT NULL THEN {measurable} ELSE 0 END)"

STANDING = (
    "SELECT count(*) AS \"parts\" FROM sqlite_master WHERE (type = 'table' AND name = %s AND sql = %s)"
    " OR (type = 'trigger' AND tbl_name = %s AND name IN (%s, %s, %s, %s))"
)
"""Counts the table and its triggers: with its name, what created it, the model's table, and the triggers' names."""

FOUND = (
    'SELECT substr(name, 1, length(name) - 5) AS "name", tbl_name AS "table", 1 AS "valid" FROM sqlite_master'
    " WHERE type = 'trigger' AND substr(name, -5) = '_move' AND instr(sql, 'DELETE FROM \"' || substr(name, 1,"
    " length(name) - 5) || '\" WHERE id = old.')"
)
"""Returns each companion that there is, with its table."""

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
"""How a column is declared, and what it is in a companion."""
