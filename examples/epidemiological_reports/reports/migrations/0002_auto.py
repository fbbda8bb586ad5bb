"""Auto-generated migration."""

from dorm.migrations.operations import (
    CreateModel,
)
from dorm.fields import BigAutoField
from dorm.fields import CharField
from dorm.fields import DateField
from dorm.fields import IntegerField
from dorm.fields import TextField
import dorm
import dorm_vector
import dorm_vector.embeddings

dependencies = []

operations = [
    CreateModel(
        name="Report",
        fields=[
            ("id", BigAutoField(primary_key=True)),
            ("code", CharField(max_length=20, unique=True)),
            ("disease", CharField(max_length=40)),
            ("region", CharField(max_length=40)),
            ("reported_on", DateField()),
            ("cases", IntegerField()),
            ("title", CharField(max_length=120)),
            ("text", TextField()),
            ("embedding", dorm_vector.EmbeddingField(dimensions=64)),
            ("embedding_hash", dorm_vector.embeddings.EmbeddingHashField(max_length=64, null=True, editable=False)),
        ],
        options={
            "db_table": "reports_report",
            "ordering": [],
            "unique_together": [],
            "indexes": [
                dorm_vector.TextIndex(fields=["title", "text"], name="report_words", language="english"),
                dorm_vector.HnswIndex(
                    fields=["embedding"], name="report_embedding", distance="cosine", m=16, ef_construction=64
                ),
                dorm.Index(fields=["disease", "region", "reported_on"], name="report_structure"),
            ],
            "constraints": [],
            "db_table_comment": "",
        },
    ),
]
