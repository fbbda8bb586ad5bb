"""Turso's vector functions.

Source: https://docs.turso.tech/sql-reference/functions/vector
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.metrics import Metric
from ..values.routines import Routine
from .base import RoutineKey
from .shared.companions import Companion
from .shared.text_search import TextSearch
from .shared.unsupported import Unsupported

_SEE = "https://docs.turso.tech/sql-reference/functions/vector"


def _none(what: str, probe: str) -> Unsupported:
    return Unsupported(f"it has no function that {what}.", "Read the vectors and compute it in Python.", probe, _SEE)


_ARITHMETIC = _none("adds or multiplies vectors", "SELECT vector_add(vector32('[1]'), vector32('[1]'))")

_AGGREGATE = _none("aggregates vectors, and avg() of one is 0.0", "SELECT vector_avg(vector32('[1]'))")

ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "length({left}) / 4",
    # Bits are stored in whole bytes.
    (Routine.DIMENSIONS, Element.BIT): "{dimensions} + 0 * length({left})",
    Routine.NORM: "vector_distance_l2({left}, zeroblob(length({left})))",
    Routine.NORMALIZE: _none("normalizes a vector", "SELECT vector_normalize(vector32('[1]'))"),
    Routine.SUBVECTOR: "vector_slice({left}, {offset}, {end})",
    Routine.CONCATENATE: "vector_concat({left}, {right})",
    Routine.ADD: _ARITHMETIC,
    Routine.SUBTRACT: _ARITHMETIC,
    Routine.MULTIPLY: _ARITHMETIC,
    Routine.BINARY_QUANTIZE: _none("makes plain bits of a vector", "SELECT vector_binary_quantize(vector32('[1]'))"),
    Routine.TO_VECTOR: "{left}",
    Routine.TO_HALFVEC: _none("rounds to half", "SELECT vector16('[1]')"),
    Routine.TO_SPARSEVEC: "{left}",
    Routine.AVERAGE: _AGGREGATE,
    Routine.SUM: _AGGREGATE,
}

GENERATED = Unsupported(
    "generated columns require a flag that djanorm does not pass.",
    "Compute the vector in Python, and save it.",
    "CREATE TABLE probe (a BLOB, b BLOB GENERATED ALWAYS AS (a) STORED)",
    "https://docs.turso.tech/sql-reference/experimental-features",
)

# Turso uses these names unquoted in internal statements: a syntax error, and for rowid the process aborts.
_RESERVED = frozenset(
    [
        "add",
        "all",
        "alter",
        "and",
        "as",
        "autoincrement",
        "between",
        "case",
        "cast",
        "check",
        "collate",
        "commit",
        "constraint",
        "create",
        "default",
        "deferrable",
        "delete",
        "distinct",
        "drop",
        "else",
        "escape",
        "exists",
        "foreign",
        "from",
        "group",
        "having",
        "if",
        "in",
        "index",
        "insert",
        "into",
        "is",
        "isnull",
        "join",
        "limit",
        "not",
        "nothing",
        "notnull",
        "null",
        "on",
        "or",
        "order",
        "primary",
        "raise",
        "references",
        "returning",
        "rowid",
        "select",
        "set",
        "table",
        "then",
        "to",
        "transaction",
        "unique",
        "update",
        "using",
        "values",
        "when",
        "where",
    ]
)

# https://docs.turso.tech/sql-reference/functions/fts
# With two placeholders it scores every row 0, so both use one numbered parameter. Its manual sorts low scores first.
TEXT_SEARCH = TextSearch(
    title="FTS",
    create=('CREATE INDEX "{name}" ON "{table}" USING fts ({columns})',),
    condition="fts_match({document}, {query})",
    score="fts_score({document}, {query})",
    word='"{word}"',
    query="?1",
    words_first=True,
    reserved=_RESERVED,
    # Turso 0.8.3, where a process is killed inside a transaction that writes to the index.
    damaged="duplicate FTS chunk|FTS segment .* is missing",
    quotes_table=False,
    in_plan="QUERY INDEX METHOD fts",
    standing="SELECT 1 AS found FROM sqlite_master WHERE type = 'index' AND name = '{name}'",
)

# The "cosine" distance of two bit vectors is their Hamming distance. Reading a table of codes takes a tenth of the time
# that reading the vectors takes, and the subquery computes the code of the searched vector once.
SIGNS = Companion(
    title="sign bits",
    create='CREATE TABLE "{name}" (id {kind} PRIMARY KEY NOT NULL, {columns}vector BLOB NOT NULL)',
    partition="by_{column} {kind}",
    metadata="by_{column} {kind}",
    first_numbers="substr({operand}, 1, {bytes})",
    value="vector1bit({operand})",
    search=(
        'SELECT id FROM "{name}" WHERE 1{filter}'
        " ORDER BY vector_distance_cos(vector, (SELECT vector1bit({vector}))) LIMIT {count}"
    ),
    # A trigger that deletes and inserts takes 0.4 ms in Turso 0.8.3, thirty times as long as one that replaces.
    insert=(
        'CREATE TRIGGER "{name}_insert" AFTER INSERT ON "{table}" BEGIN INSERT OR REPLACE INTO "{name}"'
        ' (id, {into}vector) SELECT new."{key}", {new}{new_value} WHERE {new_held}; END'
    ),
    metrics={Metric.L2: "", Metric.COSINE: "", Metric.L1: "", Metric.INNER_PRODUCT: ""},
    exact=False,
)
