"""What mypy and pyright have to refuse; each line says with which code of mypy. It is checked, never run."""

from __future__ import annotations

from typing import ClassVar

import dorm

from dorm_vector import BitField, CosineDistance, VectorField, VectorManager, distance_of, hybrid_search


class Document(dorm.Model):
    missing = BitField()  # refused: call-arg
    text = VectorField(dimensions="3")  # refused: arg-type
    typo = BitField(dimensions=3)  # refused: call-arg
    flag = VectorField(dimensions=3, as_numpy="yes")  # refused: arg-type


CosineDistance("embedding")  # refused: call-arg
CosineDistance(3, [1.0, 2.0, 3.0])  # refused: arg-type


class Ticket(dorm.Model):
    title = dorm.CharField(max_length=80)
    embedding = VectorField(dimensions=3)

    objects: ClassVar[VectorManager[Ticket]] = VectorManager()


near = Ticket.objects.nearest("embedding", [1.0, 2.0, 3.0])
near[0].titel.upper()  # refused: attr-defined
near.nearset("embedding", [1.0, 2.0, 3.0])  # refused: attr-defined
Ticket.objects.nearest("embedding", [1.0, 2.0, 3.0], max_distance="1")  # refused: arg-type
hybrid_search(Ticket.objects, words="a word")  # refused: call-arg
hybrid_search(Ticket.objects, text="a word")[0].titel.upper()  # refused: attr-defined
text: str = distance_of(near[0])  # refused: assignment
