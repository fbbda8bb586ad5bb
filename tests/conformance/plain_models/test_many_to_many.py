"""Models without vectors: filters, orders, selections and aggregates over many-to-many relations, from both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm import Count, Exists, OuterRef, Q

from tests.databases import Database, create_tables, drop_table


class Badge(dorm.Model):
    name = dorm.CharField(max_length=10)


class Stool(dorm.Model):
    name = dorm.CharField(max_length=10)
    badges = dorm.ManyToManyField(Badge, related_name="seats")


class Admission(dorm.Model):
    name = dorm.CharField(max_length=10)
    seat = dorm.ForeignKey(Stool, on_delete=dorm.CASCADE)


MODELS = (Badge, Stool, Admission)
WORN: dict[str, tuple[str, ...]] = {"left": ("red",), "middle": ("red", "blue"), "right": ()}
PAIRS: list[tuple[str, str | None]] = [(seat, badge) for seat, worn in WORN.items() for badge in worn or (None,)]
SEATS: Any = Stool.objects
BADGES: Any = Badge.objects


@pytest.fixture
def badges(db: Database) -> Iterator[dict[str, Any]]:
    create_tables(db.connection, MODELS)
    made = {name: BADGES.create(name=name) for name in ("red", "blue", "green")}
    for name, worn in WORN.items():
        seat = SEATS.create(name=name)
        seat.badges.add(*(made[badge] for badge in worn))
        Admission.objects.create(name=name, seat=seat)
    yield made
    db.connection.execute_script(f'DROP TABLE "{Stool._meta.db_table}_badges"')
    for model in (Admission, Stool, Badge):
        drop_table(db, model)


def _wearing(*badges: str | None) -> list[str]:
    return sorted(seat for seat, badge in PAIRS if badge in badges)


async def _names(queryset: Any) -> list[str]:
    """Return the names of the rows, after a check that each way to read and count them agrees."""
    found = sorted(row.name for row in queryset)
    assert sorted([row.name async for row in queryset._clone()]) == found
    assert queryset.count() == await queryset.acount() == len(found)
    assert queryset.exists() is await queryset.aexists() is bool(found)
    return found


async def test_filters(badges: dict[str, Any]) -> None:
    red, blue = badges["red"], badges["blue"]
    seats: list[tuple[Any, list[str]]] = [
        (SEATS.filter(badges=red), _wearing("red")),
        (SEATS.filter(badges=red.pk), _wearing("red")),
        (SEATS.filter(badges__pk=blue.pk), _wearing("blue")),
        (SEATS.filter(badges__in=[red, blue]), _wearing("red", "blue")),
        (SEATS.filter(badges__in=[blue.pk]).distinct(), _wearing("blue")),
        (SEATS.filter(badges__in=BADGES.filter(name="blue")), _wearing("blue")),
        (SEATS.filter(badges__in=SEATS.get(name="left").badges.all()), _wearing("red")),
        (SEATS.filter(badges__in=[]), []),
        (SEATS.filter(badges__isnull=True), ["right"]),
        (SEATS.filter(badges=None), ["right"]),
        (SEATS.filter(badges__isnull=False), _wearing("red", "blue")),
        (SEATS.filter(badges__name="red"), _wearing("red")),
        (SEATS.filter(name="left", badges__name__startswith="r"), ["left"]),
        (SEATS.filter(Q(badges=blue) | Q(name="right")), ["middle", "right"]),
        (SEATS.exclude(badges__isnull=True).exclude(badges=blue), _wearing("red")),
        (SEATS.filter(pk__in=SEATS.filter(name="left", badges=red)), ["left"]),
        (SEATS.filter(Exists(SEATS.filter(pk=OuterRef("pk"), badges=blue))), _wearing("blue")),
        (SEATS.filter(badges__seats__name="left"), _wearing("red")),
        (Admission.objects.filter(name="middle", seat__badges__name="blue"), ["middle"]),
        (Admission.objects.filter(seat__badges=red), _wearing("red")),
        (BADGES.filter(seats=SEATS.get(name="middle")), ["blue", "red"]),
        (BADGES.filter(name="red", seats__name__in=["left", "middle"]), ["red", "red"]),
        (BADGES.filter(seats__isnull=True), ["green"]),
        (red.seats.filter(badges=blue), ["middle"]),
    ]
    for queryset, expected in seats:
        assert await _names(queryset) == expected, queryset._query.where_nodes


async def test_rows(badges: dict[str, Any]) -> None:
    """Orders, selections, aggregates and writes; without a badge, a seat has one row, of None."""
    keys: dict[str | None, Any] = {None: None}
    keys.update((name, badge.pk) for name, badge in badges.items())
    pairs = SEATS.values_list("name", "badges__name")
    assert sorted(pairs, key=repr) == sorted(PAIRS, key=repr)
    assert sorted([row async for row in pairs._clone()], key=repr) == sorted(PAIRS, key=repr)
    by_key = sorted(((seat, keys[badge]) for seat, badge in PAIRS), key=repr)
    assert sorted(SEATS.values_list("name", "badges"), key=repr) == by_key
    middle = SEATS.filter(name="middle")
    assert sorted(row["badges"] for row in middle.values("name", "badges")) == [keys["red"], keys["blue"]]
    assert [row["badges__name"] for row in middle.order_by("badges__name").values("badges__name")] == ["blue", "red"]
    assert list(middle.order_by("-badges").values_list("badges__name", flat=True)) == ["blue", "red"]
    counts = SEATS.annotate(n=Count("badges")).order_by("name")
    assert [row.n for row in counts] == list(counts.values_list("n", flat=True)) == [1, 2, 0]
    assert {row["name"]: row["n"] for row in counts.values("name", "n")} == {name: len(WORN[name]) for name in WORN}
    assert sorted(BADGES.annotate(n=Count("seats")).values_list("name", "n")) == [("blue", 1), ("green", 0), ("red", 2)]
    assert SEATS.aggregate(n=Count("badges")) == await SEATS.aaggregate(n=Count("badges__name")) == {"n": 3}
    blue = SEATS.filter(badges=badges["blue"])
    assert blue.aggregate(n=Count("pk")) == await blue.aaggregate(n=Count("pk")) == {"n": 1}
    assert (blue.filter(name="middle").update(name="mid"), await blue.aupdate(name="middle")) == (1, 1)
