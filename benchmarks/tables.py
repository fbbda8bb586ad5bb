"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from benchmarks.measuring import Result

INTRODUCTION = """# Benchmarks

<!-- Written by `python -m benchmarks.run`: change the benchmark, not this page. -->

Medians of one run, in which the contestants took turns.
A ratio is to the first line of its table; one that misses its aim is marked **✗**.
Recall is the share of the exact neighbours found, beside every search.

Run it yourself: `pip install -e ".[dev,benchmarks]"`, then `python -m benchmarks.run`.
"""


def document(results: list[Result], about: dict[str, Any], profiles: str) -> str:
    """Return the whole page."""
    parts = [INTRODUCTION, *_about(about)]
    for backend, of_backend in groupby(results, lambda result: result.backend):
        parts.append(f"## {about['servers'][backend]}\n")
        parts += [table(list(of_group)) for _title, of_group in groupby(of_backend, lambda result: result.group)]
    return "\n".join([*parts, profiles]).rstrip() + "\n"


def table(results: list[Result]) -> str:
    """Return the table of one group."""
    head = f"### {results[0].group[0].upper()}{results[0].group[1:]}\n\n| | median | ratio | aim | recall | |\n"
    return head + "|---|--:|--:|--:|--:|---|\n" + "\n".join(map(_line, results)) + "\n"


def _line(result: Result) -> str:
    aim = f"{result.limit:g}" if result.limit else ""
    missed = " **✗**" if result.limit and result.ratio > result.limit else ""
    recall = "" if result.recall is None else f"{result.recall:.3f}"
    ratio = f"{result.ratio:.2f}{missed}"
    return f"| {result.contestant} | {duration(result.seconds)} | {ratio} | {aim} | {recall} | {result.note} |"


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _about(about: dict[str, Any]) -> Iterator[str]:
    yield "| | |\n|---|---|"
    for name, value in about.items():
        if isinstance(value, str):
            yield f"| {name} | {value} |"
    yield ""
