"""Exact float32 arithmetic in SQL, for a server that lacks the function: each float is read from its four bytes.

Source: IEEE 754, binary32.
"""

from __future__ import annotations


def number(data: str, end: str) -> str:
    """Return the SQL that reads the float whose last byte is at ``end``, from 1, of little-endian ``data``; exact."""
    low, middle, high, top = (f"ASCII(SUBSTR({data}, {end}{back}, 1))" for back in (" - 3", " - 2", " - 1", ""))
    # Arithmetic, for bit operators are unsigned there; and MOD(), for the drivers format %. Denormals have no exponent.
    mantissa = f"{low} + 256 * {middle} + 65536"
    return (
        f"IF({top} < 128, 1, -1) * IF(MOD({top}, 128) = 0 AND {high} < 128,"
        f" ({mantissa} * {high}) * POW(2, -149),"
        f" ({mantissa} * (MOD({high}, 128) + 128)) * POW(2, 2 * MOD({top}, 128) + ({high} DIV 128) - 150))"
    )


# One row for each dimension, n.i = 1 and up.
POSITIONS = "JSON_TABLE(CONCAT('[0', REPEAT(',0', {dimensions} - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n"

# The same for the bytes of bits, and how far apart two of these are; 1 where neither has a bit that is set.
BYTES = POSITIONS.replace("{dimensions}", "{bytes}")

_LEFT, _RIGHT = "ASCII(SUBSTR({left}, n.i, 1))", "ASCII(SUBSTR({right}, n.i, 1))"

HAMMING = f"(SELECT CAST(SUM(BIT_COUNT({_LEFT} ^ {_RIGHT})) AS DOUBLE) FROM {BYTES})"

JACCARD = (
    f"(SELECT IF(SUM({_LEFT} | {_RIGHT}) = 0, 1,"
    f" 1 - SUM(BIT_COUNT({_LEFT} & {_RIGHT})) / SUM(BIT_COUNT({_LEFT} | {_RIGHT}))) + 0E0 FROM {BYTES})"
)


def signs(data: str) -> str:
    """Return the SQL of the byte ``n.i`` of the signs of ``data``: a bit for each float, 1 where it is above 0."""
    # Past the end a part is empty, which is not greater than zeros.
    return " + ".join(
        f"{128 >> bit} * (ASCII(SUBSTR({data}, 32 * n.i - {28 - 4 * bit}, 1)) < 128"
        f" AND SUBSTR({data}, 32 * n.i - {31 - 4 * bit}, 4) > X'00000000')"
        for bit in range(8)
    )
