"""DiskAnnIndex on a server with pgvectorscale: filters on labels are answered inside the index."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dorm
import pytest
from dorm import Q
from dorm.db.connection import get_connection, reset_connections

from backends import Settings, postgresql
from backends.servers import extended_postgresql
from dorm_vector import (
    DiskAnnIndex,
    Metric,
    VectorField,
    bulk_load,
    measure_recall,
    rebuild_index,
    recommend_search_options,
    search_options,
)
from dorm_vector.engines import dialect_for
from tests.databases import create_tables
from tests.helpers import oracle
from tests.helpers.project import Project

pytestmark = [
    pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="it is PostgreSQL's extension"),
    pytest.mark.filterwarnings("ignore::dorm_vector.PgvectorTooOld"),
]

COUNT, SIZE = 240, 32


class Vendor(dorm.Model):
    name = dorm.CharField(max_length=20)

    class Meta:
        app_label = "tests"


class Offer(dorm.Model):
    number = dorm.IntegerField()
    kind = dorm.IntegerField(null=True)
    language = dorm.CharField(max_length=10, db_column="lang")
    vendor = dorm.ForeignKey(Vendor, on_delete=dorm.CASCADE)
    sold = dorm.BooleanField(default=False)
    embedding = VectorField(dimensions=SIZE)

    class Meta:
        app_label = "tests"
        indexes = [
            DiskAnnIndex(["embedding"], "offer_ann", distance="cosine", labels=["kind", "language", "vendor"]),
            DiskAnnIndex(["embedding"], "offer_sold", distance="l2", labels=["sold"]),
        ]


def vectors() -> list[list[float]]:
    """Vectors around twenty centers, as embeddings are."""
    chance = random.Random(5)
    centers = [[chance.gauss(0, 1) for _ in range(SIZE)] for _ in range(20)]
    return [[oracle.float32([x + chance.gauss(0, 0.6)])[0] for x in centers[n * 7 % 20]] for n in range(COUNT)]


STORED = vectors()
QUERY = STORED[11]


def kind(n: int) -> int | None:
    return n % 6 - 1 if n % 11 else None


def language(n: int) -> str:
    return "de" if n % 3 else "en|x"


@pytest.fixture(scope="module")
def server(backend_name: str) -> Iterator[Settings]:
    with TemporaryDirectory(prefix="dorm-vector-") as folder, extended_postgresql.launch(Path(folder)) as settings:
        yield settings
        reset_connections()


@pytest.fixture(scope="module")
def offers(server: Settings) -> list[Any]:
    settings = postgresql.create(server, "offers")
    # The planner would read so few rows one after the other.
    postgresql.execute(server, "ALTER DATABASE offers SET enable_seqscan = off")
    reset_connections()
    dorm.configure(DATABASES={"default": settings}, INSTALLED_APPS=[])
    create_tables(get_connection(), (Vendor, Offer))
    vendors = [Vendor.objects.create(name=f"vendor {n}") for n in range(5)]
    rows = [{"number": n, "kind": kind(n), "language": language(n), "sold": n % 4 == 0} for n in range(COUNT)]
    more = [{"vendor_id": vendors[n % 5].pk, "embedding": STORED[n]} for n in range(COUNT)]
    bulk_load(Offer, [row | rest for row, rest in zip(rows, more, strict=True)])
    return vendors


def nearest(*filters: Any, distance: str = "cosine", **named: Any) -> Any:
    # Without exact=False, measuring the few rows that pass would be cheaper here.
    return Offer.objects.filter(*filters, **named).nearest("embedding", QUERY, distance=distance, exact=False)


def expected(keep: Callable[[int], bool], count: int = 10, metric: Metric = Metric.COSINE) -> list[int]:
    kept = [n for n in range(COUNT) if keep(n)]
    return sorted(kept, key=lambda n: oracle.distance(metric, STORED[n], QUERY) or 0)[:count]


def assert_nearest(rows: list[Any], keep: Callable[[int], bool], metric: Metric = Metric.COSINE) -> None:
    """Most of the nearest rows that pass, with their distances, in order: the index is approximate."""
    wanted = expected(keep, len(rows), metric)
    assert all(keep(row.number) for row in rows)
    assert len({row.number for row in rows} & {*wanted}) >= 0.6 * len(wanted)
    distances = [row.distance for row in rows]
    assert distances == sorted(distances)
    assert distances == pytest.approx([oracle.distance(metric, STORED[row.number], QUERY) for row in rows], abs=1e-5)


def is_inside(queryset: Any) -> bool:
    """Tell whether the index answers the filter itself, and that explain_search() says so."""
    plan = queryset.explain_search()
    assert plan.index in ("offer_ann", "offer_sold"), plan
    assert (plan.name == "index with labels") == ("Index Cond: " in plan.plan), plan.plan
    return "Index Cond: " in plan.plan


def test_filters_on_labels_are_answered_inside_the_index(offers: list[Any]) -> None:
    cases: list[tuple[Any, Callable[[int], bool]]] = [
        (nearest(kind=3)[:10], lambda n: kind(n) == 3),
        (nearest(kind=-1)[:10], lambda n: kind(n) == -1),
        (nearest(kind__in=[0, 2])[:10], lambda n: kind(n) in (0, 2)),
        (nearest(language="en|x")[:10], lambda n: not n % 3),
        (nearest(vendor=offers[2])[:10], lambda n: n % 5 == 2),
        (nearest(vendor_id=offers[1].pk, sold=True)[:5], lambda n: n % 5 == 1 and n % 4 == 0),
        (nearest(Q(kind=1) & Q(language="de"))[:10], lambda n: kind(n) == 1 and n % 3 != 0),
        (
            nearest(kind__in=[1, 4], vendor__in=offers[:2], number__gte=50)[:5],
            lambda n: kind(n) in (1, 4) and n % 5 < 2 and n >= 50,
        ),
    ]
    for queryset, keep in cases:
        assert is_inside(queryset), queryset
        found = list(queryset)
        assert len(found) == len(expected(keep, queryset._query.limit_val))
        assert_nearest(found, keep)
    sold = nearest(sold=True, distance="l2")[:10]
    assert is_inside(sold)
    assert_nearest(list(sold), lambda n: n % 4 == 0, Metric.L2)


def test_other_filters_are_ordinary_ones(offers: list[Any]) -> None:
    cases: list[tuple[Any, Callable[[int], bool]]] = [
        (nearest()[:10], lambda n: True),
        (nearest(sold=True)[:10], lambda n: n % 4 == 0),
        (nearest(Q(kind=1) | Q(language="de"))[:10], lambda n: kind(n) == 1 or n % 3 != 0),
        (nearest(~Q(kind=1), kind__isnull=False)[:10], lambda n: kind(n) not in (1, None)),
        (nearest(kind__gt=2)[:10], lambda n: (kind(n) or 0) > 2),
        (nearest(kind__isnull=True)[:10], lambda n: kind(n) is None),
        (nearest(vendor__name="vendor 3")[:10], lambda n: n % 5 == 3),
    ]
    for queryset, keep in cases:
        assert "Index Cond: " not in queryset.explain_search().plan, queryset
        found = list(queryset)
        assert len(found) == 10
        assert_nearest(found, keep)
    assert list(nearest(kind__in=[])[:5]) == []


async def test_the_values_of_a_cached_statement_are_its_own(offers: list[Any]) -> None:
    for wanted in (0, 1, 2, 3, 4, 0, 1, 2):
        found = [row async for row in nearest(kind=wanted)[:10]]
        assert len(found) == 10
        assert_nearest(found, lambda n: kind(n) == wanted)  # noqa: B023  # called in this round


def test_many_rows_are_found_as_well(offers: list[Any]) -> None:
    found = list(nearest()[:100])
    assert len(found) == 100
    assert_nearest(found, lambda n: True)
    assert measure_recall(Offer.objects.filter(kind=3), "embedding", sample=10, distance="cosine").recall >= 0.8
    recommended = recommend_search_options(Offer, "embedding", 0.8, sample=5, distance="cosine")
    assert recommended.reached
    assert {*recommended.options} == {"query_rescore"}
    with search_options(query_search_list_size=200):
        assert_nearest(list(nearest(kind=3)[:10]), lambda n: kind(n) == 3)


def test_the_ranges_are_those_of_the_server(offers: list[Any]) -> None:
    options = dialect_for(get_connection()).tuning.options
    for name in ("query_search_list_size", "query_rescore"):
        asked = "SELECT min_val, max_val, boot_val FROM pg_settings WHERE name = %s"
        (row,) = get_connection().execute(asked, [f"diskann.{name}"])
        allowed = options[name].allowed
        # 0 is left out: it would rank by the bits of the index.
        assert [max(1, int(row["min_val"])), int(row["max_val"])] == [allowed[0], allowed[-1]]
        assert int(row["boot_val"]) == options[name].default


def test_labels_follow_their_rows(offers: list[Any]) -> None:
    first = expected(lambda n: kind(n) == 0, 1)[0]
    Offer.objects.filter(number=first).update(kind=77)
    assert [row.number for row in nearest(kind=77)[:3]] == [first]
    assert first not in [row.number for row in nearest(kind=0)[:10]]
    rebuild_index(Offer, "offer_ann")
    assert [row.number for row in nearest(kind=77, language=language(first))[:3]] == [first]
    Offer.objects.filter(number=first).update(kind=0)
    assert list(nearest(kind=77)[:3]) == []
    assert_nearest(list(nearest(kind=0)[:10]), lambda n: kind(n) == 0)


MODEL = (
    "from dorm_vector import DiskAnnIndex\n"
    "class Item(dorm.Model):\n    {kind} = dorm.IntegerField()\n    embedding = VectorField(dimensions=3)\n"
    "    class Meta:\n        indexes = [{index}]\n"
)
INDEX = "DiskAnnIndex(['embedding'], 'item_ann', distance='l2', labels=['{kind}'])"
FOUND = (
    "import dorm_vector\nfrom dorm.db.connection import get_connection\n"
    "get_connection().execute_script('SET enable_seqscan = off')\n"
    "Item.objects.create({kind}=1, embedding=[1, 2, 3])\n"
    "rows = Item.objects.filter({kind}=1).nearest('embedding', [1, 2, 3], distance='l2', exact=False)[:9]\n"
    "print(len(list(rows)), rows.explain_search().name)"
)


def test_the_real_commands(server: Settings, tmp_path: Path) -> None:
    settings = postgresql.create(server, "shop")
    postgresql.execute(server, "ALTER DATABASE shop SET enable_seqscan = off")
    project = Project(tmp_path, settings)
    project.begin(MODEL.format(index="", kind="kind"))
    project.models(MODEL.format(index=INDEX.format(kind="kind"), kind="kind"))
    project.dorm("makemigrations", "shop")
    (path,) = (project.directory / "shop" / "migrations").glob("0003_*.py")
    head, _, tail = path.read_text().rpartition(",\n    ),\n]")
    path.write_text(f"{head},\n        concurrently=True,\n    ),\n]{tail}")
    assert "USING diskann" in project.dorm("migrate", "--dry-run")
    project.dorm("migrate")
    assert project.python(FOUND.format(kind="kind")) == "1 index with labels"
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    (path.parent / "0004_rename.py").write_text(
        "from dorm.migrations.operations import RenameField\n"
        "dependencies = [('shop', '0003_auto')]\n"
        "operations = [RenameField('Item', 'kind', 'sort')]\n"
    )
    project.models(MODEL.format(index=INDEX.format(kind="sort"), kind="sort"))
    project.dorm("migrate")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    assert project.python(FOUND.format(kind="sort")) == "2 index with labels"
    project.dorm("migrate", "shop", "2")
    project.dorm("migrate")
    assert project.python(FOUND.format(kind="sort")) == "3 index with labels"
    project.dorm("migrate", "shop", "zero")
