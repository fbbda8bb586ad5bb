"""SQLite's companion tables: sqlite-vec's vector table, ``vec0``, and plain tables of signs or 8-bit integers.

Source: https://alexgarcia.xyz/sqlite-vec/features/vec0.html
"""

from __future__ import annotations

from ..values.metrics import Metric
from .shared.companions import COMPARISONS, EQUALITY, Companion
from .shared.unsupported import Unsupported

_VEC0 = (
    'CREATE VIRTUAL TABLE "{name}" USING vec0(id {kind} primary key, {columns}'
    "vector float[{dimensions}] distance_metric={metric})"
)

# The distance of these vectors is NULL, which would sort before the nearest.
_UNDIRECTED = {Metric.COSINE: "vec_distance_cosine({operand}, {operand}) IS NULL"}

VEC0 = Companion(
    create=_VEC0,
    partition="by_{column} {kind} partition key",
    metadata="by_{column} {kind}",
    value="{operand}",
    search='SELECT id FROM "{name}" WHERE vector MATCH {vector} AND k = {count}{filter}',
    metrics={Metric.L2: "l2", Metric.COSINE: "cosine", Metric.L1: "l1"},
    exact=True,
    undirected=_UNDIRECTED,
    # vec0 sorts the rows that it finds with an insertion sort.
    most_rows=500,
    most_dimensions=8192,
    most_partitions=4,
    needs_extension=True,
    takes_null=False,
    partition_kinds=frozenset({"integer", "text"}),
    # It compares text only up to the length of the stored value, fails at 12 bytes, and has no IN for floats.
    # https://github.com/asg017/sqlite-vec/blob/v0.1.9/sqlite-vec.c (vec0_metadata_filter_text)
    compared={"integer": COMPARISONS, "float": COMPARISONS - {"in"}, "text": EQUALITY},
    compares_past_nul=False,
)

_CODE = "vec_quantize_binary({operand})"

# Scanning a plain table of codes takes less than half as long as vec0 takes for the same search.
SIGNS = Companion(
    create='CREATE TABLE "{name}" (id {kind} PRIMARY KEY NOT NULL, {columns}vector BLOB NOT NULL)',
    partition="by_{column} {kind}",
    metadata="by_{column} {kind}",
    indexed_partition='CREATE INDEX "{name}_parts" ON "{name}" ({columns}vector)',
    value=_CODE,
    filled_up="CAST({operand} || zeroblob({bytes}) AS BLOB)",
    search=(
        'SELECT id FROM "{name}" WHERE 1{filter}'
        f" ORDER BY vec_distance_hamming(vec_bit(vector), {_CODE.format(operand='{vector}')}) LIMIT {{count}}"
    ),
    metrics={Metric.L2: "", Metric.COSINE: "", Metric.L1: "", Metric.INNER_PRODUCT: ""},
    exact=False,
    title="sign bits",
)

_BYTES = "vec_quantize_int8(vec_normalize({operand}), 'unit')"

# In vec0, triggers could not fill it: SQLite loses the type of a computed vector on the way through INSERT ... SELECT.
INT8 = Companion(
    create=SIGNS.create,
    partition=SIGNS.partition,
    metadata=SIGNS.metadata,
    indexed_partition=SIGNS.indexed_partition,
    value=_BYTES,
    # Of vectors of length 1, the L2 distance sorts as the cosine distance does, in two thirds of its time.
    search=(
        'SELECT id FROM "{name}" WHERE 1{filter}'
        f" ORDER BY vec_distance_l2(vec_int8(vector), {_BYTES.format(operand='{vector}')}) LIMIT {{count}}"
    ),
    metrics={Metric.COSINE: ""},
    exact=False,
    title="8-bit integers",
    oversample=4,
    undirected=_UNDIRECTED,
    needs_extension=True,
)

NO_VEC0 = Unsupported(
    reason="vec0 is a table of sqlite-vec, which is for SQLite.",
    instead="Declare an HnswIndex as well for the databases that have one; a Vec0Index is built on SQLite alone.",
    probe="CREATE VIRTUAL TABLE probe_vec0 USING vec0(embedding float[3])",
    see="https://alexgarcia.xyz/sqlite-vec/features/vec0.html",
)

NO_VEC0_INDEXES = {"vec0": NO_VEC0, "vec0_bit": NO_VEC0, "vec0_int8": NO_VEC0}

_IS_VEC0 = "type = 'table' AND lower(sql) GLOB 'create virtual table*using vec0*(*'"

VEC0_TABLES = f"SELECT name, sql FROM sqlite_master WHERE {_IS_VEC0}"

VEC0_SOURCES = (
    'SELECT t.tbl_name AS "table", t.sql AS "trigger", c.sql AS "declaration" FROM sqlite_master AS t'
    f" JOIN ({VEC0_TABLES}) AS c ON t.name = c.name || '_insert' WHERE t.type = 'trigger'"
)
