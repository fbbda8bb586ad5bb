"""What of Citus needs no cluster: plans of shards, literals, and migration files. tests/engines/citus has the rest."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from dorm.migrations.state import ProjectState
from dorm.migrations.writer import _serialize_operation

import dorm_vector
from dorm_vector import CreateDistributedTable, CreateReferenceTable
from dorm_vector.dialects import dialect_named
from dorm_vector.engines.postgresql.adapters import register
from dorm_vector.engines.postgresql.citus import with_literals
from dorm_vector.values.vector import Vector
from tests.helpers.clusters.citus_refusals import REFUSED

# In the form of Citus 14.0.1 with citus.explain_all_tasks, for a table of three shards.
PLAN = """\
Limit  (cost=2160.96..2160.99 rows=10 width=168)
  ->  Sort  (cost=2160.96..2410.96 rows=100000 width=168)
        Sort Key: remote_scan.worker_column_6
        ->  Custom Scan (Citus Adaptive)  (cost=0.00..0.00 rows=100000 width=168)
              Task Count: 3
              Tasks Shown: All
              ->  Task
                    Node: host=127.0.0.1 port=57001 dbname=shop
                    ->  Limit  (cost=14.06..16.27 rows=10 width=64)
                          ->  Index Scan using doc_embedding_hnsw_102008 on shop_doc_102008 shop_doc
              ->  Task
                    Node: host=127.0.0.1 port=57002 dbname=shop
                    ->  Limit  (cost=14.05..16.27 rows=10 width=64)
                          ->  Index Scan using doc_embedding_hnsw_102009 on shop_doc_102009 shop_doc
              ->  Task
                    Node: host=127.0.0.1 port=57001 dbname=shop
                    ->  Limit  (cost=21.30..21.33 rows=10 width=64)
                          ->  Sort  (cost=21.30..23.88 rows=1030 width=64)
                                ->  Seq Scan on shop_doc_102010 shop_doc  (cost=0.00..21.30 rows=1030 width=64)
"""
# Citus cuts the name of a shard's index to 63 characters, and adds a hash of the whole.
LONG = "an_index_of_the_embeddings_of_the_documents_of_all_customers_"
CUT = "Index Scan using an_index_of_the_embeddings_of_the_documents_of__10e0bfa5_102011 on shop_doc_102011 shop_doc"

DISTRIBUTED = CreateDistributedTable("Doc", distribution_column="tenant", colocate_with="Tenant")
CITUS = dialect_named("clusters.citus")


def test_shards_are_counted_in_a_plan() -> None:
    assert CITUS.planning.shards_in(PLAN) == 3
    assert CITUS.planning.shards_by_index(PLAN, "doc_embedding_hnsw") == 2
    assert CITUS.planning.shards_by_index(PLAN, "embedding_hnsw") == 0
    assert CITUS.planning.shards_by_index(PLAN, "doc_embedding") == 0
    assert CITUS.uses_index(PLAN, "doc_embedding_hnsw")
    assert CITUS.planning.shards_by_index(CUT, LONG) == 1
    assert CITUS.planning.shards_in("Index Scan using doc_embedding_hnsw on shop_doc") == 0


FILTERED = """\
Custom Scan (Citus Adaptive)  (cost=0.00..0.00 rows=100000 width=4)
  ->  Distributed Subplan 1_1
        ->  Limit  (cost=0.00..0.00 rows=5 width=8)
              ->  Custom Scan (Citus Adaptive)  (cost=0.00..0.00 rows=100000 width=8)
                    Task Count: 4
                    Tasks Shown: One of 4
                    ->  Task
                          Node: host=127.0.0.1 port=57001 dbname=shop
                          ->  Limit  (cost=0.00..0.10 rows=7 width=8)
  Task Count: 2
  Tasks Shown: One of 2
  ->  Task
        Node: host=127.0.0.1 port=57001 dbname=shop
        ->  Hash Join  (cost=17.00..31.37 rows=120 width=4)
              ->  Seq Scan on shop_doc_102019 a  (cost=0.00..12.40 rows=240 width=8)
"""


@pytest.mark.parametrize(
    "plan, found, shards",
    [
        (FILTERED, ("31.37", "120"), "2"),
        # A table that is on the coordinator alone.
        ("Seq Scan on shop_doc  (cost=0.00..21.30 rows=1030 width=4)", ("21.30", "1030"), None),
    ],
)
def test_rows_of_a_filter_are_those_of_the_first_task(plan: str, found: tuple[str, str], shards: str | None) -> None:
    estimate, count = re.search(CITUS.estimating.filter_found, plan), re.search(CITUS.estimating.shards_found, plan)
    assert estimate is not None
    assert estimate.groups() == found
    assert (count[1] if count else None) == shards


@pytest.mark.parametrize("test", REFUSED)
def test_each_refused_test_exists(test: str) -> None:
    file, name = test.split("::")
    (path,) = (Path(__file__).parents[1]).rglob(file)
    assert f"def {name.partition('[')[0]}(" in path.read_text()


def test_no_other_database_has_shards() -> None:
    dialect = dialect_named("postgresql")
    assert (dialect.planning.shards_in(PLAN), dialect.planning.shards_by_index(PLAN, "doc_embedding_hnsw")) == (0, 0)


def test_parameters_are_written_as_literals() -> None:
    register()
    values = (Vector([1.0, 2.0]), "it's 5 %", 7, None, dt.date(2026, 11, 30))
    found = with_literals("SELECT %s::vector, %s, %s, %s, %s, 7 %% 2", values)
    assert found == "SELECT '[1.0,2.0]'::vector, 'it''s 5 %%', 7, NULL, '2026-11-30'::date, 7 %% 2"


@pytest.mark.parametrize(
    "operation",
    [
        DISTRIBUTED,
        CreateDistributedTable("Doc", distribution_column="id", shard_count=64),
        CreateDistributedTable("Doc", distribution_column="id"),
        CreateReferenceTable("Tenant"),
    ],
    ids=str,
)
def test_a_migration_file_keeps_an_operation(operation: Any) -> None:
    source = _serialize_operation(operation)
    read: Any = eval(source, {"dorm_vector": dorm_vector})  # noqa: S307 - it is ours
    assert (type(read), read.deconstruct()) == (type(operation), operation.deconstruct())
    assert repr(eval(repr(operation))) == repr(operation)  # noqa: S307 - as above


def test_a_colocated_table_has_no_shard_count_of_its_own() -> None:
    with pytest.raises(ValueError, match="Leave out shard_count"):
        CreateDistributedTable("Doc", distribution_column="id", colocate_with="Tenant", shard_count=4)


def test_operations_leave_the_state_unchanged() -> None:
    state = ProjectState()
    for operation in (DISTRIBUTED, CreateReferenceTable("Tenant")):
        operation.state_forwards("shop", state)
    assert state.models == {}
