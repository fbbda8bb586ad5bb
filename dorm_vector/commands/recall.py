"""``dorm-vector recall``: how much of the exact results an index finds, and the options that reach a target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..engines.limits.exempt import no_statement_timeout
from .exit_codes import DONE, FOUND, UsageError
from .output import Output, table
from .progress import TerminalProgress
from .project import add_database_argument, label_of
from .rows import (
    add_distance_argument,
    add_field_argument,
    add_filter_argument,
    add_model_argument,
    filtered,
    model_and_database,
    positive,
    vector_field_named,
)

HELP = "Measure the recall of a field's index, and recommend search options."

EXIT_1 = "No options reach the target."


def add_arguments(parser: Any) -> None:
    add_model_argument(parser)
    add_filter_argument(parser)
    add_field_argument(parser)
    add_distance_argument(parser)
    parser.add_argument("--k", type=positive, default=10, help="the number of neighbors of each search; 10 by default")
    parser.add_argument("--sample", type=positive, default=50, help="the number of stored rows to search by; 50")
    parser.add_argument("--target", type=share, default=0.95, help="the recall to reach, up to 1; 0.95 by default")
    add_database_argument(parser)


def share(text: str) -> float:
    """Return a number above 0 and up to 1, for argparse."""
    number = float(text)
    if not 0 < number <= 1:
        raise ValueError(text)
    return number


def run(options: Any, output: Output) -> int:
    """Measure with the defaults and with growing options; the exit code is 1 if none reaches the target."""
    from ..retrieval.recall import measure_recall, recommend_search_options

    model, database = model_and_database(options)
    field = vector_field_named(model, options.field)
    rows = filtered(database.searched(model), options.filters)
    chosen = {"k": options.k, "sample": options.sample, "distance": options.distance}
    try:
        with no_statement_timeout():
            with TerminalProgress("Measuring", "searches") as progress:
                now = measure_recall(rows, field.name, progress=progress, **chosen)
            with TerminalProgress("Comparing options", "searches") as progress:
                advice = recommend_search_options(rows, field.name, options.target, progress=progress, **chosen)
    except ValueError as error:
        raise UsageError(str(error)) from error
    data = {
        "model": label_of(model),
        "field": field.name,
        "target": options.target,
        "now": asdict(now),
        "recommended": {"options": dict(advice.options), "recall": advice.recall, "reached": advice.reached},
        "measured": [asdict(each) for each in advice.measured],
    }
    output.show(data, _lines(now, advice, options.target))
    return DONE if advice.reached else FOUND


def _lines(now: Any, advice: Any, target: float) -> Iterator[str]:
    rows = [("now", now), *((_spelled(each.options) or "none", each) for each in advice.measured)]
    head = ["options", "recall", "worst", "milliseconds", "exactly"]
    yield from table(
        head, [[name, each.recall, each.worst, each.milliseconds, each.exact_milliseconds] for name, each in rows]
    )
    yield ""
    if now.remedy:
        yield now.remedy
    if not advice.reached:
        yield f"No options reach {target}. The best are {_spelled(advice.options) or 'none'}: {advice.recall:.3f}."
    elif advice.options:
        yield f"Recommended for a recall of {target}: search_options({_spelled(advice.options)})"
    else:
        yield f"The recall is {advice.recall:.3f} without any options."


def _spelled(options: Any) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
