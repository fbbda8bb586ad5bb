"""MySQL's vector arithmetic in SQL: each float is read exactly from its four bytes.

A derived table casts each row's vector to bytes once; its LIMIT prevents MySQL from merging it into the outer query.
A cast inside every SUBSTR would cost thirty times as much.
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.routines import Routine
from . import _float32
from .base import RoutineKey
from .shared.index_bytes import NO_PROCESS, innodb_text_index_bytes
from .shared.unsupported import Unsupported
from .shared.upkeep import Upkeep

_SEE = "https://dev.mysql.com/doc/refman/9.7/en/vector-functions.html"

_LEFT, _RIGHT = "CAST({left} AS BINARY)", "CAST({right} AS BINARY)"

# n.last is the last byte of a float; x and y are the floats of the two sides. A constant vector is read only once.
_ENDS = f"(SELECT 4 * n.i AS last FROM {_float32.POSITIONS} LIMIT {{dimensions}}) n"

_X, _Y = _float32.number("s.h", "n.last"), _float32.number("s.g", "n.last")

_ONE = f"(SELECT {_LEFT} AS h LIMIT 1) s, {_ENDS}"

_PAIRS = f"(SELECT {_LEFT} AS h, {_RIGHT} AS g LIMIT 1) s, {_ENDS}"

_X_WITH_A_CONSTANT = _float32.number("s.h", "q.last")

_WITH_A_CONSTANT = (
    f"(SELECT {_LEFT} AS h LIMIT 1) s, (SELECT n.last, {_float32.number('p.h', 'n.last')} AS y"
    f" FROM (SELECT {_RIGHT} AS h LIMIT 1) p, {_ENDS} LIMIT {{dimensions}}) q"
)


def of_pairs(value: str) -> tuple[str, str]:
    """Return the SQL of an aggregate over ``{x}`` and ``{y}``: for two columns, and for a column and one vector."""
    columns, constant = value.replace("{x}", _X).replace("{y}", _Y), value.replace("{x}", _X_WITH_A_CONSTANT)
    return f"(SELECT {columns} FROM {_PAIRS})", f"(SELECT {constant.replace('{y}', 'q.y')} FROM {_WITH_A_CONSTANT})"


def of_read_pairs(value: str) -> tuple[str, str]:
    """Return the same as ``of_pairs``, but over ``d.x`` and ``d.y``, for an aggregate that uses them more than once."""
    columns = f"SELECT {_X} AS x, {_Y} AS y FROM {_PAIRS}"
    constant = f"SELECT {_X_WITH_A_CONSTANT} AS x, q.y FROM {_WITH_A_CONSTANT}"
    return (
        f"(SELECT {value} FROM ({columns} LIMIT {{dimensions}}) d)",
        f"(SELECT {value} FROM ({constant} LIMIT {{dimensions}}) d)",
    )


OTHER_LENGTH = "a stored vector of dimensions:"


def of_one_length(side: str, value: str) -> str:
    """Return SQL for a value that fails if the stored vector has another length; missing numbers would count as 0."""
    said = f"CONCAT('{OTHER_LENGTH} ', LENGTH({{{side}}}) DIV 4)"
    return f"IF(LENGTH({{{side}}}) = 4 * {{dimensions}}, {value}, VECTOR_DIM(STRING_TO_VECTOR({said})))"


def _each(value: str, source: str) -> str:
    """Return the SQL of a vector of the values ``d.v``, or NULL if there are none."""
    # STRING_TO_VECTOR() rejects numbers too small for a normal float32.
    full = "IF(ABS(d.v) < 1.1755E-38, 0E0, d.v)"
    rows = f"SELECT {value} AS v FROM {source} ORDER BY n.last LIMIT {{dimensions}}"
    return f"STRING_TO_VECTOR((SELECT CAST(JSON_ARRAYAGG({full}) AS CHAR) FROM ({rows}) d WHERE d.v IS NOT NULL))"


def _joined(byte: str, source: str) -> str:
    """Return the SQL that joins any number of bytes ``n.i``; GROUP_CONCAT() would truncate at 1,024 bytes."""
    rows = f"SELECT LPAD(HEX({byte}), 2, '0') AS b FROM {source} ORDER BY n.i LIMIT {{bytes}}"
    return f"(SELECT UNHEX(REGEXP_REPLACE(CAST(JSON_ARRAYAGG(d.b) AS CHAR), '[^0-9A-F]', '')) FROM ({rows}) d)"


_AGGREGATE = Unsupported(
    "it has no aggregate over vectors.",
    "Read the vectors and compute it in Python.",
    "SELECT AVG(embedding) FROM tests_document",
    _SEE,
)

UNIQUE = Unsupported(
    "a VECTOR takes no key, so that it cannot be unique.",
    "Make a column of its hash unique, and fill that in Python.",
    "CREATE TABLE unique_probe (a VECTOR(1) UNIQUE)",
    "https://dev.mysql.com/doc/refman/9.7/en/vector.html",
)

GENERATED = Unsupported(
    "a generated column takes no function of a VECTOR.",
    "Compute the vector in Python, and save it.",
    "CREATE TABLE generated_probe (a VECTOR(1), b BINARY(4) GENERATED ALWAYS AS (CAST(a AS BINARY)) STORED)",
    "https://dev.mysql.com/doc/refman/9.7/en/vector.html",
)

ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "LENGTH({left}) DIV 4",
    # Bits are stored in whole bytes.
    (Routine.DIMENSIONS, Element.BIT): "{dimensions} + 0 * LENGTH({left})",
    Routine.NORM: f"(SELECT SQRT(SUM(POW({_X}, 2))) FROM {_ONE})",
    Routine.NORMALIZE: _each(
        "r.x / IF(SUM(r.x * r.x) OVER () > 0, SQRT(SUM(r.x * r.x) OVER ()), 1)",
        f"(SELECT n.last, {_X} AS x FROM {_ONE} LIMIT {{dimensions}}) r",
    ).replace("n.last LIMIT", "r.last LIMIT"),
    Routine.SUBVECTOR: f"SUBSTR({_LEFT}, 4 * {{offset}} + 1, 4 * {{count}})",
    Routine.CONCATENATE: f"CONCAT({_LEFT}, {_RIGHT})",
    Routine.ADD: _each(f"{_X} + {_Y}", _PAIRS),
    Routine.SUBTRACT: _each(f"{_X} - {_Y}", _PAIRS),
    Routine.MULTIPLY: _each(f"{_X} * {_Y}", _PAIRS),
    Routine.BINARY_QUANTIZE: _joined(
        _float32.signs("s.h"), f"(SELECT {_LEFT} AS h LIMIT 1) s, {_float32.BYTES} WHERE s.h IS NOT NULL"
    ),
    Routine.TO_VECTOR: "{left}",
    Routine.TO_HALFVEC: Unsupported(
        "it has no function that rounds to half.",
        "Write the values to a HalfVectorField, which rounds them.",
        "SELECT VECTOR_TO_HALF(embedding) FROM tests_document",
        _SEE,
    ),
    Routine.TO_SPARSEVEC: "{left}",
    Routine.AVERAGE: _AGGREGATE,
    Routine.SUM: _AGGREGATE,
}

UPKEEP = Upkeep(
    quote="`",
    version="SELECT VERSION() AS version",
    # Of sign bits.
    index_bytes="SELECT stat_value * @@innodb_page_size AS bytes FROM mysql.innodb_index_stats"
    " WHERE database_name = DATABASE() AND table_name = '{table}' AND index_name = '{name}' AND stat_name = 'size'",
    text_index_bytes=innodb_text_index_bytes("innodb_"),
    no_index_bytes=f"{NO_PROCESS} Other sizes are in mysql.innodb_index_stats, after ANALYZE TABLE.",
    text_index="SELECT 1 AS valid FROM information_schema.statistics WHERE table_schema = DATABASE()"
    " AND table_name = '{table}' AND index_name = '{name}' AND index_type = 'FULLTEXT' LIMIT 1",
    statement_limit="SELECT @@max_execution_time / 1000 AS seconds",
    optimize=('ANALYZE TABLE "{table}"',),
)
