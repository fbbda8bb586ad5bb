"""Estimate the memory that the build of an HNSW index takes."""

from __future__ import annotations

from typing import Any

from ...dialects.base import Dialect
from ...indexes.contents import index_contents
from ...values.elements import Element

_BYTES = {Element.FLOAT32: 4.0, Element.HALF: 2.0, Element.BIT: 1 / 8, Element.SPARSE: 0.0}

# An element with its ten row numbers, and its neighbors: 2·m candidates of 16 bytes on the lowest layer.
# https://github.com/pgvector/pgvector/blob/v0.8.1/src/hnsw.h
_ELEMENT, _CANDIDATE, _HIGHER_LAYERS = 160, 16, 64


def graph_bytes(index: Any, field: Any, rows: int, dialect: Dialect) -> int:
    """Return the bytes of the graph of an HNSW index over that many rows; 0 for other indexes."""
    held = index_contents(index, field, dialect)
    if "m" not in index.ranges or held is None:
        return 0
    links = 2 * int(index.parameters(rows).get("m", 16))
    vector = int(held.dimensions * _BYTES[held.element]) + 8
    return rows * (vector + _ELEMENT + links * _CANDIDATE + _HIGHER_LAYERS)
