"""PostgreSQL's partitions, and postgres_fdw.

Sources: https://www.postgresql.org/docs/current/ddl-partitioning.html
https://www.postgresql.org/docs/current/postgres-fdw.html
"""

from __future__ import annotations

from .shared.groups import Partitions
from .shared.index_extensions import extension_of_postgresql

# LIKE copies no foreign key, and no unique index, which a table with foreign partitions cannot have.
_COPIED = "DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING COMMENTS INCLUDING STORAGE"

_KEEP_SEQUENCES = (
    "DO $$ DECLARE owned record; BEGIN FOR owned IN"
    " SELECT d.objid::regclass::text AS sequence, a.attname AS name FROM pg_depend d"
    " JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
    " JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
    " WHERE d.refobjid = '\"{plain}\"'::regclass AND d.deptype = 'a'"
    " LOOP EXECUTE format('ALTER SEQUENCE %s OWNED BY %I.%I', owned.sequence, '{table}', owned.name);"
    " END LOOP; END $$"
)

_FOREIGN = (
    "pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid{left} JOIN pg_foreign_table f ON f.ftrelid = c.oid"
    "{left} JOIN pg_foreign_server s ON s.oid = f.ftserver"
)

# A search option cannot be set by what postgres_fdw sends, but a row can be inserted. The trigger keeps none.
# The search_path there is pg_catalog alone. To set a variable to NULL is to reset it.
_SESSION_TRIGGER = (
    'CREATE OR REPLACE FUNCTION "dorm_vector_session"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN'
    " PERFORM set_config(NEW.name, CASE WHEN NEW.at_least"
    " THEN greatest(nullif(current_setting(NEW.name, true), '')::int, NEW.value::int)::text ELSE NEW.value END, true);"
    " RETURN NULL; END $$"
)

PARTITIONS = Partitions(
    extension=extension_of_postgresql(
        "postgres_fdw",
        "1.0",
        "Install the contributed modules of PostgreSQL on the server (Debian has them in postgresql-18).",
    ),
    methods=("list", "hash", "range"),
    has_rows='SELECT EXISTS (SELECT FROM "{table}") AS found',
    convert=(
        'ALTER TABLE "{table}" RENAME TO "{plain}"',
        f'CREATE TABLE "{{table}}" (LIKE "{{plain}}" INCLUDING {_COPIED}) PARTITION BY {{key}}',
        _KEEP_SEQUENCES,
        'DROP TABLE "{plain}"',
    ),
    key="SELECT pg_get_partkeydef(to_regclass('\"{table}\"')) AS key",
    names="SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = to_regclass('\"{table}\"')",
    add='CREATE TABLE "{partition}" PARTITION OF "{table}" {bound}',
    drop='DROP TABLE "{partition}"',
    unique='ALTER TABLE "{partition}" ADD {kind} ({columns})',
    counted="SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass('\"{table}\"') AND attnum > 0"
    " AND NOT attisdropped AND pg_get_serial_sequence('\"{table}\"', attname) IS NOT NULL AND atthasdef",
    forget_count='ALTER TABLE "{table}" ALTER COLUMN "{column}" DROP DEFAULT',
    schema="SELECT current_schema() AS name",
    create_server='CREATE SERVER "{server}" FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options})',
    drop_server='DROP SERVER "{server}"',
    create_mapping='CREATE USER MAPPING FOR {role} SERVER "{server}" OPTIONS ({options})',
    drop_mapping='DROP USER MAPPING FOR {role} SERVER "{server}"',
    add_foreign='CREATE FOREIGN TABLE "{partition}" PARTITION OF "{table}" {bound} SERVER "{server}"'
    " OPTIONS (schema_name '{schema}', table_name '{partition}')",
    drop_foreign='DROP FOREIGN TABLE "{partition}"',
    parts="SELECT c.relname AS name, s.srvname AS server, coalesce((SELECT option_value"
    " FROM pg_options_to_table(f.ftoptions) WHERE option_name = 'table_name'), c.relname) AS remote"
    f" FROM {_FOREIGN.format(left=' LEFT')} WHERE h.inhparent = to_regclass(quote_ident(%s)) ORDER BY c.relname",
    part_indexes="SELECT i.relname AS name, coalesce(p.relname, i.relname) AS declared"
    " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam"
    " LEFT JOIN pg_inherits h ON h.inhrelid = i.oid LEFT JOIN pg_class p ON p.oid = h.inhparent"
    " WHERE x.indrelid = to_regclass(quote_ident(%s)) AND m.amname IN ('hnsw', 'ivfflat', 'diskann')",
    explain="EXPLAIN (VERBOSE)",
    remote_sql=r"Remote SQL: (.*)",
    # postgres_fdw reads by a cursor, which the planner makes fast to start.
    remote_explain='EXPLAIN DECLARE "dorm_vector" CURSOR FOR {sql}',
    sessions="SELECT DISTINCT p.relname AS table, s.srvname AS server,"
    " to_regclass(quote_ident('dorm_vector_session_' || s.srvname))::text AS session"
    f" FROM {_FOREIGN.format(left='')} JOIN pg_class p ON p.oid = h.inhparent",
    session="dorm_vector_session_{server}",
    create_session=(
        'CREATE TABLE IF NOT EXISTS "dorm_vector_session" ("name" text, "value" text, "at_least" boolean)',
        _SESSION_TRIGGER,
        (
            'CREATE OR REPLACE TRIGGER "dorm_vector_session" BEFORE INSERT ON "dorm_vector_session"'
            ' FOR EACH ROW EXECUTE FUNCTION "dorm_vector_session"()'
        ),
    ),
    drop_session=(
        'DROP TABLE IF EXISTS "dorm_vector_session"',
        'DROP FUNCTION IF EXISTS "dorm_vector_session"()',
    ),
    add_session='CREATE FOREIGN TABLE "{session}" ("name" text, "value" text, "at_least" boolean) SERVER "{server}"'
    " OPTIONS (schema_name '{schema}', table_name 'dorm_vector_session')",
    grant_session='GRANT INSERT ON "{session}" TO {role}',
    set_there="INSERT INTO {session} VALUES {rows}",
)
