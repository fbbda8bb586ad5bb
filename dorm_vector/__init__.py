"""Vector search for djanorm: declare a VectorField once; store, migrate, index and search it on every database.

Importing this package loads no database driver, and mends what djanorm gets wrong for vector users.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._install import install
from .aggregates import VectorAvg, VectorSum
from .bits import Bit
from .columns import GeneratedVectorField, InDatabaseEmbedding
from .djanorm.sqlite_vec import SqliteVecTier, load_sqlite_vec_extension, sqlite_vec_tier
from .elements import Element
from .embedders import Embedder, as_embedder
from .embeddings import EmbeddingField, areembed, reembed
from .exceptions import (
    ConnectionLost,
    DimensionMismatch,
    EmbeddingError,
    HalfPrecisionWarning,
    IndexMissed,
    IndexWouldWait,
    InvalidVector,
    StaleEmbedding,
    UnsuitableDistance,
    UnsuitableFunction,
    UnsupportedByDatabase,
    VectorError,
    VectorsUnavailable,
    VectorsWouldBeLost,
)
from .expressions import (
    CosineDistance,
    CosineSimilarity,
    HammingDistance,
    InnerProduct,
    JaccardDistance,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
)
from .fields import BitField, HalfVectorField, SparseVectorField, VectorField
from .functions import (
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
from .indexes import HnswIndex, IvfflatIndex
from .metrics import Metric
from .query import VectorManager, VectorQuerySet, as_vector
from .search import search_options
from .sparse import SparseVector
from .text_index import TextIndex
from .vector import HalfVector, Vector

if TYPE_CHECKING:
    from .bulk import abulk_load, bulk_load
    from .diagnostics import Reason, SearchPlan
    from .hybrid import ahybrid_search, atext_search, hybrid_search, text_search
    from .matrix import ato_matrix, to_matrix
    from .operations import VectorExtension
    from .progress import rich_progress, tqdm_progress
    from .ranking import (
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
    from .recall import (
        Recall,
        Recommendation,
        ameasure_recall,
        arecommend_search_options,
        measure_recall,
        recommend_search_options,
    )
    from .vec0 import Vec0Index

__version__ = "0.1.0"

__all__ = [
    "BinaryQuantize",
    "Bit",
    "BitField",
    "CastVector",
    "ConnectionLost",
    "CosineDistance",
    "CosineSimilarity",
    "DimensionMismatch",
    "Element",
    "Embedder",
    "EmbeddingError",
    "EmbeddingField",
    "GeneratedVectorField",
    "HalfPrecisionWarning",
    "HalfVector",
    "HalfVectorField",
    "HammingDistance",
    "HnswIndex",
    "InDatabaseEmbedding",
    "IndexMissed",
    "IndexWouldWait",
    "InnerProduct",
    "InvalidVector",
    "IvfflatIndex",
    "JaccardDistance",
    "L1Distance",
    "L2Distance",
    "L2Normalize",
    "MaxInnerProduct",
    "Metric",
    "Outlier",
    "Pair",
    "Reason",
    "Recall",
    "Recommendation",
    "SearchPlan",
    "SparseVector",
    "SparseVectorField",
    "SqliteVecTier",
    "StaleEmbedding",
    "SubVector",
    "TextIndex",
    "UnsuitableDistance",
    "UnsuitableFunction",
    "UnsupportedByDatabase",
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
    "VectorsUnavailable",
    "VectorsWouldBeLost",
    "abulk_load",
    "afind_duplicates",
    "ahybrid_search",
    "ameasure_recall",
    "aoutliers",
    "arecommend_search_options",
    "areembed",
    "arerank",
    "as_embedder",
    "as_vector",
    "atext_search",
    "ato_matrix",
    "bulk_load",
    "find_duplicates",
    "hybrid_search",
    "load_sqlite_vec_extension",
    "measure_recall",
    "mmr",
    "outliers",
    "recommend_search_options",
    "reembed",
    "rerank",
    "rich_progress",
    "search_options",
    "sqlite_vec_tier",
    "text_search",
    "to_matrix",
    "tqdm_progress",
]

install()

# Loaded when they are asked for: not every process that has vectors loads in bulk, measures recall or ranks again.
_LATER = {
    "Outlier": "ranking",
    "Pair": "ranking",
    "Reason": "diagnostics",
    "Recall": "recall",
    "Recommendation": "recall",
    "SearchPlan": "diagnostics",
    "VectorExtension": "operations",
    "Vec0Index": "vec0",
    "abulk_load": "bulk",
    "afind_duplicates": "ranking",
    "ahybrid_search": "hybrid",
    "ameasure_recall": "recall",
    "aoutliers": "ranking",
    "arecommend_search_options": "recall",
    "arerank": "ranking",
    "atext_search": "hybrid",
    "ato_matrix": "matrix",
    "bulk_load": "bulk",
    "find_duplicates": "ranking",
    "hybrid_search": "hybrid",
    "measure_recall": "recall",
    "mmr": "ranking",
    "outliers": "ranking",
    "recommend_search_options": "recall",
    "rerank": "ranking",
    "rich_progress": "progress",
    "text_search": "hybrid",
    "to_matrix": "matrix",
    "tqdm_progress": "progress",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
