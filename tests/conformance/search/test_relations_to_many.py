"""Searches of the rows of a relation, and many-to-many relations with keys that are not numbers."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from typing import Any

import dorm
import pytest

from dorm_vector import HalfVectorField, InvalidVector, VectorField
from tests.databases import Database, create_tables, drop_table

QUERY = [1.0, 0.0]
VECTORS: list[list[float]] = [[1, 0], [9, 1], [0, 1], [1, 1], [2, 0.5]]
HALF = [0.1, 1 / 3]


class ManyShelf(dorm.Model):
    """A model without vectors."""

    name = dorm.CharField(max_length=20)


class ManyWord(dorm.Model):
    name = dorm.CharField(max_length=20, primary_key=True)
    embedding = VectorField(dimensions=2)


class ManyCard(dorm.Model):
    id = dorm.UUIDField(primary_key=True, default=uuid.uuid4)
    shelf = dorm.ForeignKey(ManyShelf, on_delete=dorm.CASCADE, related_name="cards")
    number = dorm.IntegerField()
    words = dorm.ManyToManyField(ManyWord, related_name="cards")
    embedding = VectorField(dimensions=2)
    half = HalfVectorField(dimensions=2)


MODELS = (ManyShelf, ManyWord, ManyCard)
CARDS: Any = ManyCard.objects


@pytest.fixture
def cards(db: Database) -> Iterator[list[Any]]:
    """Cards whose words are those before their number: none, then a, then a and b."""
    create_tables(db.connection, MODELS)
    shelf = ManyShelf.objects.create(name="all")
    words = [ManyWord.objects.create(name=name, embedding=[at, 1]) for at, name in enumerate("abcd")]
    made = [
        CARDS.create(shelf=shelf, number=number, embedding=vector, half=HALF) for number, vector in enumerate(VECTORS)
    ]
    for card in made:
        card.words.add(*words[: card.number])
    yield made
    for model in reversed(MODELS):
        drop_table(db, model)


def by_distance(*numbers: int) -> list[int]:
    return sorted(numbers, key=lambda number: math.dist(VECTORS[number], QUERY))


async def test_the_rows_of_a_relation_are_searched(cards: list[Any]) -> None:
    shelf, word = ManyShelf.objects.get(name="all"), ManyWord.objects.get(name="b")
    for relation, numbers in ((shelf.cards, range(5)), (word.cards, range(2, 5))):
        found = relation.nearest("embedding", QUERY)
        assert [card.number for card in found[:2]] == by_distance(*numbers)[:2]
        assert [card.number async for card in found[1:]] == by_distance(*numbers)[1:]
        assert found.explain_search().plan
    prefetched = ManyCard.objects.prefetch_related("words").get(number=3)
    assert [found.name for found in prefetched.words.nearest("embedding", [2, 1])] == ["c", "b", "a"]
    with pytest.raises(AttributeError, match="near"):
        _missing = shelf.cards.near


async def test_relations_to_many_by_any_key(cards: list[Any]) -> None:
    def names(card: Any) -> list[str]:
        return sorted(found.name for found in card.words.all())

    last, words = cards[4], list(ManyWord.objects.order_by("name"))
    last.words.add(words[0])
    assert names(last) == ["a", "b", "c", "d"]
    last.words.remove(words[0])
    await last.words.aremove(words[1])
    assert names(last) == ["c", "d"]
    await last.words.aadd(words[0], words[3])
    assert names(last) == ["a", "c", "d"]
    last.words.set([words[1]])
    assert names(last) == ["b"]
    read = {card.number: names(card) for card in CARDS.prefetch_related("words")}
    again = {card.number: names(card) async for card in CARDS.prefetch_related("words")}
    assert read == again == {0: [], 1: ["a"], 2: ["a", "b"], 3: ["a", "b", "c"], 4: ["b"]}
    words[2].cards.add(cards[0], cards[3].pk)
    assert sorted(card.number for card in words[2].cards.all()) == [0, 3]
    assert sorted(card.number for card in CARDS.filter(words__name="c")) == [0, 3]
    last.words.clear()
    assert last.words.count() == 0
    await cards[3].words.aclear()
    assert names(cards[3]) == []


async def test_a_model_without_vectors_is_filtered_by_those_of_its_relations(cards: list[Any]) -> None:
    shelves = ManyShelf.objects
    for condition, expected in (
        ({"cards__embedding": [9, 1]}, 1),
        ({"cards__embedding": [9, 2]}, 0),
        ({"cards__half": HALF}, 5),
        ({"cards__embedding__in": [[1, 0], [0, 1], [7, 7]]}, 2),
        ({"cards__embedding__in": []}, 0),
    ):
        assert (shelves.filter(**condition).count(), await shelves.filter(**condition).acount()) == (expected,) * 2
    with pytest.raises(InvalidVector, match="no lookup 'gt'"):
        shelves.filter(cards__embedding__gt=[1, 0]).count()
