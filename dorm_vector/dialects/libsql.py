"""libSQL itself, embedded or behind a server: columns of packed float32, float16 and bits, and a DiskANN index.

Source: https://docs.turso.tech/features/ai-and-embeddings
"""

from __future__ import annotations

from ..values.bit import Bit
from ..values.elements import Element
from ..values.metrics import Metric
from ..values.vector import HalfVector
from ..values.wire import Wire
from ._embedding_functions import NONE_CAN_BE_ADDED
from ._libsql import COSTS, ESTIMATING, ROUTINES
from ._vec0 import NO_VEC0_INDEXES
from .base import Dialect, Distance, Form
from .shared.groups import Ddl, Extension, IndexUse, Loading, Ordering, Planning, StatementLimit
from .shared.index_bytes import DBSTAT, NO_DBSTAT
from .shared.index_rules import IndexRules
from .shared.text_search import FTS5
from .shared.unsupported import NO_ROW_LOCKS, Unsupported
from .shared.upkeep import Upkeep

_NO_IVFFLAT = Unsupported(
    reason="its one vector index is a graph, so with an IvfflatIndex every search is exact.",
    instead="Declare an HnswIndex for its DiskANN index.",
    probe="CREATE INDEX probe_index ON tests_package USING ivfflat (embedding)",
    see="https://docs.turso.tech/features/ai-and-embeddings",
)

_GRAPH = (
    'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" (libsql_vector_idx("{column}", {metric},'
    " 'max_neighbors={links}', 'insert_l={ef_construction}', 'search_l=200')){condition}"
)

# For one-bit vectors this function returns how many bits differ.
_HAMMING = "vector_distance_cos({left}, {right})"

_NO_BITS = "vector1bit({zeros})"

# If a and b bits are set and h differ, (a + b - h) / 2 are set in both and (a + b + h) / 2 in either.
_EITHER_TWICE = f"{_HAMMING} + vector_distance_cos({{left}}, {_NO_BITS}) + vector_distance_cos({{right}}, {_NO_BITS})"

# There is no L1 function. The L2 distance of two numbers is their difference, and four bytes are one number.
# For another length, the L2 distance fails as it does on its own; substr() would stop at the shorter.
_L1 = (
    "CASE WHEN length({left}) = length({right}) THEN"
    " (WITH RECURSIVE numbers(at) AS (SELECT 1 UNION ALL SELECT at + 4 FROM numbers WHERE at + 4 < 4 * {dimensions})"
    " SELECT sum(vector_distance_l2(substr({left}, at, 4), substr({right}, at, 4))) FROM numbers)"
    " ELSE vector_distance_l2({left}, {right}) END"
)

_COSINE = "vector_distance_cos(vector64({left}), vector64({right}))"

_PRODUCT = (
    "(coalesce({cosine}, 1) - 1) * vector_distance_l2({{left}}, {{zeros}}) * vector_distance_l2({{right}}, {{zeros}})"
)

_FORMS = {
    Element.HALF: Form(
        "F16_BLOB({dimensions})",
        # vector32() raises on NULL, and returns an empty blob for an empty one.
        widened="nullif(vector32(coalesce({operand}, X'')), X'')",
        narrow=frozenset({Metric.L2, Metric.COSINE}),
        stored=HalfVector.to_f16_blob,
    ),
    Element.BIT: Form("F1BIT_BLOB({dimensions})", max_dimensions=65_536, stored=Bit.to_f1bit_blob),
}

