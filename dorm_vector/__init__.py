"""Vector search for djanorm: declare a VectorField once; store, migrate, index and search it on every database.

Importing this package loads no database driver, and mends what djanorm gets wrong for vector users.
"""

from . import djanorm
from .djanorm.sqlite_vec import SqliteVecTier, load_sqlite_vec_extension, sqlite_vec_tier
from .exceptions import (
    DimensionMismatch,
    InvalidVector,
    UnsupportedByDatabase,
    VectorError,
    VectorsUnavailable,
    VectorsWouldBeLost,
)
from .expressions import CosineDistance, L1Distance, L2Distance, MaxInnerProduct
from .fields import VectorField
from .indexes import HnswIndex, IvfflatIndex
from .metrics import Metric
from .operations import VectorExtension
from .query import VectorManager, VectorQuerySet, as_vector
from .vector import Vector

__version__ = "0.1.0"

__all__ = [
    "CosineDistance",
    "DimensionMismatch",
    "HnswIndex",
    "InvalidVector",
    "IvfflatIndex",
    "L1Distance",
    "L2Distance",
    "MaxInnerProduct",
    "Metric",
    "SqliteVecTier",
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
    "sqlite_vec_tier",
]

djanorm.install()
