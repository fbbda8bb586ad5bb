"""The stored vector belongs to the stored text, whatever changes the text on its way there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dorm
import pytest
from dorm import F
from dorm.contrib.concurrency import OptimisticLockError, with_optimistic_lock
from dorm.signals import pre_save

from dorm_vector import EmbeddingField, StaleEmbedding, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, embedded, is_of


class NumberedField(dorm.CharField):
    """A text whose every save appends the count of saves."""

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        self.saves = getattr(self, "saves", 0) + 1
        return f"{super().pre_save(model_instance, add)} #{self.saves}"


class SavedLetter(dorm.Model):
    title = dorm.CharField(max_length=50)
    body = dorm.TextField(null=True)
    version = dorm.IntegerField(default=0)
    color = VectorField(2, null=True)
    embedding = EmbeddingField(WORDS.dimensions, source=["title", "body"], embedder=WORDS, null=True)

    class Meta:
        app_label = "tests"


class SavedNumbered(dorm.Model):
    title = NumberedField(max_length=50)
    embedding = EmbeddingField(WORDS.dimensions, source="title", embedder=WORDS, null=True)

    class Meta:
        app_label = "tests"


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (SavedLetter, SavedNumbered))
    WORDS.calls.clear()
    yield db
    drop_table(db, SavedLetter)
    drop_table(db, SavedNumbered)


@contextmanager
def receiver(changed: Any) -> Iterator[None]:
    def change(sender: Any, instance: Any, **_options: Any) -> None:
        changed(instance)

    pre_save.connect(change, sender=SavedLetter, weak=False, dispatch_uid="tests.letter")
    try:
        yield
    finally:
        pre_save.disconnect(sender=SavedLetter, dispatch_uid="tests.letter")


def _shout(letter: SavedLetter) -> None:
    letter.title = letter.title.upper()


async def test_what_a_receiver_changes_is_embedded_as_changed(tables: Database) -> None:
    with receiver(_shout):
        one, other = SavedLetter.objects.create(title="a"), await SavedLetter.objects.acreate(title="b")
        assert embedded() == ["A", "B"]
        assert is_of(one, "A")
        assert is_of(other, "B")
        one.title = other.title = "c"
        one.save(update_fields=["title"])
        await other.asave(update_fields=["title"])
    assert is_of(one, "C")
    assert is_of(other, "C")


def test_a_given_vector_stays_with_the_text_that_a_receiver_made(tables: Database) -> None:
    with receiver(_shout):
        letter = SavedLetter.objects.create(title="a", embedding=[1, 0, 0, 0])
        letter.save()
    stored = SavedLetter.objects.get(pk=letter.pk)
    assert (stored.title, stored.embedding, embedded()) == ("A", [1, 0, 0, 0], [])


async def test_what_a_field_makes_of_its_text_is_made_and_embedded_once(tables: Database) -> None:
    made = SavedNumbered._meta.get_field("title")
    made.saves = 0
    one, other = SavedNumbered.objects.create(title="a"), await SavedNumbered.objects.acreate(title="b")
    one.save()
    await other.asave()
    other.save(update_fields=["title"])
    assert made.saves == 5
    assert list(SavedNumbered.objects.order_by("id").values_list("title", flat=True)) == ["a #3", "b #5"]
    assert is_of(one, "a #3")
    assert is_of(other, "b #5")


async def test_a_column_that_is_not_saved_is_embedded_as_stored(tables: Database) -> None:
    one, other = SavedLetter.objects.bulk_create([SavedLetter(title="a", body="b"), SavedLetter(title="c", body="d")])
    one, other = SavedLetter.objects.get(title="a"), SavedLetter.objects.get(title="c")
    for letter in (one, other):
        letter.title, letter.body = "new", "never stored"
    one.save(update_fields=["title"])
    await other.asave(update_fields=["title"])
    assert is_of(one, "new\n\nb")
    assert is_of(other, "new\n\nd")
    one.title = other.title = "newer"
    SavedLetter.objects.bulk_update([one], ["title"])
    await SavedLetter.objects.abulk_update([other], ["title"])
    assert is_of(one, "newer\n\nb")
    assert is_of(other, "newer\n\nd")
    one.save()
    assert is_of(one, "newer\n\nnever stored")


def test_a_text_that_another_process_has_changed_since(tables: Database) -> None:
    letter = SavedLetter.objects.create(title="a", body="b")
    SavedLetter.objects.filter(pk=letter.pk).update(title="a", body="changed")
    letter.title = "new"
    letter.save(update_fields=["title"])
    assert is_of(letter, "new\n\nchanged")


def test_an_expression_that_a_receiver_assigns_warns(tables: Database) -> None:
    letter = SavedLetter.objects.create(title="a", body="b")

    def assign(instance: SavedLetter) -> None:
        instance.title = F("body")

    with receiver(assign), pytest.warns(StaleEmbedding, match="reembed"):
        letter.save()


def test_an_optimistic_lock_embeds_the_new_text(tables: Database) -> None:
    letter = SavedLetter.objects.create(title="a", body="b", color=[1, 2])
    letter.title = "new"
    with_optimistic_lock(letter)
    assert is_of(letter, "new\n\nb")
    letter.title, letter.body = "newer", "never stored"
    with_optimistic_lock(letter, update_fields=["title"])
    assert is_of(letter, "newer\n\nb")
    stored = SavedLetter.objects.get(pk=letter.pk)
    assert (stored.title, stored.version, stored.color) == ("newer", 2, [1, 2])
    stale = SavedLetter.objects.get(pk=letter.pk)
    with_optimistic_lock(stored)
    with pytest.raises(OptimisticLockError, match="has been modified"):
        with_optimistic_lock(stale)


def test_an_optimistic_lock_keeps_what_was_not_read(tables: Database) -> None:
    made = SavedLetter.objects.create(title="a", body="b", color=[1, 2])
    letter = SavedLetter.objects.only("title", "version").get(pk=made.pk)
    letter.title = "new"
    with_optimistic_lock(letter)
    stored = SavedLetter.objects.get(pk=made.pk)
    assert (stored.title, stored.body, stored.color, stored.version) == ("new", "b", [1, 2], 1)
    assert is_of(made, "new\n\nb")
