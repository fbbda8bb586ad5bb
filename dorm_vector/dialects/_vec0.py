"""SQLite's companion tables: sqlite-vec's vector table, ``vec0``, and a plain table of the vectors' signs.

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

VEC0 = Companion(
    create=_VEC0,
    partition="by_{column} {kind} partition key",
    metadata="by_{column} {kind}",
    value="{operand}",
    search='SELECT id FROM "{name}" WHERE vector MATCH {vector} AND k = {count}{filter}',
    metrics={Metric.L2: "l2", Metric.COSINE: "cosine", Metric.L1: "l1"},
    exact=True,
    # The distance of these vectors is NULL, which would sort before the nearest.
    undirected={Metric.COSINE: "vec_distance_cosine({operand}, {operand}) IS NULL"},
    # vec0 sorts the rows that it finds with an insertion sort.
    most_rows=500,
    most_dimensions=8192,
    most_partitions=4,
    is_virtual=True,
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
)

NO_VEC0 = Unsupported(
    reason="vec0 is a table of sqlite-vec, which is for SQLite.",
    instead="Declare an HnswIndex as well for the databases that have one; a Vec0Index is built on SQLite alone.",
    probe="CREATE VIRTUAL TABLE probe_vec0 USING vec0(embedding float[3])",
    see="https://alexgarcia.xyz/sqlite-vec/features/vec0.html",
)

NO_VEC0_INDEXES = {"vec0": NO_VEC0, "vec0_bit": NO_VEC0}

_IS_VEC0 = "type = 'table' AND lower(sql) GLOB 'create virtual table*using vec0*(*'"

VEC0_TABLES = f"SELECT name, sql FROM sqlite_master WHERE {_IS_VEC0}"

VEC0_SOURCES = (
    'SELECT t.tbl_name AS "table", t.sql AS "trigger", c.sql AS "declaration" FROM sqlite_master AS t'
    f" JOIN ({VEC0_TABLES}) AS c ON t.name = c.name || '_insert' WHERE t.type = 'trigger'"
)
