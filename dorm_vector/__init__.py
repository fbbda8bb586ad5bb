"""Vector search for djanorm: declare a VectorField once; store, migrate, index and search it on every database.

Importing this package installs fixes for the djanorm bugs that affect vectors. It loads no database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _addresses, _install
from .exceptions import (
    ConnectionLost,
    CopyDiffers,
    CopyRefused,
    DimensionMismatch,
    EmbeddingError,
    FederatedSearchError,
    HalfPrecisionWarning,
    IndexBuiltOtherwise,
    IndexMissed,
    IndexWouldWait,
    InvalidVector,
    OtherEmbeddingModel,
    PartialAnswer,
    PgvectorTooOld,
    StaleEmbedding,
    StatementTimeout,
    UnsuitableDistance,
    UnsuitableFunction,
    UnsupportedByDatabase,
    UntestedDatabase,
    VectorError,
    VectorsDropped,
    VectorsUnavailable,
    VectorsWouldBeLost,
)
from .expressions.distances import (
    CosineDistance,
    CosineSimilarity,
    HammingDistance,
    InnerProduct,
    JaccardDistance,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
)
from .models.fields import BitField, HalfVectorField, LongTextField, SparseVectorField, VectorField
from .models.generated_fields import GeneratedVectorField
from .models.managers import VectorManager, as_vector
from .models.querysets import VectorQuerySet
from .values.bit import Bit
from .values.elements import Element
from .values.metrics import Metric
from .values.sparse import SparseVector
from .values.vector import HalfVector, Vector

if TYPE_CHECKING:
    from .bulk.copy.database import acopy_database, copy_database
    from .bulk.copy.report import CopyReport
    from .bulk.load import abulk_load, bulk_load
    from .bulk.matrix import ato_matrix, to_matrix
    from .bulk.parquet import aexport_parquet, aimport_parquet, export_parquet, import_parquet
    from .bulk.progress import rich_progress, tqdm_progress
    from .embeddings.embedders import Embedder, as_embedder
    from .embeddings.reembedding import areembed, astale_count, reembed, stale_count
    from .engines.limits.exempt import no_statement_timeout
    from .engines.sqlite.extension import SqliteVecTier, load_sqlite_vec_extension, sqlite_vec_tier
    from .expressions.aggregates import VectorAvg, VectorSum
    from .expressions.database_embedding import InDatabaseEmbedding
    from .expressions.functions import (
        BinaryQuantize,
        CastVector,
        L2Normalize,
        SubVector,
        VectorAdd,
        VectorConcat,
        VectorDims,
        VectorMul,
        VectorNorm,
        VectorSub,
    )
    from .expressions.recency import Recency
    from .indexes.hnsw_ivfflat import HnswIndex, IvfflatIndex
    from .indexes.text import TextIndex
    from .indexes.vec0 import Vec0Index
    from .models.embedding_field import EmbeddingField
    from .retrieval.federated import FederatedRows, afederated_nearest, federated_nearest
    from .retrieval.federated_hybrid import afederated_hybrid_search, federated_hybrid_search
    from .retrieval.hybrid import ahybrid_search, atext_search, hybrid_search, text_search
    from .retrieval.ranking import (
        Outlier,
        Pair,
        afind_duplicates,
        aoutliers,
        arerank,
        find_duplicates,
        mmr,
        outliers,
        rerank,
    )
    from .retrieval.recall import (
        Recall,
        Recommendation,
        ameasure_recall,
        arecommend_search_options,
        measure_recall,
        recommend_search_options,
    )
    from .retrieval.reciprocal_ranks import rrf
    from .retrieval.recommending import arecommend, recommend
    from .retrieval.sampled_recall import RecallSampler, sample_recall
    from .schema.clusters.citus import CreateDistributedTable, CreateReferenceTable
    from .schema.operations import RenameIndex, VectorExtension
    from .schema.partitions.operations import AddForeignPartition, AddPartition, PartitionTable, RemovePartition
    from .schema.partitions.servers import CreateForeignServer, OnEachServer
    from .schema.reindexing import RebuildIndex, arebuild_index, rebuild_index
    from .schema.tables import acreate_tables, create_tables
    from .search.distance_of import distance_of
    from .search.explain import Reason, SearchPlan
    from .search.options import search_options
    from .telemetry.otel import instrument_otel, uninstrument_otel


__version__ = "0.1.0"

__all__ = [
    "AddForeignPartition",
    "AddPartition",
    "BinaryQuantize",
    "Bit",
    "BitField",
    "CastVector",
    "ConnectionLost",
    "CopyDiffers",
    "CopyRefused",
    "CopyReport",
    "CosineDistance",
    "CosineSimilarity",
    "CreateDistributedTable",
    "CreateForeignServer",
    "CreateReferenceTable",
    "DimensionMismatch",
    "DiskAnnIndex",
    "Element",
    "Embedder",
    "EmbeddingError",
    "EmbeddingField",
    "FederatedRows",
    "FederatedSearchError",
    "GeneratedVectorField",
    "HalfPrecisionWarning",
    "HalfVector",
    "HalfVectorField",
    "HammingDistance",
    "HnswIndex",
    "InDatabaseEmbedding",
    "IndexBuiltOtherwise",
    "IndexMissed",
    "IndexWouldWait",
    "InnerProduct",
    "InvalidVector",
    "IvfflatIndex",
    "JaccardDistance",
    "L1Distance",
    "L2Distance",
    "L2Normalize",
    "LongTextField",
    "MaxInnerProduct",
    "Metric",
    "OnEachServer",
    "OtherEmbeddingModel",
    "Outlier",
    "Pair",
    "PartialAnswer",
    "PartitionTable",
    "PgvectorTooOld",
    "Reason",
    "RebuildIndex",
    "Recall",
    "RecallSampler",
    "Recency",
    "Recommendation",
    "RemovePartition",
    "RenameIndex",
    "SearchPlan",
    "SparseVector",
    "SparseVectorField",
    "SqliteVecTier",
    "StaleEmbedding",
    "StatementTimeout",
    "SubVector",
    "TextIndex",
    "UnsuitableDistance",
    "UnsuitableFunction",
    "UnsupportedByDatabase",
    "UntestedDatabase",
    "Vec0Index",
    "Vector",
    "VectorAdd",
    "VectorAvg",
    "VectorConcat",
    "VectorDims",
    "VectorError",
    "VectorExtension",
    "VectorField",
    "VectorManager",
    "VectorMul",
    "VectorNorm",
    "VectorQuerySet",
    "VectorSub",
    "VectorSum",
    "VectorsDropped",
    "VectorsUnavailable",
    "VectorsWouldBeLost",
    "abulk_load",
    "acopy_database",
    "acreate_tables",
    "aexport_parquet",
    "afederated_hybrid_search",
    "afederated_nearest",
    "afind_duplicates",
    "ahybrid_search",
    "aimport_parquet",
    "ameasure_recall",
    "aoutliers",
    "arebuild_index",
    "arecommend",
    "arecommend_search_options",
    "areembed",
    "arerank",
    "as_embedder",
    "as_vector",
    "astale_count",
    "atext_search",
    "ato_matrix",
    "bulk_load",
    "copy_database",
    "create_tables",
    "distance_of",
    "export_parquet",
    "federated_hybrid_search",
    "federated_nearest",
    "find_duplicates",
    "hybrid_search",
    "import_parquet",
    "instrument_otel",
    "load_sqlite_vec_extension",
    "measure_recall",
    "mmr",
    "no_statement_timeout",
    "outliers",
    "rebuild_index",
    "recommend",
    "recommend_search_options",
    "reembed",
    "rerank",
    "rich_progress",
    "rrf",
    "sample_recall",
    "search_options",
    "sqlite_vec_tier",
    "stale_count",
    "text_search",
    "to_matrix",
    "tqdm_progress",
    "uninstrument_otel",
]

_addresses.install()
_install.install()

# Imported on first use: not every process that uses vectors bulk loads, measures recall or reranks.
_LATER = {
    "AddForeignPartition": "schema.partitions.operations",
    "AddPartition": "schema.partitions.operations",
    "BinaryQuantize": "expressions.functions",
    "CastVector": "expressions.functions",
    "CopyReport": "bulk.copy.report",
    "CreateDistributedTable": "schema.clusters.citus",
    "CreateReferenceTable": "schema.clusters.citus",
    "CreateForeignServer": "schema.partitions.servers",
    "Embedder": "embeddings.embedders",
    "EmbeddingField": "models.embedding_field",
    "FederatedRows": "retrieval.federated",
    "DiskAnnIndex": "indexes.diskann",
    "HnswIndex": "indexes.hnsw_ivfflat",
    "InDatabaseEmbedding": "expressions.database_embedding",
    "IvfflatIndex": "indexes.hnsw_ivfflat",
    "L2Normalize": "expressions.functions",
    "OnEachServer": "schema.partitions.servers",
    "Outlier": "retrieval.ranking",
    "Pair": "retrieval.ranking",
    "PartitionTable": "schema.partitions.operations",
    "Reason": "search.explain",
    "RebuildIndex": "schema.reindexing",
    "Recall": "retrieval.recall",
    "RecallSampler": "retrieval.sampled_recall",
    "Recency": "expressions.recency",
    "Recommendation": "retrieval.recall",
    "RemovePartition": "schema.partitions.operations",
    "RenameIndex": "schema.operations",
    "SearchPlan": "search.explain",
    "SqliteVecTier": "engines.sqlite.extension",
    "SubVector": "expressions.functions",
    "TextIndex": "indexes.text",
    "Vec0Index": "indexes.vec0",
    "VectorAdd": "expressions.functions",
    "VectorAvg": "expressions.aggregates",
    "VectorConcat": "expressions.functions",
    "VectorDims": "expressions.functions",
    "VectorExtension": "schema.operations",
    "VectorMul": "expressions.functions",
    "VectorNorm": "expressions.functions",
    "VectorSub": "expressions.functions",
    "VectorSum": "expressions.aggregates",
    "abulk_load": "bulk.load",
    "acopy_database": "bulk.copy.database",
    "acreate_tables": "schema.tables",
    "aexport_parquet": "bulk.parquet",
    "afederated_hybrid_search": "retrieval.federated_hybrid",
    "afederated_nearest": "retrieval.federated",
    "afind_duplicates": "retrieval.ranking",
    "ahybrid_search": "retrieval.hybrid",
    "aimport_parquet": "bulk.parquet",
    "ameasure_recall": "retrieval.recall",
    "aoutliers": "retrieval.ranking",
    "arebuild_index": "schema.reindexing",
    "arecommend": "retrieval.recommending",
    "arecommend_search_options": "retrieval.recall",
    "areembed": "embeddings.reembedding",
    "arerank": "retrieval.ranking",
    "as_embedder": "embeddings.embedders",
    "astale_count": "embeddings.reembedding",
    "atext_search": "retrieval.hybrid",
    "ato_matrix": "bulk.matrix",
    "bulk_load": "bulk.load",
    "copy_database": "bulk.copy.database",
    "create_tables": "schema.tables",
    "distance_of": "search.distance_of",
    "export_parquet": "bulk.parquet",
    "federated_hybrid_search": "retrieval.federated_hybrid",
    "federated_nearest": "retrieval.federated",
    "find_duplicates": "retrieval.ranking",
    "hybrid_search": "retrieval.hybrid",
    "import_parquet": "bulk.parquet",
    "instrument_otel": "telemetry.otel",
    "load_sqlite_vec_extension": "engines.sqlite.extension",
    "measure_recall": "retrieval.recall",
    "mmr": "retrieval.ranking",
    "no_statement_timeout": "engines.limits.exempt",
    "outliers": "retrieval.ranking",
    "rebuild_index": "schema.reindexing",
    "recommend": "retrieval.recommending",
    "recommend_search_options": "retrieval.recall",
    "reembed": "embeddings.reembedding",
    "rerank": "retrieval.ranking",
    "rich_progress": "bulk.progress",
    "rrf": "retrieval.reciprocal_ranks",
    "sample_recall": "retrieval.sampled_recall",
    "search_options": "search.options",
    "sqlite_vec_tier": "engines.sqlite.extension",
    "stale_count": "embeddings.reembedding",
    "text_search": "retrieval.hybrid",
    "to_matrix": "bulk.matrix",
    "tqdm_progress": "bulk.progress",
    "uninstrument_otel": "telemetry.otel",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
