"""Auto-generated migration."""

import dorm
from dorm.fields import BigAutoField, CharField, IntegerField, TextField
from dorm.migrations.operations import (
    CreateModel,
)

import dorm_vector

dependencies = []

operations = [
    CreateModel(
        name="Package",
        fields=[
            ("id", BigAutoField(primary_key=True)),
            ("name", CharField(max_length=100, unique=True)),
            ("section", CharField(max_length=40)),
            ("installed_size_kib", IntegerField()),
            ("summary", TextField()),
            ("embedding", dorm_vector.VectorField(dimensions=384)),
        ],
        options={
            "db_table": "packages_package",
            "ordering": [],
            "unique_together": [],
            "indexes": [
                dorm_vector.HnswIndex(
                    fields=["embedding"],
                    name="package_embedding_hnsw",
                    opclass="vector_cosine_ops",
                    m=16,
                    ef_construction=64,
                ),
                dorm.Index(fields=["section"], name="package_section"),
            ],
            "constraints": [],
            "db_table_comment": "",
        },
    ),
]
