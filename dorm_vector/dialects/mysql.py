"""MySQL 9: VECTOR columns of packed little-endian float32; distances in SQL, or with DISTANCE() if the server has it.

Source: https://dev.mysql.com/doc/refman/9.7/en/vector.html
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.metrics import Metric
from ._embedding_functions import NOT_IN_A_COLUMN, POSTGRESML
from ._mysql import GENERATED, OTHER_LENGTH, ROUTINES, UNIQUE, UPKEEP, of_one_length, of_pairs, of_read_pairs
from ._mysql_signs import SIGN_COLUMN
from ._vec0 import NO_VEC0_INDEXES
from .base import Dialect, Distance, Form
from .shared.client_ranking import ClientRanking
from .shared.costs import PlanCosts
from .shared.groups import Ddl, Extension, Loading, Ordering, Planning, SearchTuning, StatementLimit
from .shared.json import MYSQL
from .shared.search_options import SearchOption
from .shared.text_search import NO_BM25, fulltext
from .shared.unsupported import Unsupported

_NO_INDEX = Unsupported(
    reason="it has no nearest-neighbour index, so every search is exact.",
    instead="Declare the index all the same: it is built where the database has one.",
    probe="CREATE VECTOR INDEX probe_index ON tests_package (embedding)",
    see="https://dev.mysql.com/doc/refman/9.7/en/vector.html",
)


_FROM_BYTES = "computed in SQL, from the bytes of each number"

_WITHOUT_FUNCTION = f"{_FROM_BYTES}; this server has no DISTANCE()."


def _of(pairs: tuple[str, str], how: str = _WITHOUT_FUNCTION) -> Distance:
    columns, constant = pairs
    return Distance(
        of_one_length("left", of_one_length("right", columns)), constant=of_one_length("left", constant), how=how
    )


def _by_function(value: str) -> Distance:
    return Distance(value, how="computed by the server's DISTANCE().")


_COSINE = "SUM(d.x * d.y) / NULLIF(SQRT(SUM(d.x * d.x) * SUM(d.y * d.y)), 0)"

_BOTH, _EITHER = (f"BIT_COUNT(CAST({{left}} AS BINARY) {sign} CAST({{right}} AS BINARY))" for sign in "&|")

DIALECT = Dialect(
    name="mysql",
    title="MySQL",
    minimum="9.0",
    column="VECTOR({dimensions})",
    any_length=Unsupported(
        reason="a VECTOR column has a greatest length, and its distances are computed for one length.",
        instead="Declare dimensions, and a field for each length.",
        probe="CREATE TABLE any_length_probe (e VECTOR(16384))",
        see="https://dev.mysql.com/doc/refman/9.7/en/vector.html",
    ),
    forms={Element.BIT: Form("VARBINARY({bytes})", literal="(X'{hex}')", max_dimensions=8 * 65_524)},
    max_dimensions=16_383,
    zeros="REPEAT(X'00', 4 * {dimensions})",
    # A VECTOR compares equal only to another VECTOR, never to bound bytes.
    equality="CAST({left} AS BINARY) = CAST({right} AS BINARY)",
    stored="CAST({column} AS BINARY)",
    json=MYSQL,
    routines=ROUTINES,
    embedding_functions=POSTGRESML,
    distances={
        Metric.L2: _of(of_pairs("SQRT(SUM(POW({x} - {y}, 2)))")),
        Metric.COSINE: _of(of_read_pairs(f"1 - GREATEST(-1, LEAST(1, {_COSINE}))")),
        Metric.INNER_PRODUCT: _of(of_pairs("-SUM({x} * {y})")),
        Metric.L1: _of(of_pairs("SUM(ABS({x} - {y}))"), f"{_FROM_BYTES}."),
        Metric.HAMMING: Distance(f"CAST({_BOTH.replace('&', '^')} AS DOUBLE)"),
        Metric.JACCARD: Distance(f"IF({_EITHER} = 0, 1E0, 1 - {_BOTH} / (1E0 * {_EITHER}))"),
    },
    null_distance="CAST(NULL AS DOUBLE)",
    other_length=f"{OTHER_LENGTH} ([0-9]+)|Binary operands of bitwise operators must be of equal length",
    indexes={"hnsw": _NO_INDEX, "ivfflat": _NO_INDEX, "diskann": _NO_INDEX, **NO_VEC0_INDEXES},
    text_search=fulltext("using {name} ("),
    bm25=NO_BM25,
    sign_column=SIGN_COLUMN,
    tuning=SearchTuning(
        # Rows measured exactly per row requested. With 40 the recall is 0.992 at k=10, on 40,000 texts
        # in 384 dimensions.
        options={"oversample": SearchOption({}, range(1, 1001), 40)},
        by_kind={"signs": "oversample"},
    ),
    age="(TIMESTAMPDIFF(MICROSECOND, {column}, %s) / 1e6)",
    ordering=Ordering(
        ascending="{rank} IS NULL, {rank} ASC",
        # A distance is computed as many times as the statement contains it.
        nearest_first="-{rank} DESC",
        descending="{value} DESC",
    ),
    # Measured on MySQL 9.7: the distance of a row of 384 dimensions takes 0.24 ms in SQL.
    costs=PlanCosts(statement=0.2, row=0.001, measured_row=0.002, measured_number=0.00062),
    client_ranking=ClientRanking(bytes_per_ms=100_000, in_order="FIELD({key}, {places})"),
    loading=Loading(
        by_key='"{table}" FORCE INDEX (PRIMARY)',
        reads_with_claims=False,
        method="values",
        # The values are part of the statement, which may be 64 MB, and an escaped byte takes two.
        bytes=4 * 2**20,
        # INSERT IGNORE would ignore other errors than duplicates.
        keep_existing="ON DUPLICATE KEY UPDATE {first} = {first}",
        overwrite_existing="ON DUPLICATE KEY UPDATE {assignments}",
        ddl_commits=True,
        inserted_row='AS "inserted" ',
        inserted_value='"inserted".{column}',
    ),
    ddl=Ddl(
        unique=UNIQUE,
        # Comparisons respect case, accents and trailing spaces.
        text_key="VARCHAR({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin",
        # TEXT holds 65,535 bytes.
        long_text="LONGTEXT",
        narrower={
            "longtext": ("tinytext", "text", "mediumtext"),
            "time(6)": ("time",),
            "datetime(6)": ("datetime",),
        },
        generated_call=NOT_IN_A_COLUMN,
        generated=GENERATED,
        drop_index='DROP INDEX "{name}" ON "{table}"',
        rename_index='ALTER TABLE "{table}" RENAME INDEX "{old}" TO "{new}"',
        alter_column='ALTER TABLE "{table}" MODIFY COLUMN {definition}',
        literal="(X'{hex}')",
        declarations=(
            "SELECT CONCAT(column_name, ' ', column_type) AS declaration FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s"
        ),
    ),
    planning=Planning(
        explain="EXPLAIN{format}",
        explain_analyze="EXPLAIN ANALYZE{format}",
        explain_format="tree",
        analyze='ANALYZE TABLE "{table}"',
    ),
    upkeep=UPKEEP,
    limits=StatementLimit(
        session="SET SESSION max_execution_time = {milliseconds}",
        told=frozenset({3024}),
        reads_only=True,
    ),
    extension=Extension(
        version_query="SELECT VERSION() AS version",
        install_hint="Upgrade the server to MySQL 9.0 or newer.",
    ),
)

_LENGTHS = " AND ".join(f"DISTANCE({{{side}}}, {{zeros}}, 'EUCLIDEAN') > 0" for side in ("left", "right"))

_SIGN = "DISTANCE(STRING_TO_VECTOR('[1]'), STRING_TO_VECTOR('[1]'), 'DOT')"

# https://dev.mysql.com/doc/refman/9.7/en/vector-functions.html and, for Percona's server,
# https://docs.percona.com/percona-server/9.7/distance-function.html
WITH_DISTANCE = Dialect(
    **vars(DIALECT)
    | {
        "client_ranking": ClientRanking(),
        "sign_column": None,
        "tuning": SearchTuning(),
        "costs": PlanCosts(),
        "distances": {
            **DIALECT.distances,
            Metric.L2: _by_function("DISTANCE({left}, {right}, 'EUCLIDEAN')"),
            # Only one of the two servers documents the result for a zero vector.
            Metric.COSINE: _by_function(f"CASE WHEN {_LENGTHS} THEN DISTANCE({{left}}, {{right}}, 'COSINE') END"),
            # One of the two servers returns it negated, and the other does not document the sign.
            Metric.INNER_PRODUCT: _by_function(f"-{_SIGN} * DISTANCE({{left}}, {{right}}, 'DOT')"),
        },
    }
)
