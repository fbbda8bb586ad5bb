"""Searches by several vectors return what plain Python returns: the smallest distance, the mean, late interaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm.fields import CompositePrimaryKey

from dorm_vector import (
    HnswIndex,
    InvalidVector,
    Metric,
    UnsupportedByDatabase,
    Vec0Index,
    VectorField,
    VectorQuerySet,
    as_vector,
    bulk_load,
)
from tests.conformance.inside import Unsupported, group_candidates
from tests.databases import Database, create_tables, drop_table
from tests.helpers import oracle

QUERIES = [[0.9, 0.1, -0.2], [-0.4, 0.8, 0.3], [0.1, 0.2, 0.9]]
VECTORS = oracle.vectors(150, 3, seed=31)
PAPERS, SEATS = 30, 20


class SeveralPaper(dorm.Model):
    title = dorm.CharField(max_length=20)
    year = dorm.IntegerField()


class SeveralToken(dorm.Model):
    paper = dorm.ForeignKey(SeveralPaper, on_delete=dorm.CASCADE, related_name="tokens")
    number = dorm.IntegerField()
    embedding = VectorField(dimensions=3)
    maybe = VectorField(dimensions=3, null=True)

    class Meta:
        indexes = [
            HnswIndex(fields=["embedding"], name="severaltoken_embedding", distance="cosine"),
            Vec0Index(fields=["embedding"], name="severaltoken_vec0", distance="cosine"),
        ]


class SeveralSeat(dorm.Model):
    """A row with a key of two columns."""

    paper = dorm.ForeignKey(SeveralPaper, on_delete=dorm.CASCADE, related_name="seats")
    number = dorm.IntegerField()
    embedding = VectorField(dimensions=3)
    pk = CompositePrimaryKey("paper", "number")


class SeveralArrays(dorm.Model):
    number = dorm.IntegerField()
    vectors = dorm.ArrayField(VectorField(dimensions=3), null=True)


MODELS = (SeveralPaper, SeveralToken, SeveralSeat)
TOKENS: Any = SeveralToken.objects
PAPER_ROWS: Any = SeveralPaper.objects
SEAT_ROWS: Any = VectorQuerySet(SeveralSeat)


def seat_of(number: int) -> int:
    """Return the paper of a seat: the last ones are of a paper without tokens."""
    return number % 5 if number < SEATS - 3 else PAPERS - 1


def paper_of(number: int) -> int:
    """Return the paper of a token: some have one token, some have many, and the last two have none."""
    return number % (PAPERS - 2) if number % 3 else number % 5


@pytest.fixture(scope="module")
def loaded(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, MODELS)
    papers = [SeveralPaper.objects.create(title=f"p{n}", year=2000 + n % 3) for n in range(PAPERS)]
    TOKENS.bulk_create(
        [
            SeveralToken(paper=papers[paper_of(n)], number=n, embedding=vector, maybe=vector if n % 4 else None)
            for n, vector in enumerate(VECTORS)
        ]
    )
    bulk_load(SeveralSeat, [{"paper": papers[seat_of(n)], "number": n, "embedding": VECTORS[n]} for n in range(SEATS)])
    yield database
    database.use()
    for model in reversed(MODELS):
        drop_table(database, model)


@pytest.fixture
def db(loaded: Database) -> Database:
    loaded.use()
    return loaded


def distance(metric: Metric, number: int, query: list[float]) -> float:
    found = oracle.distance(metric, VECTORS[number], query)
    assert found is not None
    return found


COMBINED: dict[str, Callable[[list[float]], float]] = {
    "min": min,
    "mean": lambda each: sum(each) / len(each),
    # The negative sum of the greatest cosine similarities.
    "maxsim": lambda each: -sum(1 - nearest for nearest in each),
}


def by_paper(combine: str, metric: Metric = Metric.COSINE, among: Any = lambda paper: True) -> list[tuple[float, int]]:
    tokens: dict[int, list[int]] = {}
    for number in range(len(VECTORS)):
        tokens.setdefault(paper_of(number), []).append(number)
    found = []
    for paper, numbers in tokens.items():
        if among(paper):
            nearest = [min(distance(metric, number, query) for number in numbers) for query in QUERIES]
            found.append((COMBINED[combine](nearest), paper))
    return sorted(found)


def check(
    rows: list[Any], expected: list[tuple[float, int]], name: Callable[[Any], int], is_approximate: bool = False
) -> None:
    """Compare rows with the expected ones; an approximate index may miss some, and others come in their place."""
    if is_approximate:
        assert len({name(row) for row in rows}) == len(rows) == len(expected)
        assert [row.distance for row in rows] == sorted(row.distance for row in rows)
        assert len({name(row) for row in rows} & {key for _, key in expected}) >= 0.6 * len(expected)
        return
    assert [name(row) for row in rows] == [key for _, key in expected]
    assert [row.distance for row in rows] == pytest.approx([measured for measured, _ in expected], abs=1e-5)


def by_token(combine: str, metric: Metric) -> list[tuple[float, int]]:
    numbers = range(len(VECTORS))
    return sorted((COMBINED[combine]([distance(metric, n, query) for query in QUERIES]), n) for n in numbers)


def number_of(row: Any) -> int:
    return int(row.number)


def paper_named(row: Any) -> int:
    return int(row.title[1:])


@pytest.mark.parametrize("combine", COMBINED)
async def test_papers_by_their_tokens(db: Database, combine: str) -> None:
    everything = by_paper(combine)
    rows = PAPER_ROWS.nearest("tokens__embedding", QUERIES, combine=combine, distance="cosine")
    exact = PAPER_ROWS.nearest("tokens__embedding", QUERIES, combine=combine, distance="cosine", exact=True)
    for found, by_index in ((rows, db.dialect.is_approximate), (exact, False)):
        check(list(found[:5]), everything[:5], paper_named, by_index)
        check(await found[:8], everything[:8], paper_named, by_index)
        assert len(found[3:8]) == 5
    assert len(everything) == PAPERS - 2
    assert (rows.count(), await rows.acount(), rows[:4].count()) == (PAPERS - 2, PAPERS - 2, 4)
    check(list(rows), everything, paper_named)
    recent = as_vector(PAPER_ROWS.filter(year=2002)).nearest(
        "tokens__embedding", QUERIES, combine=combine, distance="cosine"
    )
    expected = by_paper(combine, among=lambda paper: paper % 3 == 2)
    check(list(recent[:4]), expected[:4], paper_named, db.dialect.is_approximate)
    bound = (everything[2][0] + everything[3][0]) / 2
    near = PAPER_ROWS.nearest("tokens__embedding", QUERIES, combine=combine, distance="cosine", max_distance=bound)
    check(list(near), everything[:3], paper_named)
    assert len(near[:9]) <= 3
    titles = near.values_list("title", flat=True)
    assert list(titles) == [f"p{paper}" for _, paper in everything[:3]]
    assert set(titles[:2]) <= set(titles)


async def test_rows_by_their_own_vectors(db: Database) -> None:
    for combine in ("min", "mean"):
        for metric in (Metric.COSINE, Metric.L2, Metric.INNER_PRODUCT):
            expected = by_token(combine, metric)
            rows = TOKENS.nearest("embedding", QUERIES, combine=combine, distance=metric)
            by_index = db.dialect.is_approximate and metric is Metric.COSINE
            check(list(rows[:6]), expected[:6], number_of, by_index)
            check(await rows[:6], expected[:6], number_of, by_index)
    maybe = TOKENS.filter(number__lt=40).nearest("maybe", QUERIES[:1], combine="mean", distance="l2")
    present = sorted((distance(Metric.L2, number, QUERIES[0]), number) for number in range(40) if number % 4)
    check(list(maybe), present, number_of)


@pytest.mark.parametrize("combine", COMBINED)
async def test_rows_with_a_composite_key(db: Database, combine: str) -> None:
    if combine != "maxsim":
        rows = SEAT_ROWS.nearest("embedding", QUERIES, combine=combine, distance="l2")
        expected = [each for each in by_token(combine, Metric.L2) if each[1] < SEATS]
        check(list(rows[:6]), expected[:6], number_of)
        check(await rows, expected, number_of)
    # By the tokens of their papers.
    rows = SEAT_ROWS.nearest("paper__tokens__embedding", QUERIES, combine=combine, distance="cosine")
    measured = {paper: distance for distance, paper in by_paper(combine)}
    seats = [n for n in range(SEATS) if seat_of(n) in measured]
    assert len(seats) == SEATS - 3
    ranked = sorted((measured[seat_of(n)], seat_of(n), n) for n in seats)
    check(list(rows[:7]), [(distance, n) for distance, _paper, n in ranked[:7]], number_of)
    check(await rows, [(distance, n) for distance, _paper, n in ranked], number_of)
    assert (rows.count(), await rows.acount()) == (len(seats), len(seats))
    # And papers by those of their seats.
    papers = PAPER_ROWS.nearest("seats__embedding", QUERIES[:1], combine=combine, distance="cosine")
    nearest = {seat_of(n): 2.0 for n in range(SEATS)}
    for n in range(SEATS):
        nearest[seat_of(n)] = min(nearest[seat_of(n)], distance(Metric.COSINE, n, QUERIES[0]))
    check(list(papers[:5]), sorted((COMBINED[combine]([d]), paper) for paper, d in nearest.items())[:5], paper_named)


def test_every_row_is_measured_where_lists_become_long(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_candidates, "_LEAST", 2)
    monkeypatch.setattr(group_candidates, "_MOST", 60)
    rows = PAPER_ROWS.nearest("tokens__embedding", QUERIES, combine="maxsim")[:1]
    check(list(rows), by_paper("maxsim")[:1], paper_named)
    rows = TOKENS.nearest("embedding", QUERIES, combine="mean", distance="cosine").filter(distance__gt=0.5)[:2]
    check(list(rows), [each for each in by_token("mean", Metric.COSINE) if each[0] > 0.5][:2], number_of)
    assert rows.explain_search().plan
    assert PAPER_ROWS.nearest("tokens__embedding", QUERIES, combine="maxsim")[:1].explain_search().plan
    # Where even the first lists are too long, explain_search() does not name the index, either.
    monkeypatch.setattr(group_candidates, "_MOST", 20)
    plan = PAPER_ROWS.nearest("tokens__embedding", QUERIES, combine="maxsim")[:1].explain_search()
    assert (plan.index, plan.name) == (None, "exact")


def test_arrays_of_vectors(db: Database) -> None:
    rows = as_vector(SeveralArrays.objects.all()).nearest("vectors", QUERIES, combine="maxsim")
    if db.name != "postgresql":
        with pytest.raises(UnsupportedByDatabase, match="no arrays of vectors"):
            list(rows)
        claim = db.dialect.array_items
        assert isinstance(claim, Unsupported)
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
            db.connection.execute(claim.probe)
        return
    create_tables(db.connection, (SeveralArrays,))
    held = [VECTORS[n : n + 1 + n % 4] for n in range(20)]
    SeveralArrays.objects.bulk_create(
        [SeveralArrays(number=n, vectors=vectors) for n, vectors in enumerate([*held, [], None])]
    )
    expected = []
    for number, vectors in enumerate(held):
        similar = [max(1 - (oracle.distance(Metric.COSINE, v, query) or 0) for v in vectors) for query in QUERIES]
        expected.append((-sum(similar), number))
    check(list(rows), sorted(expected), number_of)
    check(list(rows[:3]), sorted(expected)[:3], number_of)
    drop_table(db, SeveralArrays)


def test_what_is_refused(db: Database) -> None:
    for arguments, error, words in (
        ({"combine": "max"}, ValueError, "want one of min, mean, maxsim"),
        ({"combine": "maxsim"}, ValueError, "a row has one vector there"),
        ({"combine": "min", "to": []}, InvalidVector, "a list of 1 to 256 vectors; got 0 of them"),
        ({"combine": "min", "to": "words"}, InvalidVector, "a list of 1 to 256 vectors"),
        ({"combine": "min", "to": [[0, 0, 0]], "distance": "cosine"}, InvalidVector, "no direction"),
        ({"combine": "min", "group_by": "paper"}, ValueError, "takes no group_by"),
        ({"combine": "min", "min_similarity": 0.5}, ValueError, "takes no min_similarity"),
    ):
        options: Any = {"to": QUERIES, **arguments}
        with pytest.raises(error, match=words):
            TOKENS.nearest("embedding", **options)
    with pytest.raises(ValueError, match="l2 has no similarity"):
        PAPER_ROWS.nearest("tokens__embedding", QUERIES, combine="maxsim", distance="l2")
