"""copy_database(): every row, relation, key and value arrives on another database as it was, once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import dorm
import pytest
from dorm.db.connection import get_connection, reset_connections
from dorm.queryset import QuerySet

import backends
from dorm_vector import CopyDiffers, CopyRefused, VectorQuerySet, acopy_database, copy_database
from tests.conftest import started
from tests.projects import warehouse
from tests.projects.warehouse import MODELS, StockLabel, StockProduct, StockTag


class Nowhere(dorm.Model):
    name = dorm.CharField(max_length=10)

    class Meta:
        app_label = "tests"
        db_table = "warehouse_nowhere"


@pytest.fixture
def aliases(running: backends.Running) -> Iterator[tuple[str, str, str]]:
    """A filled SQLite database, an empty one of the server, and another SQLite database."""
    servers = started("sqlite"), running, started("sqlite")
    made = {f"{n}_{server.name}": (server, server.new_database()) for n, server in enumerate(servers)}
    reset_connections()
    databases = {alias: settings for alias, (_server, settings) in made.items()}
    dorm.configure(DATABASES={"default": next(iter(databases.values())), **databases}, INSTALLED_APPS=[])
    for alias in databases:
        warehouse.created(alias)
    first, second, third = databases
    yield first, second, third
    reset_connections()
    for server, settings in made.values():
        server.drop_database(settings)


async def test_there_and_back(
    aliases: tuple[str, str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the server and on to another database, sync and async: equal in every column, and nothing is embedded."""
    first, second, third = aliases
    warehouse.fill(first, products=70)
    embedded, stored = len(warehouse.EMBEDDED), dict(warehouse.contents(first))
    told: list[tuple[int, int]] = []
    report = copy_database(first, second, MODELS, progress=lambda done, total: told.append((done, total)))
    assert dict(warehouse.contents(second)) == stored
    assert (report.rows, report.copied, report.verified, report.resumed) == (told[-1][1] // 2, report.rows, True, False)
    assert {table.label.rpartition(".")[2]: table.rows for table in report.tables} == {
        name: len(rows) for name, rows in stored.items()
    }
    assert report.searches >= 6
    assert told[0] == (0, 2 * report.rows)
    assert told[-1] == (2 * report.rows, 2 * report.rows)
    assert (await acopy_database(second, third, MODELS, batch_size=7)).rows == report.rows
    assert dict(warehouse.contents(third)) == stored
    assert len(warehouse.EMBEDDED) == embedded
    _is_refused(aliases)
    _goes_on(aliases)
    await _overwrites_in_parts(aliases, monkeypatch)
    _on_the_command_line(aliases, capsys)
    await _finds_differences(aliases)
    # The database goes on counting where the copied keys end, and its indexes hold the copied rows.
    new = QuerySet(StockProduct, second).create(name="an unusual word", supplier_id="a", picture=[1] * 8)
    assert new.pk > max(row["id"] for row in stored["StockProduct"])
    product = QuerySet(StockProduct, second).get(name="product 5")
    nearest = VectorQuerySet(StockProduct, second).filter(in_stock=True).nearest("embedding", product.embedding)[:3]
    assert nearest[0].name == "product 5"
    rows = VectorQuerySet(StockProduct, third).nearest("picture", product.picture, distance="cosine", exact=False)
    assert rows[:3].explain_search().index == "warehouse_product_bytes"
    assert rows[0].distance == pytest.approx(0, abs=1e-6)


def _is_refused(aliases: tuple[str, str, str]) -> None:
    first, second, _third = aliases
    with pytest.raises(CopyRefused, match=r"already has rows of tests.StockTag \(9\).*overwrite=True"):
        copy_database(first, second, [StockTag, StockLabel])
    get_connection(first).execute_script('CREATE TABLE "warehouse_nowhere" ("id" INTEGER PRIMARY KEY)')
    with pytest.raises(CopyRefused, match=r"has no table 'warehouse_nowhere', of tests.Nowhere.*dorm migrate"):
        copy_database(first, second, [Nowhere])
    get_connection(second).execute_script('CREATE TABLE "warehouse_nowhere" ("id" INTEGER PRIMARY KEY)')
    with pytest.raises(CopyRefused, match=r"'warehouse_nowhere' of the database .* has no column name"):
        copy_database(first, second, [Nowhere])
    with pytest.raises(ValueError, match="two aliases"):
        copy_database(first, first)
    with pytest.raises(ValueError, match="batch_size=0"):
        copy_database(first, second, batch_size=0)
    with pytest.raises(TypeError, match="has no table of its own"):
        copy_database(first, second, [object])


class Stopped(Exception):
    """Ends a copy in the middle."""


def _goes_on(aliases: tuple[str, str, str]) -> None:
    first, second, _third = aliases

    def stop(done: int, total: int) -> None:
        # Some rows are copied; as many were deleted.
        if done > total / 2:
            raise Stopped

    with pytest.raises(Stopped):
        copy_database(first, second, MODELS, overwrite=True, batch_size=10, progress=stop)
    with pytest.raises(CopyRefused, match=r"unfinished copy of warehouse_label, .* Finish it with the same models"):
        copy_database(first, second, [StockTag])
    with pytest.raises(CopyRefused, match=f"unfinished copy from '{first}', not from"):
        copy_database(aliases[2], second, MODELS)
    QuerySet(StockTag, second).create(id=uuid.UUID(int=5), name="somebody else's")
    with pytest.raises(CopyRefused, match=r"StockTag has 10 rows in the database .* has written 9"):
        copy_database(first, second, MODELS)
    QuerySet(StockTag, second).filter(name="somebody else's").delete()
    _as_another_process(second)
    report = copy_database(first, second, MODELS)
    assert report.resumed
    assert 0 < report.copied < report.rows
    assert dict(warehouse.contents(second)) == dict(warehouse.contents(first))


def _as_another_process(alias: str) -> None:
    """Another process computes other checksums, and reads the source again to compare."""
    get_connection(alias).execute_script("""UPDATE "dorm_vector_copy" SET "checksum" = 'another:12'""")


async def _overwrites_in_parts(aliases: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting is a part of the progress, and takes several statements."""
    first, second, _third = aliases
    monkeypatch.setattr("dorm_vector.bulk.copy.emptying.AT_A_TIME", 25)
    told: list[tuple[int, int]] = []
    report = await acopy_database(first, second, MODELS, overwrite=True, progress=lambda *each: told.append(each))
    assert told[0] == (0, 3 * report.rows)
    assert len([done for done, _total in told if 0 < done < report.rows]) > len(MODELS)
    assert [done for done, _total in told] == sorted(done for done, _total in told)
    assert told[-1] == (3 * report.rows, 3 * report.rows)
    assert dict(warehouse.contents(second)) == dict(warehouse.contents(first))


def _on_the_command_line(aliases: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    first, second, _third = aliases
    command = ["copy", "--from", first, "--to", second, *(f"--model={model.__name__}" for model in MODELS)]
    assert warehouse.run_command(command) == 1
    assert "already has rows" in capsys.readouterr().err
    assert warehouse.run_command([*command, "--overwrite", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["verified"], shown["resumed"]) == (True, False)
    assert shown["rows"] == shown["copied"] == sum(map(len, dict(warehouse.contents(second)).values()))
    assert warehouse.run_command([*command, "--overwrite", "--no-verify", "--batch-size", "50"]) == 0
    assert f"{shown['rows']:,} rows in" in capsys.readouterr().out
    assert warehouse.run_command(["copy", "--from", first, "--to", "nowhere"]) == 2


async def _finds_differences(aliases: tuple[str, str, str]) -> None:
    first, second, _third = aliases

    def change(done: int, total: int) -> None:
        # Every row is there, and none has been verified.
        if done == 2 * total // 3:
            QuerySet(StockLabel, second).filter(pk=5).update(name="changed")

    with pytest.raises(CopyDiffers, match=r"tests.StockLabel 5 differs in name") as error:
        copy_database(first, second, MODELS, overwrite=True, progress=change)
    assert [(each.label, each.key, each.columns) for each in error.value.differences] == [
        ("tests.StockLabel", 5, ("name",))
    ]
    _as_another_process(second)
    with pytest.raises(CopyDiffers, match=r"tests.StockLabel 5 differs in name"):
        await acopy_database(first, second, MODELS)
    QuerySet(StockLabel, second).filter(pk=5).delete()
    QuerySet(StockLabel, second).create(id=5, name="label 5")
    assert (await acopy_database(first, second, MODELS)).copied == 0
