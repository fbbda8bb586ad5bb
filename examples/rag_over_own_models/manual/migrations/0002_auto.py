"""Auto-generated migration."""

from dorm.migrations.operations import (
    CreateModel,
)
from dorm.fields import BigAutoField
from dorm.fields import CharField
from dorm.fields import ForeignKey
from dorm.fields import TextField
import dorm
import dorm_vector
import dorm_vector.embeddings

dependencies = []

operations = [
    CreateModel(
        name="Page",
        fields=[
            ("id", BigAutoField(primary_key=True)),
            ("path", CharField(max_length=200, unique=True)),
            ("area", CharField(max_length=40)),
        ],
        options={
            "db_table": "manual_page",
            "ordering": [],
            "unique_together": [],
            "indexes": [],
            "constraints": [],
            "db_table_comment": "",
        },
    ),
    CreateModel(
        name="Section",
        fields=[
            ("id", BigAutoField(primary_key=True)),
            ("page", ForeignKey("Page", on_delete="CASCADE")),
            ("area", CharField(max_length=40)),
            ("heading", CharField(max_length=200)),
            ("body", TextField()),
            ("embedding", dorm_vector.EmbeddingField(dimensions=512)),
            ("embedding_hash", dorm_vector.embeddings.EmbeddingHashField(max_length=64, null=True, editable=False)),
        ],
        options={
            "db_table": "manual_section",
            "ordering": [],
            "unique_together": [],
            "indexes": [
                dorm_vector.HnswIndex(
                    fields=["embedding"], name="section_embedding", distance="cosine", m=16, ef_construction=64
                ),
                dorm_vector.TextIndex(fields=["heading", "body"], name="section_words", language="english"),
            ],
            "constraints": [],
            "db_table_comment": "",
        },
    ),
]
