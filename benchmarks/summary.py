"""What users decide by, across all databases: a few tables that lead the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.measuring import Result

Rows = dict[tuple[str, ...], dict[str, str]]
"""The cells of a table by the heading of their column, by the first cells of their line."""
OURS, BARE = "dorm_vector", "bare driver"


def of(results: list[Result], titles: dict[str, str]) -> Iterator[str]:
    """Yield the tables for which there are results."""
    for section in (growing, filtering, under_load, embedding, writing, libraries):
        yield from section(results, titles)


def growing(results: list[Result], titles: dict[str, str]) -> Iterator[str]:
    """Say what a search takes as the table grows, and what its index costs."""
    rows: Rows = {}
    grown = [each for each in results if each.case in ("growth", "memory") and each.setting and each.contestant != BARE]
    counts = {each.setting[0] for each in grown}
    for result in grown:
        count, *building = result.setting
        way = "exact" if result.contestant == OURS else result.contestant
        cells = rows.setdefault((titles[result.backend], way), {})
        if building:
            cells["build"] = f"{duration(result.seconds)}, {number(result.figures.get('MB', 0))} MB for {count}"
        else:
            cells[f"{count} rows"] = _cell(result)
    yield from table(
        "Choose an index: search time as the table grows",
        "Vectors of 384 dimensions. The last column is the time to build the index over the most rows, and its size.",
        ("database", "search"),
        rows,
        [*(f"{count} rows" for count in sorted(counts, key=lambda count: int(count.replace(",", "")))), "build"],
    )


def filtering(results: list[Result], titles: dict[str, str]) -> Iterator[str]:
    """Say what a filtered search takes, by how many rows pass."""
    rows: Rows = {}
    for result in _of_case(results, "filtered"):
        data, share = result.setting
        rows.setdefault((titles[result.backend], data, result.contestant), {})[share] = _cell(result)
    yield from table(
        "Filtered search: the share of the rows that pass",
        "`nearest()` estimates how many rows pass, and chooses between the other lines.",
        ("database", "rows", "search"),
        rows,
    )


def under_load(results: list[Result], titles: dict[str, str]) -> Iterator[str]:
    """Say how many searches a second clients get, and what one of them waits."""
    rows: Rows = {}
    for result in _of_case(results, "clients"):
        clients, figures = result.setting[0], result.figures
        heading = f"{clients} client" + "s" * (clients != "1")
        cell = f"{number(figures['searches/s'])}/s, {number(figures['p50 ms'])} and {number(figures['p99 ms'])} ms"
        rows.setdefault((titles[result.backend], result.contestant), {})[heading] = cell
    yield from table(
        "Searches under load",
        "Searches per second, then the time of one search: its median and its 99th percentile.",
        ("database", "library"),
        rows,
    )


def embedding(results: list[Result], titles: dict[str, str]) -> Iterator[str]:
    """Say how busy the pipeline keeps an embedder."""
    rows: Rows = {}
    for result in _of_case(results, "embedding"):
        if "busy %" in result.figures and result.contestant != "the embedder alone":
            cell = f"{result.figures['busy %']:.0f} %, {number(result.figures['texts/s'])} texts/s"
            rows.setdefault((titles[result.backend], result.contestant), {})[f"{result.setting[0]} for 64 texts"] = cell
    yield from table(
        "Embedding pipeline: how busy the embedder is",
        "The rest of the time it waits for the database.",
        ("database", "work"),
        rows,
    )


def writing(results: list[Result], titles: dict[str, str]) -> Iterator[str]:
    """Say what a bulk insert takes, and reading all of it."""
    rows: Rows = {}
    for result in results:
        if result.case in ("load", "read") and result.contestant in ("bulk_load", "to_matrix"):
            cell = f"{duration(result.seconds)}, {result.ratio:.2f} x the bare driver"
            rows.setdefault((titles[result.backend],), {})[result.group] = cell
    yield from table("Bulk insert and bulk read", "From a matrix, and to one.", ("database",), rows)


def libraries(results: list[Result], titles: dict[str, str]) -> Iterator[str]:
    """Say what the same work takes with other libraries."""
    compared = [result for result in results if result.case in ("ann", "exact", "load", "read")]
    for backend, title in titles.items():
        rows: Rows = {}
        for group in _groups(each for each in compared if each.backend == backend):
            for result in group if len(group) > 3 and any("+" in each.contestant for each in group) else ():
                rows.setdefault((result.contestant,), {})[result.group] = _cell(result)
        yield from table(f"Other libraries on {title}", "The same work, in turns.", ("library",), rows)


def table(heading: str, said: str, first: tuple[str, ...], rows: Rows, order: Sequence[str] = ()) -> Iterator[str]:
    """Yield a table of all the columns that its lines have, in the given order, or in that in which they came."""
    found = dict.fromkeys(name for cells in rows.values() for name in cells)
    columns = [column for column in order or found if column in found]
    if not columns:
        return
    yield f"## {heading}\n\n{said}\n"
    yield _piped([*first, *columns])
    yield "|" + "---|" * len(first) + "--:|" * len(columns)
    for names, cells in rows.items():
        yield _piped([*names, *(cells.get(column, "") for column in columns)])
    yield ""


def _piped(cells: Iterable[str]) -> str:
    return "|" + "".join(f" {cell} |" for cell in cells)


def _of_case(results: list[Result], case: str) -> list[Result]:
    return [result for result in results if result.case == case and result.setting]


def _groups(results: Iterable[Result]) -> list[list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.group, []).append(result)
    return list(found.values())


def _cell(result: Result) -> str:
    recall = "" if result.recall is None or result.recall >= 0.995 else f" ({result.recall:.2f})"
    return duration(result.seconds) + recall


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def number(value: float) -> str:
    """Return it with three digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
