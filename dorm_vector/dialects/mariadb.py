"""MariaDB 11.7+: VECTOR columns of packed little-endian float32, with its own variant of HNSW indexes.

Source: https://mariadb.com/docs/server/reference/sql-structure/vectors
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.metrics import Metric
from . import _float32
from ._embedding_functions import NOT_IN_A_COLUMN, POSTGRESML
from ._mariadb import (
    COSTS,
    ESTIMATING,
    FULLTEXT_INDEX,
    GENERATED_SUBQUERY,
    INDEX_RULES,
    MHNSW,
    ORDERING,
    ROUTINES,
    UPKEEP,
)
from ._vec0 import NO_VEC0_INDEXES
from .base import Dialect, Distance, Form
from .shared.groups import Ddl, Extension, IndexUse, Loading, Planning, SearchTuning, StatementLimit
from .shared.json import MARIADB
from .shared.search_options import SearchOption
from .shared.text_search import NO_BM25, fulltext
from .shared.unsupported import Unsupported

_L2 = "VEC_DISTANCE_EUCLIDEAN({left}, {right})"

_COSINE = "VEC_DISTANCE_COSINE({left}, {right})"

_LENGTH, _RIGHT_LENGTH = (f"VEC_DISTANCE_EUCLIDEAN({{{side}}}, {{zeros}})" for side in ("left", "right"))

_LENGTHS = f"{_LENGTH} * {_RIGHT_LENGTH}"

_L1 = (
    f"(SELECT SUM(ABS({_float32.number('{left}', '4 * n.i')} - {_float32.number('{right}', '4 * n.i')}))"
    f" FROM {_float32.POSITIONS})"
)

# A derived table cannot name an outer column, so a constant right side is read once, not per row.
_L1_OF_A_CONSTANT = (
    f"(SELECT SUM(ABS({_float32.number('{left}', '4 * q.i')} - q.y)) FROM"
    f" (SELECT n.i, {_float32.number('p.h', '4 * n.i')} AS y FROM (SELECT {{right}} AS h) p, {_float32.POSITIONS}"
    " LIMIT {dimensions}) q)"
)


def _of_one_length(value: str) -> str:
    """Return NULL for vectors of different lengths, as the server's own functions do."""
    return f"IF(LENGTH({{left}}) = LENGTH({{right}}), {value}, NULL)"


