"""Values, names and texts that hypothesis makes: stored as they are or refused, and no other row changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dorm
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dorm_vector import text_search
from tests.chaos.extent import TIMES
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.models import Article, Document, Note

# Of those that djanorm and this package raise; anything else is a crash.
REFUSED = (dorm.DatabaseError, dorm.FieldDoesNotExist, dorm.ValidationError, ValueError, TypeError, OverflowError)
ANY_TEXT = st.one_of(st.text(max_size=40), st.text(st.sampled_from("\0'\"\\%_;-)(`$ a\ud800\U0001f600é"), max_size=8))
NUMBERS = st.one_of(
    st.floats(width=32), st.floats(), st.integers(-(10**400), 10**400), st.sampled_from([True, None, "1", b"1", 1j])
)
VECTORS = st.one_of(st.lists(NUMBERS, max_size=8), st.lists(st.floats(-10, 10, width=32), min_size=6, max_size=6))
WHOLE = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**70), 2**70))
FIELDS = {"id", "pk", "title", "pages", "author", "author_id", "embedding", "other", "chunks"}
NAMES = st.one_of(st.text(max_size=12), st.text(st.sampled_from("\0'\"`;-)( _=titlepk1%"), min_size=1, max_size=12))
fuzzed = settings(
    max_examples=20 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@fuzzed
@given(body=ANY_TEXT, pages=WHOLE, vector=VECTORS)
@example(body="past 64 bits", pages=2**63 + 1, vector=[0.0] * 6)
def test_values(db: Database, faults: Faults, body: str, pages: int, vector: list[Any]) -> None:
    db.clear()
    Note.objects.create(slug="kept", embedding=[1] * 6)
    try:
        made = Note.objects.create(slug="new", body=body, pages=pages, embedding=vector)
    except REFUSED:
        faults.count("fuzzed values", acknowledged=["kept"], stored=Note.objects.values_list("slug", flat=True))
        return
    stored = Note.objects.get(pk=made.pk)
    assert (stored.body, stored.pages) == (body, pages)
    assert np.array_equal(np.float32(stored.embedding), np.float32(vector))
    assert Note.objects.filter(body=body, pages=pages).count() == 1
    slugs = Note.objects.values_list("slug", flat=True)
    faults.count("fuzzed values", acknowledged=["kept", "new"], stored=slugs)


USES: list[Callable[[str], Any]] = [
    lambda name: list(Document.objects.filter(**{name: 1})),
    lambda name: list(Document.objects.exclude(**{f"{name}__gt": 1})),
    lambda name: Document.objects.update(**{name: 1}),
    lambda name: list(Document.objects.order_by(name)),
    lambda name: list(Document.objects.values(name)),
    lambda name: list(Document.objects.nearest(name, [1, 2, 3])[:1]),
]


@fuzzed
@given(name=NAMES.filter(lambda name: name.lstrip("-+").split("__")[0] not in {*FIELDS, "", "?"}))
def test_names(db: Database, faults: Faults, name: str) -> None:
    """A name that is no field's reaches no statement."""
    db.clear()
    Document.objects.create(title="kept", pages=3, embedding=[1, 2, 3])
    for use in USES:
        with pytest.raises((*REFUSED, AttributeError)) as raised:
            use(name)
        assert not isinstance(raised.value, dorm.DatabaseError), f"{name!r} was sent to the database"
    stored = Document.objects.values_list("title", "pages")
    faults.count("fuzzed names", times=len(USES), acknowledged=[("kept", 3)], stored=stored)


@fuzzed
@given(text=ANY_TEXT)
def test_texts(db: Database, faults: Faults, text: str) -> None:
    """What a reader types into a search box is no syntax, and changes nothing."""
    db.clear()
    Article.objects.create(headline="a word", body="of mine", embedding=[1, 2, 3])
    try:
        found = list(text_search(Article, text=text)[:2])
    except ValueError:
        assert set(text) & {"\0", "\ud800"} or not text.strip(), f"{text!r} was refused"
        found = []
    assert {article.headline for article in found} <= {"a word"}
    stored = Article.objects.values_list("headline", flat=True)
    faults.count("fuzzed texts of searches", acknowledged=["a word"], stored=stored)
