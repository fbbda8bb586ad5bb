"""What the documentation takes from the code: the support table, the SQL, and the bug reports.

A page holds each such block between ``<!-- name -->`` and ``<!-- /name -->``, and a run with ``--update-golden`` writes
it again. None of it depends on which databases a run has chosen.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from dorm_vector import (
    Bit,
    BitField,
    DiskAnnIndex,
    Element,
    HalfVectorField,
    HnswIndex,
    IvfflatIndex,
    Metric,
    SparseVectorField,
    TextIndex,
    Vec0Index,
    Vector,
    VectorField,
)
from dorm_vector.dialects import DIALECTS, dialect_named
from dorm_vector.dialects.base import Dialect
from dorm_vector.dialects.shared.operands import Operand
from dorm_vector.dialects.shared.search_options import SearchOption
from dorm_vector.dialects.shared.unsupported import Unsupported
from dorm_vector.indexes.contents import PRECISIONS
from dorm_vector.indexes.vector import VectorIndex
from dorm_vector.values.routines import Routine
from tests.commands.reference import command_reference
from tests.repairs.reports import bug_reports

ROOT = Path(__file__).parents[2]
README, TABLE = ROOT / "README.md", ROOT / "docs/support.md"
GOLDEN = ROOT / "tests/golden"
FAULTS = GOLDEN / "faults.json"

BLOCK = re.compile(
    r"^(?P<start><!-- (?P<name>[^/\n]+?) -->\n)(?P<text>.*?)(?P<end>^<!-- /(?P=name) -->)$", re.DOTALL | re.MULTILINE
)
EMBEDDING, QUERY, BITS, SIZE = Operand('"embedding"'), Vector([1, 2, 3]), Bit("101"), 3
FIELDS = {field.element: field for field in (VectorField, HalfVectorField, SparseVectorField, BitField)}
INDEXES = (
    HnswIndex(["embedding"], "document_embedding"),
    IvfflatIndex(["embedding"], "document_embedding"),
    DiskAnnIndex(["embedding"], "document_embedding", labels=["category"]),
    Vec0Index(["embedding"], "document_embedding"),
    Vec0Index(["embedding"], "document_embedding", precision="bit"),
    Vec0Index(["embedding"], "document_embedding", distance="cosine", precision="int8"),
)


def pages(folder: str) -> list[Path]:
    return [page for page in sorted((ROOT / "docs" / folder).glob("*.md")) if BLOCK.search(page.read_text())]


def assert_fresh(page: Path, *, update: bool) -> None:
    """Compare the generated blocks of a page with what the code says now; write them where ``update`` is set."""
    text = page.read_text()
    wanted = BLOCK.sub(lambda block: f"{block['start']}{written(block['name'], page)}\n{block['end']}", text)
    if update:
        page.write_text(wanted)
    assert update or text == wanted, "run with --update-golden, and read the difference"


def assert_golden(name: str, lines: Iterable[str], *, update: bool) -> None:
    """Compare a list in tests/golden with what it is now; write it where ``update`` is set."""
    path, text = GOLDEN / name, "".join(f"{line}\n" for line in lines)
    if update:
        path.write_text(text)
    assert path.read_text() == text, f"{name}: run with --update-golden, and read the difference"


def written(name: str, page: Path) -> str:
    kind, _, argument = name.partition(": ")
    return WRITERS[kind](argument, page).strip()


def dialects() -> list[Dialect]:
    return [dialect_named(name) for name in DIALECTS]


# The support table


def support_table(_argument: str, page: Path) -> str:
    known = dialects()
    rows = [
        ["at least", *(dialect.minimum for dialect in known)],
        *([f"{name} column", *(declared(dialect, element) for dialect in known)] for element, name in ELEMENTS.items()),
        *([label_of(metric), *(measured(dialect, metric) for dialect in known)] for metric in metrics()),
        ["exact search", *("yes" for _ in known)],
        *([f"{label} index", *(indexed(dialect, kind) for dialect in known)] for kind, label in KINDS.items()),
        *([f'`precision="{name}"`', *(quantized(dialect, name) for dialect in known)] for name in PRECISIONS),
        ["full-text search", *(dialect.text_search.title for dialect in known)],
        ["BM25", *(ranked_by_bm25(dialect) for dialect in known)],
    ]
    written_out = table(["", *(link(page, dialect) for dialect in known)], rows)
    meaning = (
        "" if page == TABLE else f"\n\n[What the cells mean, and why something is missing]({relative(TABLE, page)})."
    )
    return written_out + meaning


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


ELEMENTS = {Element.FLOAT32: "float32", Element.HALF: "half", Element.SPARSE: "sparse", Element.BIT: "bit"}
KINDS = {"hnsw": "HNSW", "ivfflat": "IVFFlat", "diskann": "DiskANN", "vec0": "vec0"}
# How databases call a distance that they compute themselves; one made of others has only their names in it.
OWN_NAMES = {
    "l2": r"l2|euclidean|<->",
    "cosine": r"cos|<=>",
    "inner_product": r"dot|inner|<#>",
    "l1": r"l1|<\+>",
    "hamming": r"hamming|<~>",
    "jaccard": r"jaccard|<%%?>",
}


def metrics() -> list[Metric]:
    return [metric for metric in Metric if any(metric in dialect.distances for dialect in dialects())]


def label_of(metric: Metric) -> str:
    spelled = metric.value.upper() if len(metric.value) == len("l2") else metric.value.replace("_", " ")
    return f"{spelled} distance"


def link(page: Path, dialect: Dialect) -> str:
    path = ROOT / f"docs/databases/{dialect.name}.md"
    if not path.exists():
        return dialect.title
    return f"[{dialect.title}]({relative(path, page)})"


def relative(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path, page.parent)).as_posix()


def declared(dialect: Dialect, element: Element) -> str:
    claim = dialect.forms.get(element)
    if isinstance(claim, Unsupported):
        return "no"
    form = dialect.form(element)
    limit = min(form.max_dimensions, FIELDS[element].max_dimensions)
    return f"`{form.column.format(dimensions='n', bytes='n/8')}`, n ≤ {limit:,}"


def measured(dialect: Dialect, metric: Metric) -> str:
    spelled = dialect.distances[metric]
    if isinstance(spelled, Unsupported):
        return "no"
    return "native" if re.search(OWN_NAMES[metric.value], spelled.value, re.IGNORECASE) else "composed"


def indexed(dialect: Dialect, kind: str) -> str:
    own = dialect.index_rules.graph if kind == "diskann" else ""
    return "no" if isinstance(dialect.indexes[kind], Unsupported) else own or "yes"


def quantized(dialect: Dialect, precision: str) -> str:
    """Return the classes of the indexes of that precision that the database builds."""
    kinds = [kind for kind in (HnswIndex, Vec0Index) if precision in kind.precisions]
    indexes = [kind(["embedding"], "probe", distance="cosine", precision=precision) for kind in kinds]
    return " or ".join(f"`{type(index).__name__}`" for index in indexes if index.is_built_by(dialect)) or "no"


def without_int8(dialect: Dialect) -> Unsupported | None:
    """Return why the database has no index of 8-bit integers; None if it has one."""
    if quantized(dialect, "int8") != "no":
        return None
    claims = (dialect.indexes["hnsw"], dialect.index_rules.int8)
    return next(claim for claim in claims if isinstance(claim, Unsupported))


def ranked_by_bm25(dialect: Dialect) -> str:
    return "no" if isinstance(dialect.bm25, Unsupported) else dialect.text_search_by("bm25").title


def missing(_argument: str, _page: Path) -> str:
    """Name everything that a database lacks: one paragraph each, with its reason."""
    lines = []
    for dialect in dialects():
        for claim, names in lacking(dialect).items():
            lines.append(f"- **{dialect.title}**, {enumerated(names)}: {claim.reason} {claim.instead} {see(claim)}")
    return "\n".join(lines)


def enumerated(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def lacking(dialect: Dialect) -> dict[Unsupported, list[str]]:
    found: dict[Unsupported, list[str]] = {}
    named: Iterable[tuple[str, Any]] = chain(
        ((f"{name} column", dialect.forms.get(element)) for element, name in ELEMENTS.items()),
        ((label_of(metric), dialect.distances[metric]) for metric in metrics()),
        ((f"{label} index", dialect.indexes[kind]) for kind, label in KINDS.items()),
        [('an index with `precision="int8"`', without_int8(dialect))],
        ((f"the function {routine.value}", dialect.routines.get(routine)) for routine in Routine),
        (("a unique column", dialect.ddl.unique), ("a computed column", dialect.ddl.generated)),
        (("a column of several lengths", dialect.any_length), ("BM25", dialect.bm25)),
    )
    for name, claim in named:
        if isinstance(claim, Unsupported):
            found.setdefault(claim, []).append(name)
    return found


def see(claim: Unsupported) -> str:
    return f"[Source]({claim.see})." if claim.see.startswith("http") else f"See {claim.see}."


# SQL of the dialects


def fenced(parts: Iterable[tuple[str, str]]) -> str:
    """Put each database's SQL under its name; databases that say the same share it."""
    titles: dict[str, list[str]] = {}
    for title, sql in parts:
        titles.setdefault(sql, []).append(title)
    return "```sql\n" + "\n\n".join(f"-- {', '.join(names)}\n{sql}" for sql, names in titles.items()) + "\n```"


