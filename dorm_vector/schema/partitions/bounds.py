"""Which rows a partition holds."""

from __future__ import annotations

from typing import Any


class Bound:
    """The rows of a partition: those of some values, one part of a hash, a range, or all others.

    Raises:
        ValueError: None of these was given, or more than one.
    """

    def __init__(
        self,
        caller: str,
        values: Any = None,
        modulus: int | None = None,
        remainder: int | None = None,
        start: Any = None,
        end: Any = None,
        default: bool = False,
    ) -> None:
        self.values, self.modulus, self.remainder = values, modulus, remainder
        self.start, self.end, self.default = start, end, default
        pairs = ((modulus, remainder), (start, end))
        whole = [None not in pair for pair in pairs]
        given = [values is not None, *whole, default]
        if sum(given) != 1 or any((left is None) is not (right is None) for left, right in pairs):
            raise ValueError(
                f"{caller}: want the rows that it holds, as one of values=[…], modulus=…, remainder=…,"
                f" start=…, end=…, or default=True; got {self.options() or 'none'}."
            )

    def options(self) -> dict[str, Any]:
        """Return the arguments that were given."""
        return {name: value for name, value in vars(self).items() if value is not None and value is not False}

    def sql(self) -> str:
        if self.default:
            return "DEFAULT"
        if self.values is not None:
            return f"FOR VALUES IN ({', '.join(map(_literal, self.values))})"
        if self.modulus is not None:
            return f"FOR VALUES WITH (MODULUS {self.modulus:d}, REMAINDER {self.remainder:d})"
        return f"FOR VALUES FROM ({_literal(self.start)}) TO ({_literal(self.end)})"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).upper().replace("NONE", "NULL")
    return str(value) if isinstance(value, int) else quoted(value)


def quoted(value: Any) -> str:
    """Return the value as a text in SQL."""
    text = str(value).replace("'", "''")
    # A backslash is only literal in a plain text where standard_conforming_strings is on.
    return f"E'{text}'".replace("\\", "\\\\") if "\\" in text else f"'{text}'"
