"""What a command prints: tables and lines for people, or one JSON object; never a secret of DATABASES."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .redaction import without_secrets


class Output:
    """Prints the result of one command, its warnings and its failure."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._warnings: list[str] = []

    def show(self, data: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print the result: ``data`` as JSON, or the lines."""
        if self.as_json:
            warned = {"warnings": self._warnings} if self._warnings else {}
            sys.stdout.write(json.dumps({**data, **warned}, indent=2, default=str, ensure_ascii=False) + "\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()

    def fail(self, error: BaseException) -> None:
        """Print why the command failed: to stderr, and as JSON to stdout."""
        message = without_secrets(str(error) or type(error).__name__)
        if os.environ.get("DORM_VECTOR_TRACEBACK") == "1":
            sys.stderr.write(without_secrets("".join(traceback.format_exception(error))))
        if self.as_json:
            self.show({"error": {"type": type(error).__name__, "message": message}}, [])
        else:
            sys.stderr.write(f"dorm-vector: {message}\n")

    def show_warning(self, message: Any, category: type[Warning], *_rest: Any) -> None:
        """Print a warning as one line, or keep it for the JSON object; it replaces ``warnings.showwarning``."""
        text = f"{category.__name__}: {without_secrets(str(message))}"
        if self.as_json:
            self._warnings.append(text)
        else:
            sys.stderr.write(f"dorm-vector: {text}\n")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as their longest cell; numbers are right-aligned."""
    raw = [list(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in raw]
    if not cells:
        return
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    numeric = [
        all(isinstance(row[place], (int, float)) or row[place] is None for row in raw) for place in range(len(head))
    ]
    for row in (list(head), ["-" * width for width in widths], *cells):
        parts = (
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(row, widths, numeric, strict=True)
        )
        yield "  ".join(parts).rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return one_line(str(value))


def one_line(text: str, width: int = 60) -> str:
    """Return the text on one line, cut to a width."""
    joined = " ".join(text.split())
    return joined if len(joined) <= width else joined[: width - 1] + "…"


def size_of(count: int | None) -> str | None:
    """Return a number of bytes for people."""
    if count is None:
        return None
    size, units = float(count), ["B", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"
