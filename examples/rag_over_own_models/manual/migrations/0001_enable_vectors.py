"""Enable vector search."""

from dorm_vector import VectorExtension

dependencies = []

operations = [
    VectorExtension(),
]
