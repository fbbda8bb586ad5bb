"""Queries with subqueries and joins on Turso, whose hash joins end the process or make the subqueries NULL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm import Count, Exists, OuterRef, Subquery

from dorm_vector import L2Distance, VectorField, as_vector
from tests.databases import Database, create_tables, drop_table

pytestmark = pytest.mark.not_on("sqlite", "libsql", "postgresql", "mariadb", "mysql", reason="it is Turso's fault")

# The smallest statement that ends the process, of pyturso alone.
ABORTS = """
import turso

connection = turso.connect(":memory:")
connection.execute("CREATE TABLE o (id TEXT PRIMARY KEY, t TEXT)")
connection.execute("CREATE INDEX by_t ON o (t)")
connection.execute("CREATE TABLE p (o_id TEXT)")
connection.execute(
    "SELECT (SELECT 1 FROM p WHERE p.o_id = o.id LIMIT 1) FROM o"
    " LEFT JOIN p AS j ON j.o_id = o.id LEFT JOIN o AS r ON r.id = j.o_id WHERE r.t IN ('a', 'b')"
)
"""


class JoinedShop(dorm.Model):
    name = dorm.CharField(max_length=20, primary_key=True)
    kind = dorm.CharField(max_length=20, db_index=True)

    class Meta:
        app_label = "tests"


class JoinedSale(dorm.Model):
    shop = dorm.ForeignKey(JoinedShop, on_delete=dorm.CASCADE, related_name="sales", null=True)
    embedding = VectorField(dimensions=2)

    class Meta:
        app_label = "tests"


SHOPS: Any = as_vector(JoinedShop.objects.all())


@pytest.fixture(scope="module")
def shops(database: Database) -> Iterator[None]:
    database.use()
    create_tables(database.connection, (JoinedShop, JoinedSale))
    for name, kind, count in (("one", "a", 1), ("two", "b", 2), ("three", "c", 1), ("none", "a", 0)):
        shop = JoinedShop.objects.create(name=name, kind=kind)
        for number in range(count):
            JoinedSale.objects.create(shop=shop, embedding=[number, 1])
    JoinedSale.objects.create(shop=None, embedding=[9, 9])
    yield
    for model in (JoinedSale, JoinedShop):
        drop_table(database, model)


def test_turso_ends_the_process_at_a_hash_join(backend_name: str) -> None:
    """Where this fails, Turso is fixed, and its joins may be equalities again."""
    ended = subprocess.run([sys.executable, "-c", ABORTS], capture_output=True, text=True, check=False)
    assert ended.returncode < 0, ended
    assert "No index cursor found" in ended.stderr


async def test_subqueries_with_joins_read_the_joined_row(shops: None) -> None:
    across = SHOPS.filter(sales__shop__kind__in=["a", "b"])
    of_shop = JoinedSale.objects.filter(shop=OuterRef("pk"))
    nearest = of_shop.annotate(d=L2Distance("embedding", [0, 0])).order_by("d").values("d")[:1]
    found = across.annotate(near=Subquery(nearest)).order_by("name").values_list("name", "near")
    expected = [("one", 1.0), ("two", 1.0), ("two", 1.0)]
    assert list(found) == expected
    assert [row async for row in found] == expected
    sold = across.filter(Exists(of_shop)).order_by("name")
    assert [shop.name for shop in sold] == ["one", "two", "two"]
    assert (sold.count(), await sold.acount(), sold.distinct().count()) == (3, 3, 2)
    assert across.exclude(Exists(of_shop)).exists() is False
    assert SHOPS.exclude(Exists(of_shop)).annotate(n=Count("sales__shop")).values_list("name", "n")[0] == ("none", 0)


def test_a_join_without_a_row_matches_none(shops: None) -> None:
    without = JoinedSale.objects.filter(shop__sales__shop__kind__in=["a", "b"], shop__isnull=True)
    assert list(without.annotate(n=Subquery(SHOPS.filter(pk=OuterRef("shop")).values("kind")[:1]))) == []
