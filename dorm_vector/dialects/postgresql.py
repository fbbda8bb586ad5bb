"""PostgreSQL with pgvector 0.7+: vector columns, HNSW and IVFFlat indexes.

Values are sent and received in pgvector's binary format.
Source: https://github.com/pgvector/pgvector
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.metrics import Metric
from ..values.wire import Wire
from ._postgresql import COSTS, COUNT_PAST_KEYS, ESTIMATING, ROUTINES, TEXT_SEARCH, UNSOUND, UPKEEP
from ._postgresql_indexes import BM25, LABELS, NO_INT8, SEARCH_OPTIONS, VECTORSCALE
from ._postgresql_partitions import PARTITIONS
from ._vec0 import NO_VEC0_INDEXES
from .base import Dialect, Distance, Form
from .shared.groups import Ddl, Extension, Loading, Ordering, Planning, SearchTuning, StatementLimit
from .shared.index_rules import ConcurrentBuild, IndexRules
from .shared.json import POSTGRESQL

_INDEX = (
    'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" USING {method} ({expression} {opclass}{labels})'
    "{options}{condition}"
)

_FORMS = {
    element: Form(
        f"{element.value}({{dimensions}})",
        placeholder=f"%s::{element.value}",
        read=f"{element.value}_send({{column}})",
        literal="'{text}'",
        # Without the cast, PostgreSQL would narrow the vector on the other side.
        widened="{operand}::vector",
        max_dimensions=limit,
    )
    for element, limit in ((Element.HALF, 16_000), (Element.SPARSE, 1_000_000_000))
}

_FORMS[Element.BIT] = Form(
    "bit({dimensions})", "%s::bit varying", "bit_send({column})", "B'{text}'", max_dimensions=83_886_080
)

_INDEX_RULES = IndexRules(
    # HNSW and IVFFlat share these limits. sparsevec is limited to 1,000 non-zero elements, not in its dimensions.
    max_dimensions={Element.FLOAT32: 2_000, Element.HALF: 4_000, Element.BIT: 64_000},
    limits_by_kind={"diskann": {Element.FLOAT32: 16_000}},
    too_full="non-zero elements",
    casts={
        Element.FLOAT32: "({operand})::vector({dimensions})",
        Element.HALF: "({operand})::halfvec({dimensions})",
        Element.BIT: "binary_quantize({operand})::bit({dimensions})",
    },
    prefix="subvector({operand}, 1, {dimensions})",
    int8=NO_INT8,
    labels=LABELS,
    extensions={"diskann": VECTORSCALE},
    build_option="SET LOCAL {name} = '{value}'",
    build_option_now="SELECT current_setting('{name}') AS value",
    # https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    concurrent=ConcurrentBuild(
        set_option="SELECT set_config('{name}', '{value}', false)",
        inherited=("search_path", "role"),
        own_locks="SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND granted"
        " AND relation = to_regclass('\"{table}\"')",
        exclusive="AccessExclusiveLock",
        waits_not_for=frozenset({"AccessShareLock", "RowShareLock", "ShareLock"}),
        invalid="SELECT 1 AS found FROM pg_index WHERE indexrelid = to_regclass('\"{name}\"') AND NOT indisvalid",
        drop_invalid='DROP INDEX CONCURRENTLY IF EXISTS "{name}"',
    ),
)

DIALECT = Dialect(
    name="postgresql",
    title="PostgreSQL",
    minimum="0.7.0",
    column="vector({dimensions})",
    any_length="{element}",
    placeholder="%s::vector",
    # The binary form as bytea is twelve times faster to read than text, with the same plan.
    read="vector_send({column})",
    forms=_FORMS,
    json=POSTGRESQL,
    routines=ROUTINES,
    computed="{operand}::vector",
    distances={
        Metric.L2: Distance("{left} <-> {right}"),
        # <=> returns NaN for a zero vector. An index can serve only the bare operator.
        Metric.COSINE: Distance(
            "NULLIF({left} <=> {right}, 'NaN')", rank="{left} <=> {right}", shown="NULLIF({rank}, 'NaN')"
        ),
        Metric.INNER_PRODUCT: Distance("{left} <#> {right}"),
        Metric.L1: Distance("{left} <+> {right}"),
        Metric.HAMMING: Distance("{left} <~> {right}"),
        # The % is doubled for psycopg.
        Metric.JACCARD: Distance("{left} <%%> {right}"),
    },
    other_length=r"different (?:\w+ dimensions|bit lengths) (\d+) and \d+",
    text_search=TEXT_SEARCH,
    bm25=BM25,
    indexes={**{kind: _INDEX.replace("{method}", kind) for kind in ("hnsw", "ivfflat", "diskann")}, **NO_VEC0_INDEXES},
    count_past_keys=COUNT_PAST_KEYS,
    wire=Wire.HEADED,
    index_rules=_INDEX_RULES,
    array_items='unnest({array}) AS "item" ("value")',
    ordering=Ordering(
        # NULLS LAST is the default here, and an explicit NULLS FIRST would prevent index use.
        ascending="{rank} ASC",
        exact_rank="{rank} + 0",
    ),
    loading=Loading(method="copy", binary_rows=True, intervals=True, claim="FOR NO KEY UPDATE", array_parameters=True),
    tuning=SearchTuning(
        options=SEARCH_OPTIONS,
        width="ef_search",
        # It ranks by bits, and four times as many rows hold the nearest: recall at 100 is 0.73 with 50, 0.99 with 400.
        width_by_kind={"diskann": ("query_rescore", 4)},
        # Relaxed order finds more rows, and sooner; they are sorted on arrival.
        filtered={"iterative_scan": "relaxed_order"},
        # A generic plan assumes that a third of the rows pass any filter, and so uses the index even if only a few do.
        filtered_settings={"plan_cache_mode": "force_custom_plan"},
        # Until a session loads pgvector, its settings read as NULL, or as '' after a transaction has set them.
        assignment="set_config('{variable}', {value}, true)",
        value="'{value}'",
        at_least="greatest(nullif(current_setting('{variable}', true), '')::int, {value})::text",
        for_transaction="SELECT {assignments}",
        by_kind={"hnsw": "ef_search", "ivfflat": "probes", "diskann": "query_rescore"},
        # NULL where the server does not have the extension of the setting.
        setting="SELECT nullif(current_setting('{variable}', true), '') AS value",
        now="nullif(current_setting('{variable}', true), '')",
        back="set_config('{variable}', %s, true)",
    ),
    costs=COSTS,
    estimating=ESTIMATING,
    ddl=Ddl(
        literal="'{text}'",
        concurrently=" CONCURRENTLY",
        rename_index='ALTER INDEX IF EXISTS "{old}" RENAME TO "{new}"',
        reindex='REINDEX INDEX{concurrently} "{name}"',
        narrower={"double precision": ("real",)},
        declarations="SELECT attname || ' ' || format_type(atttypid, atttypmod) AS declaration FROM pg_attribute"
        " WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 AND NOT attisdropped",
    ),
    planning=Planning(
        index_in_plan="Index Scan using {name} ",
        analyze='ANALYZE "{table}"',
        switch="enable_seqscan",
        # An index on an expression has no column, so it is returned for every column.
        built_indexes="SELECT i.relname AS name, x.indisvalid AS valid, o.opcname AS opclass"
        " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam"
        " JOIN pg_opclass o ON o.oid = x.indclass[0]"
        " LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]"
        " WHERE x.indrelid = to_regclass(quote_ident(%s)) AND (a.attname = %s OR x.indkey[0] = 0)"
        " AND m.amname IN ('hnsw', 'ivfflat', 'diskann')",
    ),
    upkeep=UPKEEP,
    partitions=PARTITIONS,
    limits=StatementLimit(told=frozenset({"57014"})),
    extension=Extension(
        # Not into the schema of whichever tenant is migrated first: all of them use the one extension.
        enable=(
            (
                "DO $$ BEGIN"
                " IF EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN RETURN; END IF;"
                " IF 'public' = ANY (current_schemas(false)) AND has_schema_privilege('public', 'CREATE')"
                " THEN CREATE EXTENSION vector SCHEMA public; ELSE CREATE EXTENSION vector; END IF; END $$"
            ),
        ),
        # pgvectorscale, which a DiskAnnIndex enables, depends on it.
        disable=("DROP EXTENSION IF EXISTS vectorscale", "DROP EXTENSION IF EXISTS vector"),
        version_query="SELECT extversion AS version,"
        " CASE WHEN to_regtype('vector') IS NULL THEN extnamespace::regnamespace::text END AS hidden_in"
        " FROM pg_extension WHERE extname = 'vector'",
        server_query="SELECT version() AS version",
        sound="0.8.3",
        unsound=UNSOUND,
        install_hint="Install pgvector 0.7 or newer on the server, and let a superuser run CREATE EXTENSION vector.",
    ),
)
