"""Turso, the database behind djanorm's ``libsql`` engine (pyturso): F32_BLOB columns of packed little-endian float32.

A vector function that fails, even in a SELECT, rolls back the open transaction, so nothing that can fail is sent.
Source: https://docs.turso.tech/sql-reference/functions/vector
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.metrics import Metric
from ._embedding_functions import NONE_CAN_BE_ADDED
from ._turso import GENERATED, ROUTINES, SIGNS, TEXT_SEARCH
from ._vec0 import NO_VEC0_INDEXES
from .base import Dialect, Distance, Form
from .shared.companions import FOUND
from .shared.groups import Ddl, Extension, Loading, Planning, SearchTuning, StatementLimit
from .shared.json import TURSO
from .shared.search_options import SearchOption
from .shared.unsupported import NO_ROW_LOCKS, Unsupported
from .shared.upkeep import Upkeep

_NO_INDEX = Unsupported(
    reason="it has no nearest-neighbour index, so every search is exact.",
    instead="Declare the index all the same: it is built where the database has one.",
    probe="CREATE INDEX probe_index ON tests_package USING hnsw (embedding)",
    see="https://docs.turso.tech/guides/vector-search",
)

# There is no L1 function, but a weighted Jaccard distance: j = 1 - m / M, where m and M are the sums of the smaller and
# of the larger number of each pair. With s = m + M, the sum of both vectors, M = s / (2 - j) and L1 = M - m = 2M - s.
# One more dimension, k, equal in both and greater than either sum can be, keeps M above 0. It is a whole number, so
# that its text is exact; the rest is float64. The product of a vector and its signs is the sum of its absolute values;
# the signs of zeros are all -1, and "dot" is negated.
_A, _B = "vector64({left})", "vector64({right})"

_SIGNS_A, _SIGNS_B = "vector64(vector1bit({left}))", "vector64(vector1bit({right}))"

_MINUS = "vector64(vector1bit({zeros}))"

_K = f"ceil(1 - vector_distance_dot({_A}, {_SIGNS_A}) - vector_distance_dot({_B}, {_SIGNS_B}))"

_LAST = f"vector64('[' || {_K} || ']')"

_J = f"vector_distance_jaccard(vector_concat({_A}, {_LAST}), vector_concat({_B}, {_LAST}))"

_S = f"(2 * {_K} + vector_distance_dot({_A}, {_MINUS}) + vector_distance_dot({_B}, {_MINUS}))"

# Turso's bit vector is the packed bits followed by zeros up to an odd number of bytes, the number of unused bits at
# the end, and the type. Its "cosine" distance of two bit vectors is their Hamming distance.
_BITS_A, _BITS_B = (
    f"unhex(hex({side}) || CASE {{bytes}} % 2 WHEN 1 THEN '0803' ELSE '001003' END)" for side in ("{left}", "{right}")
)

DIALECT = Dialect(
    name="turso",
    stores_text=True,
    title="Turso",
    minimum="0.7",
    column="F32_BLOB({dimensions})",
    any_length="BLOB",
    forms={Element.BIT: Form("BLOB", max_dimensions=83_886_080)},
    zeros="zeroblob(4 * {dimensions})",
    json=TURSO,
    routines=ROUTINES,
    embedding_functions=NONE_CAN_BE_ADDED,
    distances={
        Metric.L2: Distance("vector_distance_l2({left}, {right})"),
        # It returns 1 for one zero vector and 0 for two; x / 0 makes both NULL.
        Metric.COSINE: Distance(
            "vector_distance_cos({left}, {right})"
            " + 0 / (vector_distance_dot({left}, {left}) * vector_distance_dot({right}, {right}))"
        ),
        # The function already negates the product.
        Metric.INNER_PRODUCT: Distance("vector_distance_dot({left}, {right})"),
        Metric.L1: Distance(f"2 * {_S} / (2 - {_J}) - {_S}"),
        Metric.HAMMING: Distance(f"vector_distance_cos({_BITS_A}, {_BITS_B})"),
        # It is NULL if neither side has a set bit.
        Metric.JACCARD: Distance(f"coalesce(vector_distance_jaccard({_BITS_A}, {_BITS_B}), 1.0)"),
    },
    null_guard="CASE WHEN {condition} THEN {distance} END",
    least="min({values})",
    age="((julianday(%s) - julianday({column})) * 86400)",
    null_distance="CAST(NULL AS REAL)",
    other_length="Vectors must have the same dimensions",
    text_search=TEXT_SEARCH,
    indexes={
        "hnsw": _NO_INDEX,
        "ivfflat": _NO_INDEX,
        "diskann": _NO_INDEX,
        "signs": SIGNS.create,
        **NO_VEC0_INDEXES,
    },
    companions={"signs": SIGNS},
    companions_found=FOUND,
    tuning=SearchTuning(
        # Rows measured exactly per row requested.
        options={"oversample": SearchOption({}, range(1, 1001), 40)},
        by_kind={"signs": "oversample"},
    ),
    loading=Loading(
        generated_key="NULL",
        no_claim=NO_ROW_LOCKS,
        plain_rows=True,
        # No other process can open the file while a thread's connection closes.
        reads_ahead=False,
    ),
    ddl=Ddl(
        generated=GENERATED,
        declarations="SELECT sql AS declaration FROM sqlite_master WHERE type = 'table' AND name = %s",
    ),
    planning=Planning(
        built_indexes=f"SELECT name, valid, '' AS opclass FROM ({FOUND}) WHERE \"table\" = %s AND %s IS NOT NULL",
        # A hash join computes subqueries before it reads the row they refer to: they are NULL, or the process aborts.
        # Only equalities are hashed. https://github.com/tursodatabase/turso/issues/8226
        join_with_subquery="({left} IS {right} AND {right} IS NOT NULL)",
    ),
    upkeep=Upkeep(
        version="SELECT sqlite_version() AS version",
        text_index=TEXT_SEARCH.standing.replace("found", "valid"),
        no_index_bytes="Turso has no statistics of the space that an index takes.",
        optimize=('ANALYZE "{table}"',),
    ),
    limits=StatementLimit(
        told=frozenset({"interrupted"}),
    ),
    extension=Extension(
        install_hint='Install pyturso 0.7 or newer: pip install "dorm-vector[turso]".',
    ),
)