DIALECT = Dialect(
    name="mariadb",
    title="MariaDB",
    minimum="11.7",
    column="VECTOR({dimensions})",
    any_length=Unsupported(
        reason="a VECTOR column holds vectors of one length.",
        instead="Declare dimensions, and a field for each length.",
        probe="CREATE TABLE any_length_probe (e VECTOR)",
        see="https://mariadb.com/docs/server/reference/sql-structure/vectors/vector-overview",
    ),
    forms={Element.BIT: Form("VARBINARY({bytes})", literal="(X'{hex}')", max_dimensions=8 * 65_532)},
    # A row holds 65,535 bytes, including its key.
    max_dimensions=16_380,
    # REPEAT() would be called for each row, and cost twenty times as much as the distance.
    zeros="X'{nothing:0>{digits}}'",
    json=MARIADB,
    routines=ROUTINES,
    embedding_functions=POSTGRESML,
    distances={
        Metric.L2: Distance(_L2, indexed=_L2),
        # It returns 0, a perfect match, for a zero vector. Its index ranks one as if its distance were 0.5.
        Metric.COSINE: Distance(
            f"CASE WHEN {_LENGTH} > 0 AND {_RIGHT_LENGTH} > 0 THEN {_COSINE} END",
            nonzero=f"CASE WHEN {_LENGTH} > 0 THEN {_COSINE} END",
            indexed=_COSINE,
            indexed_where=f"{_LENGTH} > 0",
        ),
        # There is no inner product function. a.b = cos * |a| * |b|. The 0 above is really a NaN, an arithmetic error.
        Metric.INNER_PRODUCT: Distance(f"IF({_LENGTHS} > 0, ({_COSINE} - 1) * {_LENGTHS}, {_LENGTHS})"),
        Metric.L1: Distance(_of_one_length(_L1), constant=_of_one_length(_L1_OF_A_CONSTANT)),
        Metric.HAMMING: Distance(_of_one_length(_float32.HAMMING)),
        Metric.JACCARD: Distance(_of_one_length(_float32.JACCARD)),
    },
    # The distance of NULL, or of vectors of different lengths, is NULL, so the field checks each length.
    null_distance="CAST(NULL AS DOUBLE)",
    indexes={
        "hnsw": MHNSW,
        "diskann": MHNSW,
        "ivfflat": Unsupported(
            reason="it has no IVFFlat index, so it builds none for it, and such a search is exact.",
            instead="Use HnswIndex for an index here.",
            probe="CREATE TABLE ivfflat_probe (e VECTOR(3) NOT NULL, VECTOR INDEX (e) USING IVFFLAT)",
            see="https://mariadb.com/docs/server/reference/sql-structure/vectors/vector-overview",
        ),
        **NO_VEC0_INDEXES,
    },
    text_search=fulltext("fulltext {name} {name} ", FULLTEXT_INDEX),
    bm25=NO_BM25,
    index_rules=INDEX_RULES,
    longest=2.0**64,
    age="(TIMESTAMPDIFF(MICROSECOND, {column}, %s) / 1e6)",
    ordering=ORDERING,
    loading=Loading(
        by_key='"{table}" FORCE INDEX (PRIMARY)',
        reads_with_claims=False,
        method="values",
        # The values are part of the statement, which may be 16 MB, and an escaped byte takes two.
        bytes=4 * 2**20,
        # INSERT IGNORE would ignore other errors than duplicates.
        keep_existing="ON DUPLICATE KEY UPDATE {first} = {first}",
        overwrite_existing="ON DUPLICATE KEY UPDATE {assignments}",
        ddl_commits=True,
        inserted_value="VALUES({column})",
    ),
    tuning=SearchTuning(
        # https://mariadb.com/docs/server/reference/sql-structure/vectors/vector-system-variables
        options={"ef_search": SearchOption({"mhnsw_ef_search": {}}, range(1, 10_001), default=20)},
        width="ef_search",
        assignment="{variable} = {value}",
        at_least="GREATEST(@@{variable}, {value})",
        setting="SELECT @@{variable}",
        by_kind={"hnsw": "ef_search"},
        for_statement="SET STATEMENT {assignments} FOR {statement}",
    ),
    ddl=Ddl(
        # Comparisons respect case, accents and trailing spaces.
        text_key="VARCHAR({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        # TEXT holds 65,535 bytes.
        long_text="LONGTEXT",
        narrower={
            "longtext": ("tinytext", "text", "mediumtext"),
            "time(6)": ("time",),
            "datetime(6)": ("datetime",),
        },
        generated_call=NOT_IN_A_COLUMN,
        generated_subquery=GENERATED_SUBQUERY,
        drop_index='DROP INDEX IF EXISTS "{name}" ON "{table}"',
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
        explain_analyze="ANALYZE{format}",
        # In the plan, the key that is used follows the access type and the possible keys.
        index_in_plan=" index None {name} ",
        built_indexes="SELECT index_name AS name, 1 AS valid, '' AS opclass FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() AND table_name = %s AND column_name = %s AND index_type = 'VECTOR'",
        analyze='ANALYZE TABLE "{table}"',
    ),
    upkeep=UPKEEP,
    costs=COSTS,
    estimating=ESTIMATING,
    limits=StatementLimit(
        session="SET SESSION max_statement_time = {seconds}",
        told=frozenset({1969}),
    ),
    extension=Extension(
        version_query="SELECT VERSION() AS version",
        install_hint="Upgrade the server to MariaDB 11.7 or newer, 11.8 for long-term support.",
    ),
    index_use=IndexUse(
        # With a filter or a large LIMIT the index returns unsorted rows; an outer ORDER BY keeps the index in use. The
        # graph holds rounded numbers, and LIMIT widens the search, so this uses as many candidates as pgvector does.
        sort_found='SELECT * FROM ({select}) AS "found" ORDER BY {value} IS NULL, {value}{limits}',
        candidates=40,
    ),
)
