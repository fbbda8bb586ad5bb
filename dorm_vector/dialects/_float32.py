"""Exact float32 arithmetic in SQL for servers that lack the functions: each float is read from its four bytes.

Source: IEEE 754, binary32.
"""

from __future__ import annotations


def number(data: str, end: str) -> str:
    """Return SQL that exactly reads a float from little-endian ``data``; ``end`` is its last byte, counted from 1."""
    low, middle, high, top = (f"ASCII(SUBSTR({data}, {end}{back}, 1))" for back in (" - 3", " - 2", " - 1", ""))
    # Bit operators are unsigned here and drivers format %, hence arithmetic and MOD(). Denormals have no exponent.
    mantissa = f"{low} + 256 * {middle} + 65536"
    return (
        f"IF({top} < 128, 1, -1) * IF(MOD({top}, 128) = 0 AND {high} < 128,"
        f" ({mantissa} * {high}) * POW(2, -149),"
        f" ({mantissa} * (MOD({high}, 128) + 128)) * POW(2, 2 * MOD({top}, 128) + ({high} DIV 128) - 150))"
    )


# One row per dimension, with n.i counting from 1.
POSITIONS = "JSON_TABLE(CONCAT('[0', REPEAT(',0', {dimensions} - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n"

# The same for the bytes of bit strings, and their distances; JACCARD is 1 if neither side has a set bit.
BYTES = POSITIONS.replace("{dimensions}", "{bytes}")

_LEFT, _RIGHT = "ASCII(SUBSTR({left}, n.i, 1))", "ASCII(SUBSTR({right}, n.i, 1))"

HAMMING = f"(SELECT CAST(SUM(BIT_COUNT({_LEFT} ^ {_RIGHT})) AS DOUBLE) FROM {BYTES})"

JACCARD = (
    f"(SELECT IF(SUM({_LEFT} | {_RIGHT}) = 0, 1,"
    f" 1 - SUM(BIT_COUNT({_LEFT} & {_RIGHT})) / SUM(BIT_COUNT({_LEFT} | {_RIGHT}))) + 0E0 FROM {BYTES})"
)


def signs(data: str) -> str:
    """Return the SQL of byte ``n.i`` of the signs of ``data``: one bit per float, 1 if the float is above 0."""
    # A part past the end is empty, and so not greater than zeros.
    return " + ".join(
        f"{128 >> bit} * (ASCII(SUBSTR({data}, 32 * n.i - {28 - 4 * bit}, 1)) < 128"
        f" AND SUBSTR({data}, 32 * n.i - {31 - 4 * bit}, 4) > X'00000000')"
        for bit in range(8)
    )
