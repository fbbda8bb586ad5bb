"""
Enable vector search.
Generated: 2026-11-25T08:49:54.955523+00:00
"""
from dorm_vector import VectorExtension

dependencies = []

operations = [
    VectorExtension(),
]
