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
)