DIALECT = Dialect(
    name="libsql",
    stores_text=True,
    title="libSQL",
    minimum="3.45",
    column="F32_BLOB({dimensions})",
    any_length="BLOB",
    forms=_FORMS,
    zeros="zeroblob(4 * {dimensions})",
    routines=ROUTINES,
    embedding_functions=NONE_CAN_BE_ADDED,
    distances={
        Metric.L2: Distance("vector_distance_l2({left}, {right})"),
        # It multiplies the squares of both lengths in the precision of its operands; float32 ends at 3.4e38.
        Metric.COSINE: Distance(_COSINE, constant="vector_distance_cos({left}, {direction})"),
        # a.b = cos * |a| * |b|; a zero vector has no cosine, but its product is 0.
        Metric.INNER_PRODUCT: Distance(
            _PRODUCT.format(cosine=_COSINE), constant=_PRODUCT.format(cosine="vector_distance_cos({left}, {direction})")
        ),
        Metric.L1: Distance(_L1),
        Metric.HAMMING: Distance(_HAMMING),
        Metric.JACCARD: Distance(f"coalesce(2.0 * {_HAMMING} / nullif({_EITHER_TWICE}, 0), 1.0)"),
    },
    # libSQL's functions raise on NULL.
    null_guard="CASE WHEN {condition} THEN {distance} END",
    least="min({values})",
    age="((julianday(%s) - julianday({column})) * 86400)",
    null_distance="CAST(NULL AS REAL)",
    other_length=r"vectors must have the same length: (\d+) != \d+",
    indexes={
        "hnsw": _GRAPH,
        "diskann": _GRAPH,
        "ivfflat": _NO_IVFFLAT,
        **NO_VEC0_INDEXES,
    },
    text_search=FTS5,
    index_rules=IndexRules(
        # A row of 384 dimensions takes 82 KB uncompressed, 16 KB with one byte per number, and 4 KB with one bit.
        # One bit per dimension is too little for few dimensions, and contains nothing about lengths.
        metrics={
            Metric.L2: "'metric=l2', 'compress_neighbors=float8'",
            Metric.COSINE: "'metric=cosine', 'compress_neighbors=float8'",
            # Bits cannot be compressed, and their cosine distance is the number of bits that differ.
            Metric.HAMMING: "'metric=cosine'",
        },
        wide_metrics={Metric.COSINE: "'metric=cosine', 'compress_neighbors=float1bit'"},
        wide=256,
        int8=True,
        graph="DiskANN",
    ),
    wire=Wire.TYPED,
    ordering=Ordering(
        by_outer=False,
    ),
    loading=Loading(
        generated_key="NULL",
        no_claim=NO_ROW_LOCKS,
        method="values",
        rows=100,
        plain_rows=True,
    ),
    ddl=Ddl(
        reindex='REINDEX "{name}"',
        converts_values=True,
        declarations="SELECT sql AS declaration FROM sqlite_master WHERE name = %s",
        # Otherwise DROP TABLE of a table that refers to itself is a "SQL logic error".
        dropped_first="SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = %s"
        " AND sql LIKE '%%libsql_vector_idx%%'",
    ),
    planning=Planning(
        index_in_plan="SCAN vector_top_k VIRTUAL TABLE INDEX",
    ),
    upkeep=Upkeep(
        version="SELECT sqlite_version() AS version",
        index_definition="SELECT sql AS definition FROM sqlite_master WHERE type = 'index' AND name = '{name}'",
        index_metric=r"metric=(\w+)",
        text_index=FTS5.standing.replace("found", "valid"),
        index_bytes=DBSTAT,
        text_index_bytes=DBSTAT,
        no_index_bytes=NO_DBSTAT,
        optimize=('ANALYZE "{table}"',),
    ),
    costs=COSTS,
    estimating=ESTIMATING,
    limits=StatementLimit(
        none_in_process=(
            "its driver cannot end a statement in this process, so a file or memory takes no statement timeout. Leave"
            " OPTIONS['statement_timeout'] out of DATABASES, use a libSQL server, or ENGINE sqlite."
        ),
    ),
    extension=Extension(
        # This fails if the vector functions are missing.
        version_query="SELECT sqlite_version() AS version, vector_distance_l2(zeroblob(4), zeroblob(4)) AS works",
        install_hint='Install libsql 0.1.11 or newer (pip install "dorm-vector[libsql-native]") or use a newer server.',
    ),
    index_use=IndexUse(
        # Only the table function uses the index. It finds at most search_l rows, whatever the count; a count of 0 or of
        # billions aborts the process.
        probe="{row}.rowid IN (SELECT id FROM vector_top_k('{index}', {vector}, {count}))",
        probe_width=200,
        # Deleting a row also deletes the links through it, so other rows become unreachable. Several rows may have the
        # same vector.
        lost="SELECT COUNT(*) AS \"seen\", SUM(NOT EXISTS (SELECT 1 FROM vector_top_k('{index}', s.v, 50) AS k"
        ' JOIN "{table}" AS d ON d.rowid = k.id WHERE d."{column}" = s.v)) AS "lost" FROM'
        ' (SELECT "{column}" AS v FROM "{table}" WHERE "{column}" IS NOT NULL{condition}'
        " ORDER BY random() LIMIT {sample}) AS s",
        standing="SELECT 1 AS one FROM sqlite_master WHERE type = 'index' AND name = %s",
    ),
)
