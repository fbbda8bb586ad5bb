"""Vector search for djanorm: declare a VectorField once; store, migrate, index and search it on every database.

Importing this package loads no database driver, and mends what djanorm gets wrong for vector users.
"""

from . import djanorm
from .bits import Bit
from .djanorm.sqlite_vec import SqliteVecTier, load_sqlite_vec_extension, sqlite_vec_tier
from .elements import Element
from .exceptions import (
    DimensionMismatch,
    InvalidVector,
    UnsuitableDistance,
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
from .indexes import HnswIndex, IvfflatIndex
from .metrics import Metric
from .operations import VectorExtension
from .query import VectorManager, VectorQuerySet, as_vector
from .sparse import SparseVector
from .search import search_options
from .vector import HalfVector, Vector

__version__ = "0.1.0"

__all__ = [
    "Bit",
    "BitField",
    "CosineDistance",
    "CosineSimilarity",
    "DimensionMismatch",
    "Element",
    "HalfVector",
    "HalfVectorField",
    "HammingDistance",
    "HnswIndex",
    "InnerProduct",
    "InvalidVector",
    "IvfflatIndex",
    "JaccardDistance",
    "L1Distance",
    "L2Distance",
    "MaxInnerProduct",
    "Metric",
    "SparseVector",
    "SparseVectorField",
    "SqliteVecTier",
    "UnsuitableDistance",
    "UnsupportedByDatabase",
    "Vector",
    "VectorError",
    "VectorExtension",
    "VectorField",
    "VectorManager",
    "VectorQuerySet",
    "VectorsUnavailable",
    "VectorsWouldBeLost",
    "as_vector",
    "load_sqlite_vec_extension",
    "search_options",
    "sqlite_vec_tier",
]

djanorm.install()
