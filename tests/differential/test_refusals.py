"""A database still refuses what it is said to refuse."""

from __future__ import annotations

import pytest

from tests.databases import Database
from tests.differential.programs import NAMES
from tests.differential.refusals import REFUSALS
from tests.models import Document


def test_it_is_refused(db: Database) -> None:
    Document.objects.create(title="a", embedding=[1, 2, 3])
    for refusal in REFUSALS:
        if db.name in refusal.databases:
            with pytest.raises(refusal.error, match=refusal.text):
                eval(refusal.example, {**NAMES, "Document": Document})  # noqa: S307  # the list is the suite's own
