"""The patches of djanorm and of the drivers, and the order in which they are installed.

For each patched module, the list has its patches, innermost first. They are installed when that module is imported.
Modules that define patches are imported at the same time, so that unused databases cost nothing. A patch that is
registered but not listed, or listed but not registered, raises LookupError.
"""

from __future__ import annotations

from .engines import connections
from .patching import registry
from .patching.on_import import install_when_imported

ORDER: dict[str, tuple[str, ...]] = {
    # Models, querysets and expressions
    "dorm.query": (
        "expressions.scope:remember_connection",
        "repairs.known_names:known_names_in_updates",
        "repairs.known_paths:known_names_in_queries",
        "query.derived:slices_in_order",
        "models.generated_fields:generated_vectors",
        "repairs.models:generated_fields",
        "repairs.known_references:known_names_in_expressions",
        "query.names:references",
        "repairs.mysql_sql:on_duplicate_key",
        "repairs.mysql_sql:rows_of_the_same_table",
        "repairs.mysql_sql:like_escape",
    ),
    "dorm.queryset": (
        "models.hooks:vector_aggregates",
        "repairs.known_names:known_names_in_updates",
        "repairs.known_paths:known_names_in_queries",
        "repairs.known_choices:known_names_in_queries",
        "models.hooks:vector_querysets",
        "models.hooks:upgrade_on_distance",
        "models.hooks:upgrade_on_text",
        "repairs.known_references:known_names_in_expressions",
        "repairs.relations.sequences:sequences_of_bulk_keys",
    ),
    "dorm.aggregates": (
        "models.hooks:aggregates_of_distances",
        "repairs.expressions:aggregates_of_expressions",
        "repairs.known_references:known_names_in_expressions",
    ),
    "dorm.fields": (
        "models.hooks:vector_arrays",
        "engines.mysql.moments:moments_in_utc",
        "repairs.models:keys_of_relations",
        "repairs.mysql_sql:foreign_key_type",
        "repairs.relations.state:relations_in_migrations",
        "repairs.relations.reverse:reverse_many_to_many",
        "repairs.relations.junctions:relations_to_itself",
    ),
    "dorm.models": (
        "repairs.models:deferred_columns",
        "repairs.known_names:known_names_in_updates",
        "repairs.known_declarations:known_names_in_declarations",
        "models.deferred:models_read_in_part",
        "embeddings.on_save:embeddings_on_save",
        "models.trails:trails_of_partial_rows",
        "models.generated_fields:generated_vectors",
        "repairs.models:generated_fields",
        "repairs.relations.sequences:sequences_of_keys",
        "repairs.relations.declared:inherited_indexes",
        "repairs.relations.reverse:reverse_of_later_models",
    ),
    "dorm.related_managers": (
        "repairs.known_choices:known_names_in_queries",
        "repairs.models:prefetched_relations",
    ),
    "dorm.indexes": ("repairs.known_declarations:known_names_in_declarations",),
    "dorm.manager": ("models.managers:searches_of_managers", "models.managers:vector_managers"),
    "dorm.expressions": (
        "repairs.expressions:not_of_several",
        "repairs.known_references:known_names_in_expressions",
        "query.names:references",
    ),
    "dorm.functions": (
        "repairs.known_references:known_names_in_expressions",
        "query.names:references",
        "query.names:conditions_of_cases",
    ),
    "dorm.search": ("repairs.known_references:known_names_in_expressions",),
    "dorm.lookups": ("repairs.mysql_sql:like_escape",),
    # Connections and drivers
    "dorm.db.connection": (
        "repairs.turso:turso_async",
        "engines.connections:prepare_connections",
        "repairs.contribs.routing:reads_after_a_write",
    ),
    "dorm.db.backends.sqlite": (
        "engines.connections:prepare_connections",
        "repairs.sqlite:connection_per_loop",
        "repairs.sqlite:connections_of_all_loops",
        "repairs.sqlite:cancelled_connections",
        "engines.sqlite.transactions:async_transactions",
        "engines.sqlite.locking:waiting_writers",
        "engines.sqlite.scripts:scripts_in_transactions",
        "engines.sqlite.transactions:failed_statements",
        "repairs.interrupted_transactions:interrupted_transactions",
        "engines.turso.driver:turso_errors",
        "engines.ended_threads:ended_threads",
        "engines.forked_transactions:forked_transactions",
    ),
    "dorm.db.backends.mysql": (
        "engines.timeouts:connect_timeouts",
        "engines.forked_transactions:shared_sockets",
        "repairs.interrupted_transactions:interrupted_transactions",
        "repairs.interrupted_transactions:cancelled_transactions",
        "repairs.mysql:connection_per_thread",
        "repairs.mysql:autocommit",
        "repairs.mysql:driver_arguments",
        "repairs.mysql:matched_rows",
        "repairs.mysql:lost_connections",
        "repairs.lost_transactions:lost_transactions",
        "engines.forked_transactions:forked_transactions",
        "repairs.mysql:streaming_connection",
        "repairs.mysql_sql:bulk_insert",
        "repairs.mysql_checks:violated_checks",
        "repairs.mysql_async:statements_in_their_transaction",
        "repairs.mysql_async:matched_rows",
        "repairs.mysql_async:strict_async_writes",
        "repairs.mysql_async:async_query_log",
        "repairs.mysql_async:bulk_insert",
        "repairs.mysql_async:async_streaming",
        "repairs.mysql_async:async_script",
        "repairs.mysql_async:async_introspection",
    ),
    "dorm.db.backends.postgresql": (
        "engines.timeouts:connect_timeouts",
        "engines.forked_transactions:shared_sockets",
        "repairs.interrupted_transactions:interrupted_transactions",
        "repairs.interrupted_transactions:cancelled_transactions",
        "engines.postgresql.binary_rows:binary_rows",
        "engines.postgresql.pool_check:check_where_in_doubt",
        "repairs.postgresql:pool_per_loop",
        "repairs.contribs.schemas:tables_of_the_current_schema",
        "repairs.postgresql:pools_of_all_loops",
        "repairs.lost_transactions:lost_transactions",
        "engines.forked_transactions:forked_transactions",
    ),
    "dorm.db.backends.libsql": (
        "repairs.turso:turso_patience",
        "engines.turso.driver:one_process",
        "repairs.turso:turso_replicas",
        "engines.turso.driver:turso_text_indexes",
        "engines.turso.driver:turso_async_rows",
        "repairs.turso:turso_push_and_pull",
        "engines.turso.driver:turso_errors",
    ),
    "pymysql.connections": ("engines.mysql.drivers:vector_columns_as_bytes", "engines.mysql.moments:moments_in_utc"),
    "aiomysql.connection": (
        "engines.mysql.drivers:vector_columns_as_bytes",
        "engines.mysql.drivers:async_vectors",
        "engines.mysql.drivers:async_bytes",
        "engines.mysql.moments:moments_in_utc",
    ),
    "aiomysql.cursors": ("engines.mysql.drivers:quiet_async_plans",),
    # Migrations and inspection
    "dorm.migrations.state": ("repairs.relations.declared:declared_indexes",),
    "dorm.migrations.operations": (
        "repairs.relations.junctions:drop_junctions_too",
        "repairs.relations.alter:alter_every_field",
        "repairs.relations.alter:alter_every_field_back",
        "repairs.relations.fields:fields_by_column",
        "repairs.relations.fields:rename_columns",
        "repairs.relations.constraints:constraints_over_columns",
        "repairs.migrations:alter_by_rebuilding",
        "repairs.migrations:create_junction",
        "schema.companions:drop_companions",
        "schema.index_operations:index_ddl",
        "schema.alter_field:alter_vector_field",
        "schema.alter_field:alter_vector_field_back",
        "schema.alter_field:remove_vector_field",
        "repairs.migrations:separate_model_state",
        "schema.alter_field:vector_default",
        "schema.text_indexes:keep_text_indexes",
        "schema.text_indexes:drop_text_indexes",
        "repairs.migrations:concurrent_index",
        "schema.vector_indexes:keep_vector_indexes",
        "repairs.mysql_migrations:drop_index_on_table",
        "repairs.mysql_migrations:text_default",
        "schema.renaming:rename_vector_indexes",
        "repairs.migrations:rename_indexed_fields",
        "schema.renaming:rename_what_a_companion_filters_by",
        "repairs.relations.columns:indexes_over_columns",
        "repairs.relations.state:operations_in_their_state",
    ),
    "dorm.migrations.executor": (
        "repairs.migrations:keep_what_refers",
        "repairs.migrating.lock:one_migration_at_a_time",
        "schema.checks:indexes_checked_first",
        "repairs.relations.executor:states_one_by_one",
        "repairs.relations.executor:other_apps_first",
        "repairs.migrating.unfinished:unfinished_migrations",
    ),
    "dorm.inspect": (
        "repairs.contribs.schemas:tables_of_the_current_schema",
        "schema.companions:hide_companions",
        "repairs.mysql_migrations:introspect_mysql_tables",
        "schema.inspection:inspect_vectors",
    ),
    "dorm.migrations.autodetector": (
        "schema.autodetector:changed_vector_indexes",
        "repairs.migrations:changed_indexes",
        "repairs.relations.order:operations_in_order",
    ),
    "dorm.migrations.loader": ("repairs.relations.executor:squashed_or_replaced",),
    "dorm.migrations.squasher": ("repairs.relations.squash:squash_in_order",),
    "dorm.migrations.recorder": ("repairs.relations.executor:recorded_once",),
    "dorm.migrations.writer": (
        "repairs.relations.writer:every_option_of_a_field",
        "schema.writer:vector_field_source",
        "schema.writer:vector_index_source",
        "repairs.migrations:index_source",
        "schema.writer:write_migration",
        "schema.writer:enable_pgvector",
        "repairs.relations.writer:loadable_migrations",
    ),
    # Fixtures, schemas and the rest
    "dorm.contrib.concurrency": ("embeddings.optimistic_lock:embeddings_under_a_lock",),
    "dorm.serialize": (
        "models.serialization:vectors_in_fixtures",
        "models.serialization:embeddings_in_fixtures",
        "repairs.relations.sequences:sequences_of_fixtures",
    ),
    "dorm.contrib.pydantic": (
        "models.serialization:vectors_in_schemas",
        "models.serialization:embeddings_in_requests",
    ),
    "dorm.contrib.history": ("models.trails:whole_snapshots",),
    "dorm.contrib.temporal": ("models.trails:whole_snapshots",),
    "dorm.contrib.audit": ("models.trails:numbers_in_audits",),
    "dorm.contrib.streaming": ("models.exports:vectors_in_exports",),
    "dorm.contrib.serializers": ("models.exports:vectors_in_exports",),
}


def install() -> None:
    """Install the patches now, or when the modules that they patch are imported."""
    registry.arrange(ORDER)
    for module in ORDER:
        install_when_imported(module)
    connections.prepare_open_connections()
