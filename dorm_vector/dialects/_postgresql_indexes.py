"""PostgreSQL's extensions for indexes, pg_textsearch and pgvectorscale, and the options of index searches."""

from __future__ import annotations

from .shared.index_extensions import extension_of_postgresql
from .shared.index_rules import IndexLabels
from .shared.search_options import SearchOption
from .shared.text_search import TextSearch
from .shared.unsupported import Unsupported

# https://github.com/timescale/pg_textsearch
# The value is negative, and 0 for a row without any of the words. It counts words in the index that it names.
_BM25 = "({document}) <@> to_bm25query({query}, '{name}')"

BM25 = TextSearch(
    title="pg_textsearch",
    create=(
        (
            'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" USING bm25 (({document}))'
            " WITH (text_config = '{language}')"
        ),
    ),
    condition="",
    score=f"-nullif({_BM25}, 0)",
    order=_BM25,
    part="coalesce({column}, '')",
    joint=" || ' ' || ",
    alone="{column}",
    in_plan="Index Scan using {name} ",
    extension=extension_of_postgresql(
        "pg_textsearch",
        "1.0.0",
        "Install pg_textsearch (Debian: postgresql-18-pg-textsearch; or https://github.com/timescale/pg_textsearch),"
        ' add it to shared_preload_libraries, and restart the server; or leave out method="bm25" to rank by ts_rank.',
    ),
    several_since="1.1.0",
)

# https://github.com/timescale/pgvectorscale#label-based-filtering-with-diskann
# Labels are smallint. The result of a hash is bigint; casts of whole numbers, booleans and UUIDs to text are immutable.
LABELS = IndexLabels(
    text="{value}::text",
    joint=" || '|' || ",
    label="mod(hashtextextended({text}, {seed}), 32768)::smallint",
    row="ARRAY[{labels}]",
    condition="{row} && ARRAY[{labels}]",
    true="true",
    false="false",
)

VECTORSCALE = extension_of_postgresql(
    "vectorscale",
    "0.9.0",
    "Install pgvectorscale 0.9 or newer on the server (https://github.com/timescale/pgvectorscale), or declare an"
    " HnswIndex instead.",
    cascade=True,
)

NO_INT8 = Unsupported(
    reason="pgvector has no index of 8-bit integers.",
    instead='Use precision="half" or precision="bit".',
    # This divides by the number of operator classes for integers, which is zero.
    probe=(
        "SELECT 1 / count(*) FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod"
        " WHERE amname = 'hnsw' AND opcname ~ 'int'"
    ),
    see="https://github.com/pgvector/pgvector#hnsw",
)

_SCAN = {"strict_order": "relaxed_order"}  # IVFFlat has only relaxed order; its rows are sorted on arrival

SEARCH_OPTIONS = {
    "ef_search": SearchOption({"hnsw.ef_search": {}}, range(1, 1001), default=40),
    "probes": SearchOption({"ivfflat.probes": {}}, range(1, 32769), default=1),
    "iterative_scan": SearchOption(
        {"hnsw.iterative_scan": {}, "ivfflat.iterative_scan": _SCAN},
        ("off", "relaxed_order", "strict_order"),
        default="off",
        since="0.8.0",
    ),
    "max_scan_tuples": SearchOption({"hnsw.max_scan_tuples": {}}, range(1, 2**31), default=20_000, since="0.8.0"),
    "scan_mem_multiplier": SearchOption({"hnsw.scan_mem_multiplier": {}}, range(1, 1001), default=1, since="0.8.0"),
    "query_search_list_size": SearchOption({"diskann.query_search_list_size": {}}, range(1, 10_001), default=100),
    "query_rescore": SearchOption({"diskann.query_rescore": {}}, range(1, 1001), default=50),
    "max_probes": SearchOption({"ivfflat.max_probes": {}}, range(1, 32769), default=32_768, since="0.8.0"),
}
