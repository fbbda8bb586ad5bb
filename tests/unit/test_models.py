"""What a model gets when it declares a vector field; no database."""

from __future__ import annotations

from typing import Any

import dorm
import pytest
from dorm.manager import Manager

import dorm_vector
from dorm_vector import HnswIndex, L2Distance, UnsupportedByDatabase, VectorField, VectorManager
from dorm_vector.engines import dialect_for


def test_a_model_without_a_manager_gets_one_that_knows_vectors() -> None:
    class Plain(dorm.Model):
        embedding = VectorField(dimensions=2)

        class Meta:
            managed = False

    assert type(Plain.objects) is VectorManager
    assert type(Plain.objects.filter(id=1)).__name__ == "VectorQuerySet"


def test_a_declared_or_inherited_manager_stays() -> None:
    class Quiet(Manager[Any]):
        pass

    class Own(dorm.Model):
        embedding = VectorField(dimensions=2)
        objects = Quiet()

        class Meta:
            managed = False

    class Base(dorm.Model):
        objects = Quiet()

        class Meta:
            abstract = True

    class Child(Base):
        embedding = VectorField(dimensions=2)

        class Meta:
            managed = False

    assert type(Own.objects) is type(Child.objects) is Quiet


def test_an_abstract_base_may_hold_the_field() -> None:
    class Embedded(dorm.Model):
        embedding = VectorField(dimensions=2)

        class Meta:
            abstract = True

    class Note(Embedded):
        class Meta:
            managed = False

    assert type(Note.objects) is VectorManager
    assert Note(embedding=[1, 2]).embedding == [1, 2]


@pytest.mark.parametrize("dimensions", [0, -1, 16_001, 2.5, "3", True])
def test_dimensions_are_a_whole_number_in_range(dimensions: Any) -> None:
    with pytest.raises(ValueError, match=r"want a whole number from 1 to 16,000"):
        VectorField(dimensions=dimensions)


def test_a_list_default_is_not_shared() -> None:
    class Defaulted(dorm.Model):
        embedding = VectorField(dimensions=2, default=[1, 2])

        class Meta:
            managed = False

    first = Defaulted()
    first.embedding[0] = 9.0
    assert Defaulted().embedding == [1, 2]


def test_a_field_deconstructs_to_itself() -> None:
    field = VectorField(dimensions=3, as_numpy=True, null=True, db_column="v")
    _name, path, args, options = field.deconstruct()
    assert path == "dorm_vector.VectorField"
    assert VectorField(*args, **options).deconstruct() == field.deconstruct()


def test_expressions_are_repeatable_by_value() -> None:
    assert repr(L2Distance("embedding", [1, 2])) == repr(L2Distance("embedding", (1.0, 2.0)))
    assert repr(L2Distance("embedding", [1, 2])) != repr(L2Distance("embedding", [1, 3]))
    assert repr(1 - L2Distance("embedding", [1, 2])).startswith("(1 - L2Distance(")


def test_an_index_is_equal_by_value() -> None:
    assert HnswIndex(["a"], "x", distance="cosine") == HnswIndex(["a"], "x", "vector_cosine_ops")
    assert HnswIndex(["a"], "x", m=8) != HnswIndex(["a"], "x", m=9)


def test_an_unknown_database_is_named() -> None:
    class Connection:
        vendor = "duckdb"

    with pytest.raises(UnsupportedByDatabase, match=r"does not know the database 'duckdb'\. It knows"):
        dialect_for(Connection())


def test_everything_contrib_pgvector_exports_is_here() -> None:
    from dorm.contrib import pgvector

    assert set(pgvector.__all__) <= set(dorm_vector.__all__)


def test_attributes_that_a_parent_looks_up_are_found() -> None:
    class Answering:
        def __getattr__(self, name: str) -> str:
            if name.startswith("told_"):
                return name
            raise AttributeError(name)

    class Asked(Answering, dorm.Model):
        embedding = VectorField(dimensions=2, null=True)

    row = Asked._from_db_row({"id": 1})
    assert "embedding" not in vars(row)
    assert (row.embedding, row.told_a) == (None, "told_a")
    with pytest.raises(AttributeError, match="unknown"):
        row.unknown  # noqa: B018  # it is no attribute
