"""MySQL's sign bits: a column next to the vectors, searched by BIT_COUNT().

A generated column accepts no VECTOR, not even in IS NULL. So triggers fill the column; where the server refuses them,
a mark with ON UPDATE CURRENT_TIMESTAMP tells which rows have changed since.

Sources: https://dev.mysql.com/doc/refman/9.7/en/bit-functions.html,
https://dev.mysql.com/doc/refman/9.7/en/timestamp-initialization.html
"""

from __future__ import annotations

from ..values.metrics import Metric
from .shared.sign_columns import SignColumn

_PARTS = 32  # a float has 32 bits, and one of them is kept

_SIGN = 24  # where that one is in little-endian bytes, counted from the highest bit of the first


def _chunk(held: int) -> int:
    """Return how many floats share the bits of a float: number n goes to float ``n % chunk``, bit ``n // chunk``."""
    return -(-held // _PARTS)


def value(vector: str, dimensions: int, held: int) -> str:
    chunk = _chunk(held)
    size, whole = 4 * chunk, 4 * chunk * _PARTS
    numbers = f"RPAD(SUBSTR(CAST({vector} AS BINARY), 1, {4 * held}), {whole}, X'00')"
    # A float is above 0 if its last byte is from 1 to 127, denormals aside: the other 7 bits are moved to the sign.
    any_bit = " | ".join(f"(b.b << {bit})" for bit in range(1, 8))
    above = f"({any_bit}) & ~b.b & REPEAT(X'00000080', {_PARTS * chunk})"
    source = f"(SELECT {above} AS p FROM (SELECT {numbers} AS b LIMIT 1) b LIMIT 1) p"
    parts = (f"(SUBSTR(p.p, {1 + size * part}, {size}){_moved(part)})" for part in range(_PARTS))
    signs = f"(SELECT {' | '.join(parts)} FROM {source})"
    return f"IF({vector} IS NULL, X'', IF(LENGTH({vector}) = {4 * dimensions}, {signs}, NULL))"


def _moved(part: int) -> str:
    """Return the shift that moves the sign to the bit of that number, inside its own float."""
    if part == 0:
        return ""
    return f" << {part}" if part <= _SIGN else f" >> {part - _SIGN}"


def packed(vector: bytes, held: int) -> bytes:
    chunk = _chunk(held)
    found = bytearray(4 * chunk)
    for number, last in enumerate(vector[3 : 4 * held : 4]):
        if 0 < last < 128:
            part, place = divmod(number, chunk)
            bit = _SIGN - part if part <= _SIGN else part
            found[4 * place + bit // 8] |= 128 >> bit % 8
    return bytes(found)


_UNCHANGED = "'1000-01-01 00:00:00'"

_EACH = 'ON "{table}" FOR EACH ROW SET NEW."{name}_signs"'

_SAME = 'OLD."{name}_signs" IS NOT NULL AND NEW."{column}" <=> OLD."{column}"'

_OURS = "INVISIBLE COMMENT '{comment}'"

_MAY_SEE = " UNION ALL ".join(
    f"SELECT 1 FROM information_schema.{level}_privileges WHERE privilege_type = 'TRIGGER'"
    f" AND grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), ''''){of}"
    for level, of in (
        ("user", ""),
        ("schema", " AND DATABASE() LIKE table_schema"),
        ("table", " AND table_schema = DATABASE()"),
    )
)
"""An account sees the triggers of tables for which it has the privilege TRIGGER."""

SIGN_COLUMN = SignColumn(
    value=value,
    packed=packed,
    numbers_per_byte=8,
    whole_bytes=4,
    longest_name=57,
    columns=("{name}_signs", "{name}_kept", "{name}_mark"),
    # Invisible, so that INSERT without column names and SELECT * do not know it.
    add=f'ALTER TABLE "{{table}}" ADD COLUMN "{{name}}_signs" VARBINARY({{bytes}}) {_OURS}',
    triggers=(
        f'CREATE TRIGGER "{{name}}_insert" BEFORE INSERT {_EACH} = {{value_of_new}}',
        f'CREATE TRIGGER "{{name}}_update" BEFORE UPDATE {_EACH} = IF({_SAME}, OLD."{{name}}_signs", {{value_of_new}})',
    ),
    fill='UPDATE "{table}" SET "{name}_signs" = NULL',
    # Command denied, missing privilege, and binary logging without log_bin_trust_function_creators.
    refused=frozenset({1142, 1227, 1419}),
    add_marked=(
        f'ALTER TABLE "{{table}}" ADD COLUMN "{{name}}_kept" VARBINARY({{bytes}}) {_OURS},'
        f' ADD COLUMN "{{name}}_mark" DATETIME NOT NULL DEFAULT {_UNCHANGED} ON UPDATE CURRENT_TIMESTAMP {_OURS},'
        ' ADD COLUMN "{name}_signs" VARBINARY({bytes}) GENERATED ALWAYS AS'
        f' (IF("{{name}}_mark" = TIMESTAMP{_UNCHANGED}, "{{name}}_kept", NULL)) VIRTUAL {_OURS}'
    ),
    fill_marked=f'UPDATE "{{table}}" SET "{{name}}_kept" = {{value}}, "{{name}}_mark" = {_UNCHANGED}',
    # An index that holds only signs and keys is read in a quarter of the table's time.
    index='CREATE INDEX "{name}" ON "{table}" ("{name}_signs")',
    trigger_names=("{name}_insert", "{name}_update"),
    drop_triggers=('DROP TRIGGER IF EXISTS "{name}_insert"', 'DROP TRIGGER IF EXISTS "{name}_update"'),
    drop_column='ALTER TABLE "{table}" DROP COLUMN "{part}"',
    standing=(
        "SELECT column_name AS name, column_comment AS said FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s AND column_name IN (%s, %s, %s)"
    ),
    found=(
        "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE()"
        " AND table_name = %s AND column_comment LIKE 'dorm_vector %%'"
    ),
    lost_triggers=(
        "SELECT 1 AS lost FROM (SELECT COUNT(*) AS n FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
        " AND event_object_table = %s AND trigger_name IN (%s, %s)) t"
        f" WHERE t.n = 1 OR t.n = 0 AND EXISTS ({_MAY_SEE})"
    ),
    drift=(
        'SELECT COUNT(*) AS "rows", COALESCE(SUM(NOT ("{name}_signs" <=> {value})), 0) AS "missing", 0 AS "extra"'
        ' FROM "{table}"'
    ),
    # Rows without a vector have empty signs.
    shortlist=(
        "SELECT {key} AS k {source} AND ({signs} IS NULL OR {signs} <> X'')"
        " ORDER BY {signs} IS NOT NULL, {measure} LIMIT {count}"
    ),
    unsigned="{signs} IS NULL",
    measures={
        Metric.HAMMING: "BIT_COUNT({left} ^ {right})",
        Metric.JACCARD: "-BIT_COUNT({left} & {right}) / GREATEST(BIT_COUNT({left} | {right}), 1)",
    },
)
