"""What mypy has to refuse; each line says with which code. It is checked, never run."""

from __future__ import annotations

import dorm

from dorm_vector import CosineDistance, VectorField


class Document(dorm.Model):
    missing = VectorField()  # refused: call-arg
    text = VectorField(dimensions="3")  # refused: arg-type
    typo = VectorField(dimension=3)  # refused: call-arg
    flag = VectorField(dimensions=3, as_numpy="yes")  # refused: arg-type


CosineDistance("embedding")  # refused: call-arg
CosineDistance(3, [1.0, 2.0, 3.0])  # refused: arg-type
