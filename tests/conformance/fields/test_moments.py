"""Moments with a time zone are stored and found as the moments that they are, to the microsecond."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import dorm
import pytest

from dorm_vector import VectorField, abulk_load, bulk_load
from tests.databases import Database, create_tables, drop_table


class Event(dorm.Model):
    title = dorm.CharField(max_length=60)
    at = dorm.DateTimeField(null=True)
    opens = dorm.TimeField(null=True)
    changed = dorm.DateTimeField(auto_now=True, null=True)
    embedding = VectorField(2, null=True)

    class Meta:
        app_label = "tests"


UTC = dt.datetime(2026, 11, 29, 16, 30, 15, 123456, tzinfo=dt.UTC)
MOMENTS = {
    "utc": UTC,
    "east": (UTC + dt.timedelta(hours=1)).astimezone(dt.timezone(dt.timedelta(hours=2))),
    "west": (UTC + dt.timedelta(hours=2)).astimezone(dt.timezone(-dt.timedelta(hours=5, minutes=30))),
}
# A text that reads like a moment stays what it is.
TITLE = "2026-11-29T16:30:15.123456+02:00"


@pytest.fixture
def events(db: Database) -> Iterator[Database]:
    dorm.configure(USE_TZ=True)
    create_tables(db.connection, (Event,))
    yield db
    drop_table(db, Event)
    dorm.configure(USE_TZ=False)


def _stored() -> dict[str, dt.datetime | None]:
    return {row.title: row.at for row in Event.objects.order_by("at")}


async def test_every_write_stores_the_moment(events: Database) -> None:
    Event.objects.create(title="utc", at=MOMENTS["utc"])
    await Event.objects.acreate(title="east", at=MOMENTS["east"])
    Event.objects.bulk_create([Event(title="west", at=MOMENTS["west"])])
    assert _stored() == MOMENTS
    assert list(_stored()) == list(MOMENTS)
    Event.objects.all().delete()
    bulk_load(Event, [{"title": "utc", "at": MOMENTS["utc"]}])
    await abulk_load(Event, [Event(title="east", at=MOMENTS["east"]), Event(title="west", at=MOMENTS["west"])])
    assert _stored() == MOMENTS


async def test_times_of_day(events: Database) -> None:
    times = [dt.time(0), dt.time(16, 30, 15, 123456), dt.time(23, 59, 59, 999999)]
    Event.objects.create(title="0", opens=times[0])
    await Event.objects.acreate(title="1", opens=times[1])
    bulk_load(Event, [{"title": "2", "opens": times[2]}])
    assert [row.opens for row in Event.objects.order_by("title")] == times
    assert [row.opens async for row in Event.objects.order_by("title")] == times
    assert [row.title for row in Event.objects.filter(opens__gte=times[1]).order_by("opens")] == ["1", "2"]


async def test_moments_are_found_and_updated(events: Database) -> None:
    Event.objects.bulk_create([Event(title=name, at=at) for name, at in MOMENTS.items()])
    for name, at in MOMENTS.items():
        assert [row.title for row in Event.objects.filter(at=at)] == [name]
        assert [row.title async for row in Event.objects.filter(at=at)] == [name]
    assert Event.objects.filter(at__gt=MOMENTS["utc"]).count() == 2
    assert await Event.objects.filter(at__gte=MOMENTS["utc"], at__lte=MOMENTS["east"]).acount() == 2
    Event.objects.filter(title="utc").update(at=MOMENTS["west"])
    await Event.objects.filter(title="east").aupdate(at=MOMENTS["west"])
    assert set(_stored().values()) == {MOMENTS["west"]}


async def test_the_time_of_a_save(events: Database) -> None:
    before = dt.datetime.now(dt.UTC)
    one, other = Event.objects.create(title=TITLE), await Event.objects.acreate(title=TITLE)
    one.save()
    after = dt.datetime.now(dt.UTC)
    for event in (one, other):
        stored = Event.objects.get(pk=event.pk)
        assert before <= stored.changed <= after
        assert stored.title == TITLE
