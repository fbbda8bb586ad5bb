"""A table that refers to itself is dropped with its companions, and checks take their condition by either name."""

from __future__ import annotations

import dorm
import pytest
from dorm import CheckConstraint, Q

from dorm_vector import HnswIndex, TextIndex, Vec0Index, VectorField
from tests.databases import Database, create_tables, drop_table


class Branch(dorm.Model):
    title = dorm.CharField(max_length=20)
    parent = dorm.ForeignKey("Branch", on_delete=dorm.CASCADE, null=True)
    embedding = VectorField(dimensions=2)
    other = VectorField(dimensions=2, default=[1, 2])

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(fields=["other"], name="branch_hnsw", distance="l2"),
            Vec0Index(fields=["embedding"], name="branch_vec0", distance="l2"),
            TextIndex(fields=["title"], name="branch_text"),
        ]
        constraints = [CheckConstraint(condition=~Q(title="forbidden"), name="branch_title")]  # type: ignore[call-arg]


def test_a_table_that_refers_to_itself(database: Database) -> None:
    database.use()
    for _ in range(2):  # nothing is left behind that a second one would meet
        create_tables(database.connection, (Branch,))
        root = Branch.objects.create(title="root", embedding=[1, 2])
        Branch.objects.create(title="leaf", embedding=[2, 3], parent=root)
        with pytest.raises(dorm.IntegrityError):
            Branch.objects.create(title="forbidden", embedding=[1, 2])
        drop_table(database, Branch)
    assert not database.connection.table_exists("tests_branch")
    with pytest.raises(TypeError, match="once"):
        CheckConstraint(check=Q(a=1), condition=Q(a=1), name="twice")  # type: ignore[call-arg]
