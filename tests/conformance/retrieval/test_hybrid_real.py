"""On real packages: somebody remembers one word of a package, and what it is like. Each alone is not enough.

The word stands in 12 to 60 of the 2,000 packages, and the package that it is like is its second nearest. What meaning
finds alone is told by plain arithmetic: the ten nearest, without the one that is asked by.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from dorm.signals import post_query

from dorm_vector import ahybrid_search, hybrid_search, text_search
from tests.conformance.inside import tuning, words_of
from tests.databases import Database
from tests.helpers.real_data import Described, described_table, nearest_names, packages

SOUGHT = 60
FEW = {"mysql": 12}
"""As many where a distance is computed number by number, 2,000 of them in seconds."""


@pytest.fixture(scope="module")
def described(database: Database) -> Iterator[Database]:
    database.use()
    with described_table(database):
        yield database


@pytest.fixture
def real(described: Database) -> Database:
    described.use()
    return described


@cache
def sought() -> list[tuple[str, str, str]]:
    """Return packages with a word that each is remembered by, and the package that it is like."""
    texts = [set(words_of(f"{row[0]} {row[3]}".lower())) for row in packages().rows]
    count = Counter(word for words in texts for word in words)
    unit = packages().embeddings / np.linalg.norm(packages().embeddings, axis=1, keepdims=True)
    chosen = []
    for number in random.Random(5).sample(range(len(texts)), 4 * SOUGHT):
        words = sorted(
            (word for word in texts[number] if 12 <= count[word] <= 60 and len(word) > 3),
            key=lambda word: (count[word], word),
        )
        near = [other for other in np.argsort(-(unit @ unit[number]), kind="stable")[:4] if other != number]
        if words:
            chosen.append((packages().rows[number][0], words[0], packages().rows[near[1]][0]))
    return chosen[:SOUGHT]


def names(rows: Any) -> list[str]:
    return [row.name for row in rows]


def test_both_find_what_each_alone_misses(real: Database) -> None:
    by_words, by_meaning, by_both = set(), set(), set()
    asked = sought()[: FEW.get(real.name, SOUGHT)]
    for name, word, like in asked:
        model = Described.objects.get(name=like)
        if name in names(text_search(Described.objects.all(), text=word)):
            by_words.add(name)
        if name in nearest_names(model.embedding, 11):
            by_meaning.add(name)
        if name in names(hybrid_search(Described.objects.all(), text=word, vector=model)):
            by_both.add(name)
    found = f"{real.name}: of {len(asked)}, words {len(by_words)}, meaning {len(by_meaning)}, both {len(by_both)}"
    assert len(by_both) >= len(by_words) + len(asked) // 4, found
    assert len(by_both) > len(by_meaning), found
    assert by_both - by_words, found
    assert by_both - by_meaning, found
    print(found)


def test_it_is_found_under_a_filter_and_awaited(real: Database) -> None:
    name, word, like = sought()[0]
    model = Described.objects.get(name=like)
    chosen = [other for other, _word, _like in sought()][:20]
    rows = hybrid_search(Described.objects.filter(name__in=chosen), text=word, vector=model, limit=20)
    assert name in names(rows)
    assert set(names(rows)) == set(chosen) - {like}


async def test_awaited_it_is_the_same(real: Database) -> None:
    _name, word, like = sought()[1]
    model = Described.objects.get(name=like)
    rows = await ahybrid_search(Described.objects.all(), text=word, vector=model)
    assert names(rows) == names(hybrid_search(Described.objects.all(), text=word, vector=model))


def test_both_indexes_serve_it(real: Database) -> None:
    sent: list[tuple[str, Any]] = []
    post_query.connect(
        lambda sender, sql, params, **_more: sent.append((sql, params)), weak=False, dispatch_uid="hybrid plan"
    )
    try:
        hybrid_search(Described.objects.all(), text="sqlite", vector=packages().embeddings[7])
    finally:
        post_query.disconnect(dispatch_uid="hybrid plan")
    sql, params = next((sql, params) for sql, params in sent if '"fused"' in sql or "`fused`" in sql)
    plan = plan_of(real, sql[sql.index("WITH ") :], params)
    assert real.dialect.text_search.in_plan.format(name="described_words") in plan, plan
    if real.dialect.is_approximate:
        assert real.dialect.planning.index_in_plan.format(name="described_embedding_hnsw") in plan, plan


def plan_of(database: Database, sql: str, params: Any) -> str:
    connection, dialect = database.connection, database.dialect
    explain = Described.objects.all()._build_explain_prefix(connection, False, None, False)
    with connection.atomic():
        if dialect.planning.switch:
            # Of 2,000 rows it would read all, and nothing is proved.
            connection.execute(tuning.Assigned(dialect, {dialect.planning.switch: "'off'"}).setting())
        rows = connection.execute(f"{explain} {sql}", params)
    plan = "\n".join(" ".join(str(row[key]) for key in row.keys()) for row in rows)  # noqa: SIM118  # sqlite3.Row is no mapping
    # The name of a shard's index ends with the number of the shard.
    return re.sub(r"_\d{6,}\b", "", plan) if dialect.planning.shard_count else plan
