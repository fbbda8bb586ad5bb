"""Citus, which distributes the tables of PostgreSQL over workers. Its coordinator speaks the SQL of PostgreSQL.

Source: https://docs.citusdata.com/en/stable/develop/api.html
"""

from __future__ import annotations

from ..base import Dialect
from ..postgresql import DIALECT as POSTGRESQL
from ..shared.costs import Estimating, PlanCosts
from ..shared.groups import Loading, Ordering, Planning, SearchTuning
from ..shared.unsupported import Unsupported

# set_config() stays on the coordinator. Citus passes SET LOCAL on to the workers, if it is told to.
# https://docs.citusdata.com/en/stable/develop/api_guc.html#citus-propagate-set-commands-enum
_SET = (
    "DO $set$ DECLARE before text := current_setting('citus.propagate_set_commands'); BEGIN"
    " SET LOCAL citus.propagate_set_commands = 'local'; EXECUTE concat_ws('; ', {assignments});"
    " PERFORM set_config('citus.propagate_set_commands', before, true); END $set$"
)

NO_PARTITIONS = Unsupported(
    reason="it spreads a table over its workers, and a foreign table cannot be a partition of such a table.",
    instead="Use CreateDistributedTable, or search several databases with federated_nearest().",
    probe="CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE SERVER probe FOREIGN DATA WRAPPER postgres_fdw;"
    " CREATE TABLE probe_rows (id bigint, year int) PARTITION BY RANGE (year);"
    " SELECT create_distributed_table('probe_rows', 'id');"
    " CREATE FOREIGN TABLE probe_rows_1 PARTITION OF probe_rows FOR VALUES FROM (1) TO (2) SERVER probe",
    see="docs/howto/scale-out.md",
)

# Where the subquery returns the distribution column, each shard takes that many of its own rows, without an error. The
# probe is refused, because its outer table is a reference table.
CORRELATED_SLICE = Unsupported(
    "a slice of several rows inside IN cannot refer to the outer query: each shard would take as many rows of its own.",
    "Run a search for each row of the outer query.",
    "SELECT id FROM tests_author WHERE id IN"
    " (SELECT c.id FROM tests_chunk c WHERE c.document_id = tests_author.id LIMIT 2)",
    "docs/howto/scale-out.md",
)

DIALECT = Dialect(
    **vars(POSTGRESQL)
    | {
        # An outer SELECT makes the coordinator store what the workers found before it reads it.
        "ordering": Ordering(
            **vars(POSTGRESQL.ordering) | {"late_materialization": False, "correlated_slice": CORRELATED_SLICE}
        ),
        "loading": Loading(
            **vars(POSTGRESQL.loading)
            | {
                # Without it, INSERT ... SELECT ... ON CONFLICT reports the rows that were sent to the workers.
                "count_written": " RETURNING 1",
                # An error of a worker during COPY has SQLSTATE XX000.
                "copy_hides_errors": True,
                # "could not run distributed query with FOR UPDATE/SHARE commands", unless one shard has the rows.
                "claims_one_row": True,
                # It would have to plan a join of each shard with a function.
                "array_parameters": False,
            }
        ),
        "tuning": SearchTuning(
            **vars(POSTGRESQL.tuning)
            | {
                "assignment": "coalesce('SET LOCAL {variable} = ' || quote_literal({value}),"
                " 'SET LOCAL {variable} TO DEFAULT')",
                "for_transaction": _SET,
                "reading": "SELECT {values}",
                "back": "",
                "in_one_trip": False,
            }
        ),
        # Of a coordinator and two workers on one machine. The options of an index take statements of their own.
        "costs": PlanCosts(**vars(POSTGRESQL.costs) | {"statement": 1.0, "index": 2.3}),
        # The coordinator has no statistics of the shards; its plan has that of one. The plan of a subquery comes first,
        # with more indentation. A table that is not distributed has no tasks.
        "estimating": Estimating(
            **vars(POSTGRESQL.estimating)
            | {
                "table": "",
                "filter_found": r"(?ms)(?:\A(?!Custom Scan)|^  ->  Task$).*?cost=[\d.]+\.\.([\d.]+) rows=(\d+)",
                "shards_found": r"(?m)^  Task Count: (\d+)$",
                # Citus refuses a subquery in a SELECT list, unless its tables are co-located.
                "samples_subqueries": False,
            }
        ),
        "partitions": NO_PARTITIONS,
        "planning": Planning(
            **vars(POSTGRESQL.planning)
            | {
                # https://docs.citusdata.com/en/stable/develop/api_guc.html#citus-explain-all-tasks-boolean
                "every_shard": "SELECT set_config('citus.explain_all_tasks', {value}, true)",
                "explains_parameters": False,
                "shows_every_shard": "SELECT current_setting('citus.explain_all_tasks') AS value",
                "shard_count": r"Task Count: (\d+)",
                # The name of a shard's index ends with its number; a long one is cut, and has a hash.
                "index_of_shard": r"Index Scan using (?:{name}|{start}\w*_[0-9a-f]{{8}})_\d+ ",
            }
        ),
    }
)

VERSION = "SELECT extversion AS version FROM pg_extension WHERE extname = 'citus'"

# A reference table has no such column, and a local table no such row.
DISTRIBUTED_BY = (
    "SELECT column_to_column_name(logicalrelid, partkey) AS name FROM pg_dist_partition"
    " WHERE logicalrelid = to_regclass(quote_ident(%s)) AND partkey IS NOT NULL"
)

DISTRIBUTE = "SELECT create_distributed_table('\"{table}\"', '{column}'{options})"

REFERENCE = "SELECT create_reference_table('\"{table}\"')"

UNDISTRIBUTE = "SELECT undistribute_table('\"{table}\"')"

COLOCATED = ", colocate_with => '\"{table}\"'"

SHARDS = ", shard_count => {count}"
