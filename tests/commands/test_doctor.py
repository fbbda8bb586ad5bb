"""``dorm-vector doctor``: each fault is made on a real server, found, and fixed by the command that is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.commands.conftest import MODELS, Shop


@pytest.fixture(autouse=True)
def healthy(shop: Shop) -> Any:
    """Each test fixes what it breaks."""
    yield
    assert shop.findings() == {}


def is_on(shop: Shop, *names: str) -> bool:
    return shop.dialect.name in names


def fixed(shop: Shop, *checks: str) -> dict[str, Any]:
    """Return what the doctor finds, which is of these checks, after running the fix of each."""
    found = shop.findings()
    assert found.keys() == set(checks)
    for finding in found.values():
        assert finding["database"] == "default"
        assert finding["subject"]
        assert finding["problem"]
        assert finding["expected"]
        shop.fix(finding)
    return found


def test_it_prints_what_is_wrong_expected_and_the_fix(shop: Shop) -> None:
    assert "dorm doctor checks djanorm's own settings" in shop.run("doctor")
    shop.write("ALTER TABLE shop_photo RENAME TO hidden_photo")
    printed = shop.run("doctor", code=1)
    assert "problem [table] default: shop.Photo\n  The table shop_photo does not exist.\n" in printed
    assert "  expected: A table for each model.\n  fix: dorm migrate\n" in printed
    assert "1 problem, " in printed
    assert shop.json("status")["databases"][0]["missing_tables"] == ["shop.Photo"]
    shop.write("ALTER TABLE hidden_photo RENAME TO shop_photo")


def test_vectors_of_zeros_from_a_bad_dump(shop: Shop) -> None:
    shop.project.python("Product.objects.filter(price__lt=3).update(embedding=[0] * 8)")
    assert shop.json("reembed", "Product", "--zeros", "--dry-run", code=1)["rows"] == 3
    found = fixed(shop, "zero-vectors")
    assert found["zero-vectors"]["problem"].startswith("3 of 18 vectors are all zeros")
    assert shop.project.python("print(Product.objects.filter(embedding=[0] * 8).count())") == "0"
    # No embedder can make these again.
    shop.project.python(
        "Photo.objects.create(rating=9, picture=[0] * 4, small=[0] * 4, words=SparseVector({}, 2000), bits='0' * 8)"
    )
    found = {each["subject"]: each for each in shop.diagnosis() if each["check"] == "zero-vectors"}
    assert found.keys() == {"shop.Photo.picture", "shop.Photo.small", "shop.Photo.words"}
    assert found["shop.Photo.small"]["problem"].startswith("1 of 4 vectors are all zeros")
    assert all(each["fix"].startswith("Restore the vectors from a safe dump") for each in found.values())
    shop.write("DELETE FROM shop_photo WHERE rating = 9")


def test_indexes_that_are_not_in_the_database(shop: Shop) -> None:
    shop.run("index", "drop", "Product")
    found = [each for each in shop.diagnosis() if each["severity"] == "problem"]
    assert len(found) == 1 + shop.has_index
    for finding in found:
        assert finding["check"] == "index-missing"
        shop.fix(finding)


def test_a_column_that_is_not_migrated(shop: Shop) -> None:
    shop.write("ALTER TABLE shop_photo RENAME COLUMN rating TO stars")
    found = shop.findings()
    assert found.keys() == {"column"}
    assert found["column"]["problem"] == "The table shop_photo has no column rating."
    assert shop.json("status")["databases"][0]["tables"][0]["missing_columns"] == ["rating"]
    assert (
        "no column rating"
        in shop.json("search", "Photo", "--field", "picture", "--like", "1", code=2)["error"]["message"]
    )
    shop.write("ALTER TABLE shop_photo RENAME COLUMN stars TO rating")


def test_columns_of_another_length_and_narrower_columns(shop: Shop) -> None:
    shop.project.models(MODELS.replace("picture = VectorField(dimensions=4", "picture = VectorField(dimensions=5"))
    found = shop.findings()
    assert "dimensions=4" in found.pop("column")["problem"]
    assert found.keys() == ({"index-invalid"} if is_on(shop, "sqlite") else set())
    shop.project.models(MODELS)
    narrower = {
        "postgresql": ("ALTER TABLE shop_photo ALTER COLUMN rating TYPE {}", "real", "double precision"),
        "mariadb": ("ALTER TABLE shop_photo MODIFY COLUMN notes {} NOT NULL", "text", "longtext"),
        "mysql": ("ALTER TABLE shop_photo MODIFY COLUMN notes {} NOT NULL", "text", "longtext"),
    }
    if shop.dialect.name in narrower:
        change, narrow, wide = narrower[shop.dialect.name]
        shop.write(change.format(narrow))
        found = shop.findings()
        assert found.keys() == {"precision"}
        assert narrow.upper() in found["precision"]["problem"]
        assert wide in found["precision"]["expected"].lower()
        shop.write(change.format(wide))


def test_the_next_key_is_free(shop: Shop) -> None:
    """A key that was given leaves the sequence of PostgreSQL behind; the others count from the highest key."""
    shop.write("INSERT INTO shop_photo (id, rating, notes) VALUES (1000, 0, '')")
    if is_on(shop, "postgresql"):
        found = fixed(shop, "sequence")
        assert "the highest key is 1000" in found["sequence"]["problem"]
    shop.project.python("Photo.objects.create(picture=None)")
    shop.write("DELETE FROM shop_photo WHERE id >= 1000")


def test_what_only_some_databases_can_have(shop: Shop) -> None:
    for fault in FAULTS.get(shop.dialect.name, ()):
        fault(shop)


def invalid_index(shop: Shop) -> None:
    shop.write("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'product_hnsw'::regclass")
    assert shop.indexes()["product_hnsw"]["state"] == "invalid"
    fixed(shop, "index-invalid")


L2 = {
    "postgresql": (
        "DROP INDEX product_hnsw",
        "CREATE INDEX product_hnsw ON shop_product USING hnsw (embedding vector_l2_ops)",
    ),
    "libsql": (
        "DROP INDEX product_hnsw",
        "CREATE INDEX product_hnsw ON shop_product (libsql_vector_idx(embedding, 'metric=l2'))",
    ),
    "mariadb": (
        "DROP INDEX product_hnsw ON shop_product",
        "CREATE VECTOR INDEX product_hnsw ON shop_product (embedding) DISTANCE=euclidean",
    ),
}


def useless_index(shop: Shop) -> None:
    shop.write(*L2[shop.dialect.name])
    found = fixed(shop, "index-unusable")
    assert re.search("vector_l2_ops|l2|euclidean", found["index-unusable"]["problem"])


UNDECLARED = {
    "sqlite": 'Vec0Index(["picture"], "photo_vec0"),',
    "mariadb": 'HnswIndex(fields=["embedding"], name="product_hnsw", distance="cosine"),',
    "postgresql": 'HnswIndex(fields=["embedding"], name="product_hnsw", distance="cosine"),',
}


def undeclared_index(shop: Shop) -> None:
    shop.project.models(MODELS.replace(UNDECLARED[shop.dialect.name], ""))
    (found,) = (each for each in shop.diagnosis() if each["check"] == "index-undeclared")
    assert found["severity"] == "note"
    shop.fix(found)
    assert "index-undeclared" not in {each["check"] for each in shop.diagnosis()}
    shop.project.models(MODELS)
    fixed(shop, "index-missing")


def little_memory(shop: Shop) -> None:
    name = shop.project.database["NAME"]
    shop.write(
        "INSERT INTO shop_product (title, price, in_stock, embedding) SELECT 'many', n, true, '[1,1,1,1,1,1,1,1]'"
        " FROM generate_series(1000, 2600) n",
        f"ALTER DATABASE \"{name}\" SET maintenance_work_mem = '1MB'",
    )
    (found,) = (each for each in shop.diagnosis() if each["check"] == "build-memory")
    assert "maintenance_work_mem is 1MB" in found["problem"]
    assert 'build_options={"maintenance_work_mem": "2MB"}' in found["fix"]
    shop.write(f'ALTER DATABASE "{name}" RESET maintenance_work_mem', "DELETE FROM shop_product WHERE price >= 1000")
    assert "build-memory" not in {each["check"] for each in shop.diagnosis()}


def old_extension(shop: Shop) -> None:
    (before,) = shop.read("SELECT extversion AS version FROM pg_extension WHERE extname = 'vector'")
    shop.write("UPDATE pg_extension SET extversion = '0.5.1' WHERE extname = 'vector'")
    found = shop.findings()
    assert found.keys() == {"extension"}
    assert "0.5.1" in found["extension"]["problem"]
    shop.write(f"UPDATE pg_extension SET extversion = '{before['version']}' WHERE extname = 'vector'")
    shop.write("CREATE SCHEMA hidden", "ALTER EXTENSION vector SET SCHEMA hidden")
    assert "hidden" in shop.findings()["extension"]["problem"]
    assert "hidden" in shop.json("status")["databases"][0]["extension"]["error"]
    shop.write("ALTER EXTENSION vector SET SCHEMA public", "DROP SCHEMA hidden")


def whole_seconds(shop: Shop) -> None:
    """The columns that djanorm creates without this package."""
    fields = "opened = dorm.TimeField(null=True)\n    seen = dorm.DateTimeField(null=True)\n    rating ="
    shop.project.models(MODELS.replace("rating =", fields))
    shop.write("ALTER TABLE shop_photo ADD COLUMN opened TIME, ADD COLUMN seen DATETIME")
    found = {each["subject"]: each for each in shop.diagnosis() if each["check"] == "precision"}
    assert {subject: each["expected"] for subject, each in found.items()} == {
        "shop.Photo.opened": "TIME(6).",
        "shop.Photo.seen": "DATETIME(6).",
    }
    shop.write("ALTER TABLE shop_photo MODIFY opened TIME(6), MODIFY seen DATETIME(6)")
    assert shop.findings() == {}
    shop.project.models(MODELS)
    shop.write("ALTER TABLE shop_photo DROP COLUMN opened, DROP COLUMN seen")


def dropped_trigger_of_sign_bits(shop: Shop) -> None:
    bits = 'HnswIndex(["picture"], "photo_bits", distance="l2", precision="bit")'
    shop.project.models(MODELS.replace('Vec0Index(["picture"], "photo_vec0")', bits))
    # Other tests search the pictures.
    shop.write("CREATE TABLE kept AS SELECT id, picture FROM shop_photo")
    fixed(shop, "index-missing")
    shop.write("DROP TRIGGER photo_bits_update")
    fixed(shop, "index-invalid")
    shop.write("DROP TRIGGER photo_bits_insert", "UPDATE shop_photo SET picture = picture")
    own, grants = shop.project.database, "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX"
    clerk = {**own, "USER": "clerk", "PASSWORD": "clerk-password"}
    shop.write(
        "CREATE USER clerk@'%' IDENTIFIED BY 'clerk-password'", f"GRANT {grants} ON {own['NAME']}.* TO clerk@'%'"
    )
    try:
        with shop.settings(clerk):
            # It may not see triggers.
            assert shop.findings() == {}
        fixed(shop, "index-invalid")
        shop.run("index", "drop", "Photo", "--name", "photo_bits")
        with shop.settings(clerk):
            # It may not create triggers, either.
            fixed(shop, "index-missing")
            shop.write("UPDATE shop_photo SET picture = X'0000803f000080bf0000803f0000803f' WHERE picture IS NOT NULL")
            found = fixed(shop, "companion")
            assert found["companion"]["problem"].startswith("5 rows of 6 have changed since photo_bits was built")
            assert shop.findings() == {}
    finally:
        shop.write("DROP USER clerk@'%'")
    shop.run("index", "drop", "Photo", "--name", "photo_bits")
    shop.write(
        "UPDATE shop_photo JOIN kept USING (id) SET shop_photo.picture = kept.picture",
        "DROP TABLE kept",
    )
    shop.project.models(MODELS)


def drifted_companion(shop: Shop) -> None:
    shop.write("DELETE FROM product_vec0 WHERE id = 3")
    shop.write("UPDATE product_vec0 SET vector = zeroblob(32) WHERE id = 4")
    shop.write("INSERT INTO product_vec0 (id, by_price, vector) VALUES (999, 1, zeroblob(32))")
    assert shop.indexes()["product_vec0"]["companion"] == {"rows": 18, "missing": 2, "extra": 1, "in_sync": False}
    assert "3 rows differ" in shop.run("status")
    found = fixed(shop, "companion")
    assert found["companion"]["problem"].startswith("2 rows are missing or outdated in the table product_vec0, and 1")
    shop.write("UPDATE photo_bytes SET vector = zeroblob(4)")
    assert "photo_bytes" in fixed(shop, "companion")["companion"]["problem"]
    shop.write("UPDATE product_vec0 SET by_price = 7 WHERE id = 1")
    assert "companion" in shop.findings()
    assert any(each["index"] == "product_vec0" for each in shop.json("index", "optimize", "Product")["results"])


def broken_trigger(shop: Shop) -> None:
    shop.write("DROP TRIGGER product_vec0_update")
    fixed(shop, "index-invalid")


WITHOUT = """
import sys
{fault}
from dorm_vector.commands.main import main
sys.exit(main())
"""


def no_extension(shop: Shop) -> None:
    faults = {
        "problem": "sys.modules['sqlite_vec'] = None",
        "note": "from dorm_vector.engines.sqlite import extension\n"
        "extension._can_load_extensions = extension._register_auto_extension = lambda: False",
    }
    for severity, fault in faults.items():
        run = shop.project._run(WITHOUT.format(fault=fault), "doctor", "--json")
        found = [each for each in json.loads(run.stdout)["findings"] if each["check"] == "extension"]
        assert [each["severity"] for each in found] == [severity], run.stderr
        assert run.returncode == int(severity == "problem")
        assert "sqlite-vec" in found[0]["problem"]
        status = json.loads(shop.project._run(WITHOUT.format(fault=fault), "status", "--json").stdout)
        assert ("sqlite-vec" in str(status["databases"][0]["error"])) is (severity == "problem")
        assert "pip install" in found[0]["fix"] or "Python" in found[0]["fix"]


def no_wal(shop: Shop) -> None:
    shop.write("PRAGMA journal_mode = DELETE")
    fixed(shop, "journal-mode")


def lost_rows(shop: Shop) -> None:
    shop.project.python(
        "import random\nnumbers = random.Random(1)\nfor _ in range(2):\n"
        "    Product.objects.bulk_create([Product(title='many', price=1000 + n, embedding=[numbers.gauss(0, 1)"
        " for _ in range(8)]) for n in range(300)])\n"
        "kept = list(Product.objects.filter(price__gte=1000).order_by('pk').values_list('pk', flat=True))[::10]\n"
        "Product.objects.filter(price__gte=1000).exclude(pk__in=kept).delete()"
    )
    fixed(shop, "index-lost-rows")
    shop.write("DELETE FROM shop_product WHERE price >= 1000")


FAULTS: dict[str, list[Callable[[Shop], None]]] = {
    "postgresql": [invalid_index, useless_index, undeclared_index, little_memory, old_extension],
    "libsql": [useless_index, lost_rows],
    "mariadb": [useless_index, undeclared_index, whole_seconds],
    "mysql": [whole_seconds, dropped_trigger_of_sign_bits],
    "sqlite": [no_extension, drifted_companion, broken_trigger, undeclared_index, no_wal],
}


def test_a_new_database_and_a_limit_for_statements(shop: Shop, running: Any) -> None:
    settings = running.new_database()
    own = shop.project.database
    in_process = bool(shop.dialect.limits.none_in_process)
    limited = own if in_process else {**own, "OPTIONS": {**own.get("OPTIONS", {}), "statement_timeout": 30}}
    unlimited = {each["check"] for each in shop.diagnosis("--database", "default") if each["severity"] == "note"}
    assert ("statement-timeout" in unlimited) is not in_process
    with shop.settings(limited, new=settings):
        _new_and_limited(shop)
    running.drop_database(settings)


def _new_and_limited(shop: Shop) -> None:
    assert [each["check"] for each in shop.diagnosis("--database", "default")] == []
    found = [each["check"] for each in shop.diagnosis("--database", "new") if each["severity"] == "problem"]
    assert found == (["extension"] if shop.dialect.extension.enable else [])
    both = shop.json("status")["databases"]
    assert [each["alias"] for each in both] == ["default", "new"]
    assert both[1]["tables"] == []
    assert shop.json("search", "Product", "hat", "--database", "new", code=2)["error"]["message"].endswith(
        "Run: dorm migrate --settings MODULE, whose DATABASES has 'new' as \"default\""
    )