def distance_sql(argument: str, _page: Path) -> str:
    return fenced(chain.from_iterable(distances_of(dialect, Metric(argument)) for dialect in dialects()))


def distances_of(dialect: Dialect, metric: Metric) -> Iterator[tuple[str, str]]:
    claim = dialect.distances[metric]
    if isinstance(claim, Unsupported):
        yield dialect.title, f"-- UnsupportedByDatabase: {claim.reason}"
        return
    vector = dialect.bound(BITS if Element.BIT in metric.elements else QUERY)
    shown, _ = dialect.distance(metric, EMBEDDING, vector, SIZE)
    ranked, _ = dialect.rank(metric, EMBEDDING, vector, SIZE)
    yield dialect.title, bare(shown)
    if ranked != shown:
        yield f"{dialect.title}, in ORDER BY", bare(ranked)


def bare(sql: str) -> str:
    """Show the SQL as the server reads it: without parentheses around it, or what psycopg needs doubled."""
    return sql.removeprefix("(").removesuffix(")").replace("%%", "%")


def columns(argument: str, _page: Path) -> str:
    element = Element(argument)
    rows = [
        [dialect.title, f"`{dialect.column_type(element, 384)}`", f"`{dialect.form(element).read.format(column='c')}`"]
        for dialect in dialects()
        if not isinstance(dialect.forms.get(element), Unsupported)
    ]
    return table(["", "column of 384", "read as"], rows)


