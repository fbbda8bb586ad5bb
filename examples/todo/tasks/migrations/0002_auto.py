"""
Auto-generated migration.
Generated: 2026-11-25T08:49:56.144069+00:00
"""
from dorm.migrations.operations import (
    CreateModel,
)
from dorm.fields import BigAutoField
from dorm.fields import BooleanField
from dorm.fields import CharField
import dorm
import dorm_vector
import dorm_vector.embeddings

dependencies = []

operations = [
    CreateModel(
        name='Task',
        fields=[('id', BigAutoField(primary_key=True)), ('text', CharField(max_length=300)), ('done', BooleanField(default=False)), ('embedding', dorm_vector.EmbeddingField(dimensions=64)), ('embedding_hash', dorm_vector.embeddings.EmbeddingHashField(max_length=64, null=True, editable=False))],
        options={'db_table': 'tasks_task', 'ordering': [], 'unique_together': [], 'indexes': [dorm_vector.HnswIndex(fields=['embedding'], name='task_embedding', distance='cosine', m=16, ef_construction=64)], 'constraints': [], 'db_table_comment': ''},
    ),
]
