"""The SQL that returns the bytes of an index, where the database stores it in tables of its own."""

from __future__ import annotations

_AFTER_NAME = "substr(m.tbl_name, length('{name}') + 2)"

# Of a vec0 table, of an FTS5 table, and of libSQL's vector index. https://www.sqlite.org/dbstat.html
DBSTAT = (
    "SELECT SUM(s.pgsize) AS bytes FROM sqlite_master AS m CROSS JOIN dbstat AS s ON s.name = m.name"
    " WHERE s.aggregate = 1 AND m.rootpage > 0 AND (m.name = '{name}' OR m.tbl_name = '{name}'"
    " OR (substr(m.tbl_name, 1, length('{name}') + 1) = '{name}_'"
    f" AND ({_AFTER_NAME} IN ('info', 'chunks', 'rowids', 'auxiliary', 'data', 'idx', 'content', 'docsize', 'config',"
    f" 'shadow') OR {_AFTER_NAME} GLOB 'vector_chunks[0-9]*' OR {_AFTER_NAME} GLOB 'metadata*[0-9]')))"
)
"""Of an index ``{name}`` and its shadow tables."""

NO_DBSTAT = "This build of SQLite has no dbstat (SQLITE_ENABLE_DBSTAT_VTAB)."

NO_PROCESS = "information_schema lists the files of indexes only with the privilege PROCESS."


def innodb_text_index_bytes(prefix: str) -> str:
    """Return the SQL for the files of a FULLTEXT index; the prefix is that of InnoDB's tables in information_schema."""
    files = (
        "CONCAT(DATABASE(), '/fts_', LPAD(HEX(i.table_id), 16, '0'), '_', LPAD(HEX(i.index_id), 16, '0'), '_index_')"
    )
    return (
        f"SELECT SUM(s.file_size) AS bytes FROM information_schema.{prefix}indexes AS i"
        f" JOIN information_schema.{prefix}tables AS t ON t.table_id = i.table_id"
        f" JOIN information_schema.{prefix}tablespaces AS s ON INSTR(LOWER(s.name), LOWER({files})) = 1"
        " WHERE t.name = CONCAT(DATABASE(), '/{table}') AND i.name = '{name}'"
    )
