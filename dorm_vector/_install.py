"""What is installed into djanorm and the drivers, in which order.

Where several patches replace one attribute, the first listed is the innermost. A patch that is missing here, or that is
listed and not registered, stops the import.
"""

from __future__ import annotations

from importlib import import_module

from .djanorm import connections
from .patching import registry
from .patching.on_import import install_when_imported

ORDER = (
    # Models, querysets and expressions
    "djanorm.compiling:remember_connection",
    "djanorm.aggregating:vector_aggregates",
    "djanorm.aggregating:aggregates_of_expressions",
    "djanorm.arrays:vector_arrays",
    "djanorm.deferred:deferred_columns",
    "djanorm.known_names:known_names_in_updates",
    "djanorm.models:vector_querysets",
    "djanorm.models:upgrade_on_distance",
    "djanorm.models:upgrade_on_text",
    "djanorm.derived:slices_in_order",
    "djanorm.generated:generated_fields",
    "djanorm.negating:not_of_several",
    "djanorm.references:references",
    "djanorm.references:conditions_of_cases",
    "djanorm.relations:keys_of_relations",
    "djanorm.relations:prefetched_relations",
    # Fixtures and schemas
    "djanorm.serializing:vectors_in_fixtures",
    "djanorm.serializing:vectors_in_schemas",
    "djanorm.embedding_loads:embeddings_in_fixtures",
    # Connections: what prepares one is inside of what closes it
    "djanorm.connections:prepare_connections",
    "djanorm.sqlite_loops:connection_per_loop",
    "djanorm.sqlite_loops:cancelled_connections",
    "djanorm.async_transactions:async_transactions",
    "djanorm.async_transactions:failed_statements",
    "djanorm.transactions:interrupted_transactions",
    "djanorm.binary:binary_rows",
    "djanorm.pooling:check_where_in_doubt",
    "djanorm.postgresql_loops:pool_per_loop",
    "djanorm.turso:turso_patience",
    "djanorm.turso:turso_text_indexes",
    "djanorm.turso:turso_replicas",
    "djanorm.turso:turso_push_and_pull",
    "djanorm.turso:turso_async",
    "djanorm.turso_errors:turso_errors",
    # MySQL and MariaDB: a connection is opened by its thread, then told how to behave, then checked
    "djanorm.mysql:connection_per_thread",
    "djanorm.mysql:autocommit",
    "djanorm.mysql:driver_arguments",
    "djanorm.mysql:matched_rows",
    "djanorm.mysql:lost_connections",
    "djanorm.lost_transactions:lost_transactions",
    "djanorm.mysql:streaming_connection",
    "djanorm.mysql:bulk_insert",
    "djanorm.mysql:on_duplicate_key",
    "djanorm.mysql:rows_of_the_same_table",
    "djanorm.mysql:like_escape",
    "djanorm.mysql:foreign_key_type",
    "djanorm.mysql_async:statements_in_their_transaction",
    "djanorm.mysql_async:matched_rows",
    "djanorm.mysql_async:strict_async_writes",
    "djanorm.mysql_async:async_query_log",
    "djanorm.mysql_async:bulk_insert",
    "djanorm.mysql_async:async_streaming",
    "djanorm.mysql_async:async_script",
    "djanorm.mysql_async:async_introspection",
    "djanorm.mysql_drivers:vector_columns_as_bytes",
    "djanorm.mysql_drivers:async_bytes",
    "djanorm.mysql_drivers:quiet_async_plans",
    # Migrations: what builds concurrently is outside of what builds
    "djanorm.rebuilding:alter_by_rebuilding",
    "djanorm.rebuilding:create_junction",
    "djanorm.rebuilding:keep_what_refers",
    "djanorm.companion_migrations:drop_companions",
    "djanorm.companion_migrations:hide_companions",
    "djanorm.possible_indexes:indexes_checked_first",
    "djanorm.migrations:vector_index_ddl",
    "djanorm.migrations:alter_vector_field",
    "djanorm.migrations:alter_vector_field_back",
    "djanorm.migrations:remove_vector_field",
    "djanorm.migrations:separate_model_state",
    "djanorm.migrations:vector_default",
    "djanorm.migrations:changed_indexes",
    "djanorm.text_migrations:text_index_ddl",
    "djanorm.text_migrations:keep_text_indexes",
    "djanorm.text_migrations:drop_text_indexes",
    "djanorm.concurrent:concurrent_index",
    "djanorm.hrana_migrations:keep_vector_indexes",
    "djanorm.mysql_migrations:drop_index_on_table",
    "djanorm.mysql_migrations:text_default",
    "djanorm.mysql_migrations:introspect_mysql_tables",
    "djanorm.inspecting:inspect_vectors",
    "djanorm.renaming:rename_indexed_fields",
    "djanorm.renaming:rename_what_a_companion_filters_by",
    "djanorm.writer:vector_field_source",
    "djanorm.writer:index_source",
    "djanorm.writer:write_migration",
    "djanorm.writer:enable_pgvector",
)


def install() -> None:
    """Install the patches: now, or as soon as somebody imports what they patch."""
    for module in dict.fromkeys(address.partition(":")[0] for address in ORDER):
        import_module(f".{module}", __package__)
    registry.arrange(ORDER)
    for module in sorted({patch.module for patch in registry.PATCHES}):
        install_when_imported(module)
    connections.prepare_open_connections()