def index_sql(argument: str, _page: Path) -> str:
    (index,) = (index for index in INDEXES if index.kind == argument)
    return fenced((dialect.title, statements_of(dialect, index)) for dialect in dialects())


def text_index(_argument: str, _page: Path) -> str:
    index = TextIndex(["title", "body"], "report_text")
    return fenced(
        (d.title, joined(index.create(d, "report_text", "report", ["title", "body"], "id"))) for d in dialects()
    )


def statements_of(dialect: Dialect, index: VectorIndex) -> str:
    claim = dialect.indexes[index.kind]
    if isinstance(claim, Unsupported):
        return "-- nothing: the search stays exact"
    field = VectorField(dimensions=384)
    return joined(index.statements(dialect, index.name or "", "document", "embedding", field=field))


def extension(_argument: str, _page: Path) -> str:
    return fenced(
        (d.title, joined([*d.extension.enable, d.extension.version_query]) or "-- nothing") for d in dialects()
    )


def routines(_argument: str, _page: Path) -> str:
    known = dialects()
    rows = [[routine.value, *(spelled(dialect, routine) for dialect in known)] for routine in Routine]
    return table(["", *(dialect.title for dialect in known)], rows)


def spelled(dialect: Dialect, routine: Routine) -> str:
    template = dialect.routines.get(routine)
    if isinstance(template, str) and "(SELECT" in template:
        return "composed"
    # A pipe ends a cell.
    return f"`{template}`".replace("|", "\\|") if isinstance(template, str) else "no"


def options(_argument: str, _page: Path) -> str:
    """List the search options of each database: its own names for each, what it may be, and what it is otherwise."""
    rows = [
        [
            dialect.title,
            f"`{name}`",
            ", ".join(f"`{variable}`" for variable in option.variables),
            allowed(option),
            f"`{option.default}`",
            option.since,
        ]
        for dialect in dialects()
        for name, option in dialect.tuning.options.items()
    ]
    return table(["", "option", "sets", "values", "default", "since"], rows)


def allowed(option: SearchOption) -> str:
    values = option.allowed
    if isinstance(values, range):
        return f"{values[0]:,} to {values[-1]:,}"
    return ", ".join(f"`{value}`" for value in values)


def joined(statements: Sequence[str]) -> str:
    return "\n".join(f"{statement};" for statement in statements if statement)


# SQL that servers accepted


def accepted(argument: str, _page: Path) -> str:
    """Show a case of tests/golden, which a run writes after the server accepted it."""
    return fenced((dialect.title, tidy(golden(dialect.name, argument))) for dialect in dialects() if has(dialect.name))


def has(name: str) -> bool:
    return (GOLDEN / f"{name}.sql").exists()


def golden(name: str, case: str) -> str:
    cases = (GOLDEN / f"{name}.sql").read_text().split("-- ")
    (text,) = (text.partition("\n")[2] for text in cases if text.partition("\n")[0] == case)
    return text.strip().splitlines()[-1]


def tidy(sql: str) -> str:
    """Show one clause a line, and every bound value as ``%s``, the suite's prefix of table names left out."""
    plain = re.sub(r"\$\d+", "%s", sql).replace('"tests_', '"').replace("`tests_", "`")
    return re.sub(r" (?=(?:FROM|WHERE|ORDER BY|LIMIT|SET) )", "\n", plain)


# What the chaos run tried


def faults(_argument: str, _page: Path) -> str:
    """List what the last chaos run with ``--update-golden`` tried on each database."""
    rows = [
        [fault, dialect.title, *(f"{seen[dialect.name][what]:,}" for what in ("times", "acknowledged", "lost"))]
        for fault, seen in json.loads(FAULTS.read_text()).items()
        for dialect in dialects()
        if dialect.name in seen
    ]
    return table(["fault", "database", "times tried", "rows acknowledged", "rows lost"], rows)


WRITERS: dict[str, Callable[[str, Path], str]] = {
    "support": support_table,
    "missing": missing,
    "distance": distance_sql,
    "columns": columns,
    "index": index_sql,
    "text index": text_index,
    "extension": extension,
    "options": options,
    "routines": routines,
    "sql": accepted,
    "upstream": bug_reports,
    "faults": faults,
    "command": command_reference,
}
