"""Search options hold for what they were given for; and nearest() gives k rows where k pass its filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dorm.db.connection import get_connection
from dorm.signals import post_query
from dorm.transaction import aatomic, atomic

from dorm_vector import CosineDistance, Metric, UnsupportedByDatabase, ato_matrix, search_options, to_matrix
from tests.conformance.inside import tuning
from tests.databases import Database
from tests.helpers.oracle import distance
from tests.helpers.real_data import SHARES, Real, asked, nearest_names
from tests.models import Author, Document

VECTOR = asked().embeddings[0]


def names(queryset: Any) -> list[str]:
    return [row.name for row in queryset]


def nearest(**filters: Any) -> Any:
    return Real.objects.filter(**filters).nearest("embedding", VECTOR)


@pytest.fixture
def sent() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(sender: Any, sql: str = "", **_: Any) -> None:
        statements.append(sql)

    post_query.connect(note, weak=False, dispatch_uid="test_search_options")
    yield statements
    post_query.disconnect(dispatch_uid="test_search_options")


def an_option(database: Database) -> dict[str, Any]:
    """Return a search option of this database with its greatest value."""
    name = database.dialect.tuning.width
    return {name: database.dialect.tuning.options[name].allowed[-1]}


def in_force(database: Database) -> list[Any]:
    """Return what the server says of its options, on the connection that the next search gets."""
    dialect = database.dialect
    if not dialect.tuning.setting:
        return []
    variables = [name for option in dialect.tuning.options.values() for name in option.variables]
    shown = []
    with get_connection().atomic():
        list(nearest()[:1])  # the settings of an extension are there once it is loaded
        for variable in variables:
            (row,) = get_connection().execute(dialect.tuning.setting.format(variable=variable))
            shown.append(list(row.values())[-1])
    return shown


# a filter never costs rows


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("question", [0, 7, 13])
def test_a_filter_that_k_rows_pass_gives_k_rows(real: Database, share: float, question: int) -> None:
    vector = asked().embeddings[question]
    for k in (1, 10, 50):
        expected = nearest_names(vector, k, share)
        found = list(Real.objects.filter(share__lt=share).nearest("embedding", vector)[:k])
        assert len(found) == len(expected)
        assert [row.distance for row in found] == sorted(row.distance for row in found)
        # MariaDB's index does not go on until it has the nearest that pass: its rows are enough, and some are farther.
        least = 0.9 if real.dialect.tuning.filtered or not real.dialect.is_approximate else 0.5
        assert len(set(names(found)) & set(expected)) >= least * len(expected)


@pytest.mark.parametrize("share", SHARES)
async def test_a_filter_that_k_rows_pass_gives_k_rows_async(real: Database, share: float) -> None:
    found = await Real.objects.filter(share__lt=share).nearest("embedding", VECTOR)[:10]
    assert len(found) == len(nearest_names(VECTOR, 10, share))
    assert [row.distance for row in found] == sorted(row.distance for row in found)


@pytest.mark.parametrize("k", [30, 60, 500, 1500, 3000])
def test_as_many_rows_as_are_asked_for(real: Database, k: int) -> None:
    found = list(nearest()[:k])
    assert len(found) == min(k, 2000)
    assert len({row.pk for row in found}) == len(found)
    assert [row.distance for row in found] == sorted(row.distance for row in found)
    assert len(list(nearest()[k - 10 : k])) == (10 if k <= 2000 else 0)


def test_a_filter_inside_another_query_gives_k_rows(real: Database) -> None:
    inner = nearest(share__lt=0.005)[:9]
    assert Real.objects.filter(pk__in=inner).count() == 9
    assert inner.count() == 9
    assert Real.objects.filter(pk__in=nearest()[:100]).count() == 100
    assert nearest(share__lt=0.05)[:30].union(nearest(share__gt=0.9)[:30]).count() == 60


def test_a_greatest_distance_costs_no_rows(real: Database) -> None:
    exact = list(nearest()[:2000])
    for bound in (exact[4].distance, exact[80].distance):
        inside = [row.name for row in exact if row.distance <= bound]
        bounded = Real.objects.nearest("embedding", VECTOR, max_distance=bound)
        assert sorted(names(bounded)) == sorted(inside)
        assert len(names(bounded[:200])) == len(inside)
        assert len(names(bounded[:3])) == 3


# options


def test_a_database_has_the_options_that_it_names(real: Database) -> None:
    dialect = real.dialect
    for name, option in dialect.tuning.options.items():
        for value in (option.allowed[0], option.allowed[-1]):
            assert len(names(nearest().search_options(**{name: value})[:3])) == 3
    with pytest.raises(UnsupportedByDatabase, match=f"{dialect.title} has no search option 'effort'"):
        list(nearest().search_options(effort=3)[:3])
    with pytest.raises(UnsupportedByDatabase, match="has no search option 'effort'"), search_options(effort=3):
        list(nearest()[:3])


def test_a_database_without_options_says_that_searches_are_exact(db: Database) -> None:
    if db.dialect.tuning.options:
        return
    with pytest.raises(UnsupportedByDatabase, match=r"It has none: every search is exact\."):
        list(Document.objects.nearest("embedding", [1, 0, 0]).search_options(ef_search=100)[:3])


def test_a_value_out_of_range_is_refused(real: Database) -> None:
    for name, option in real.dialect.tuning.options.items():
        for value in (0, option.allowed[-1] * 2, "sideways", True, None):
            with pytest.raises(ValueError, match=f"search option {name}={value!r}: {real.dialect.title} requires "):
                list(nearest().search_options(**{name: value})[:3])


def test_an_option_is_in_force_and_then_it_is_not(real: Database, sent: list[str]) -> None:
    before = in_force(real)
    if not real.dialect.tuning.width:
        return
    option = an_option(real)
    value = str(*option.values())

    def said() -> bool:
        told = [sql for sql in sent if value in sql]
        sent.clear()
        return bool(told)

    sent.clear()
    list(nearest().search_options(**option)[:3])
    assert said()
    list(nearest()[:3])
    assert not said()
    with search_options(**option):
        list(nearest()[:3])
        assert said()
        list(Real.objects.order_by(CosineDistance("embedding", VECTOR))[:3])
        assert said()
        Real.objects.count()
        assert not said()
        with search_options(**dict.fromkeys(option, 77)):
            list(nearest()[:3])
            assert not said()
        list(nearest()[:3])
        assert said()
    list(nearest()[:3])
    assert not said()
    assert in_force(real) == before


def search_and_fail(database: Database) -> None:
    with atomic(), search_options(**an_option(database)):
        list(nearest()[:3])
        raise RuntimeError("out")


def test_nothing_leaks_out_of_a_transaction_or_a_failure(real: Database) -> None:
    before = in_force(real)
    if not real.dialect.tuning.width:
        return
    with atomic():
        list(nearest().search_options(**an_option(real))[:3])
        list(nearest(share__lt=0.05)[:60])
        assert in_force(real) == before
        with pytest.raises(RuntimeError, match="out"):
            search_and_fail(real)
        assert in_force(real) == before
    with pytest.raises(UnsupportedByDatabase), search_options(**an_option(real)):
        list(nearest().search_options(effort=3)[:3])
    assert in_force(real) == before


async def test_options_async(real: Database, sent: list[str]) -> None:
    if not real.dialect.tuning.width:
        return
    option = an_option(real)
    value = str(*option.values())
    async with search_options(**option):
        assert len(await nearest()[:3]) == 3
    assert any(value in sql for sql in sent)
    sent.clear()
    assert len(await nearest()[:3]) == 3
    async with aatomic():
        assert len(await nearest().search_options(**option)[:3]) == 3
        sent.clear()
        assert len(await nearest()[:3]) == 3
    assert not any(value in sql for sql in sent)


def test_an_option_newer_than_the_server_is_refused(real: Database) -> None:
    newer = [name for name, option in real.dialect.tuning.options.items() if option.since]
    connection = get_connection()
    for name in newer:
        tuning.remember_version(connection, "0.7.4")
        with pytest.raises(UnsupportedByDatabase, match=rf"the search option {name} needs .*; this server has 0\.7\.4"):
            list(nearest().search_options(**{name: real.dialect.tuning.options[name].default})[:3])
        # Without iterative scans the exact search is what finds the rest.
        assert len(names(nearest(share__lt=0.005)[:9])) == 9
    tuning.forget_versions()


def test_a_plain_queryset_around_a_search_gives_k_rows(db: Database) -> None:
    ada = Author.objects.create(name="Ada")
    Document.objects.bulk_create([Document(title=str(n), author=ada, embedding=[n, 1, 0]) for n in range(100)])
    inner = Document.objects.filter(title="99").nearest("embedding", [0, 1, 0])[:1].values("author")
    assert Author.objects.filter(pk__in=inner).get() == ada


async def test_a_matrix_of_the_nearest_has_as_many_rows_and_their_order(real: Database) -> None:
    sorted_by = Real.objects.order_by(CosineDistance("embedding", VECTOR))
    matrices = [to_matrix(nearest()[:100], "embedding"), await ato_matrix(nearest()[:100], "embedding")]
    matrices.append(to_matrix(sorted_by[:30], "embedding"))
    assert [len(matrix) for _ids, matrix in matrices] == [100, 100, 30]
    for _ids, matrix in matrices:
        apart = [distance(Metric.COSINE, row, VECTOR) or 0 for row in matrix.tolist()]
        assert apart == pytest.approx(sorted(apart), abs=1e-6)
