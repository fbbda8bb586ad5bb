"""Facts of a dialect, grouped by what they are about."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import NOTHING, Facts
from .search_options import SearchOption
from .unsupported import Unsupported


class Ordering(Facts):
    """How rows are sorted by a distance and by other keys."""

    ascending: str = "{rank} ASC NULLS LAST"
    nearest_first: str = ""
    """The same for a distance; empty where it is no different."""
    by_outer: bool = True
    """Whether ORDER BY in a subquery may name columns of the query around it."""
    descending: str = "{value} DESC NULLS LAST"
    exact_rank: str = "{rank}"
    """Sorts as ``{rank}`` does, and is what no index can serve."""
    second_key: bool = True
    """Whether an index still serves a search with a second sort key."""


class Loading(Facts):
    """How many rows are written and read at once."""

    method: str = "executemany"
    """How ``bulk_load`` writes: a binary ``copy``, ``executemany``, or ``values``, many rows in one INSERT."""
    rows: int = 2_000
    """The most rows of such an INSERT."""
    bytes: int = 0
    """The most bytes of its values; 0 where they are no part of the statement."""
    plain_rows: bool = False
    """Whether ``to_matrix`` asks the driver for tuples, which it makes quicker than djanorm's rows."""
    binary_rows: bool = False
    """Whether ``to_matrix`` asks the driver for rows in the server's binary form."""
    keep_existing: str = "ON CONFLICT DO NOTHING"
    """What an INSERT does to keep the row that is there, with the primary ``{key}`` and its ``{first}`` column."""
    overwrite_existing: str = "ON CONFLICT ({key}) DO UPDATE SET {assignments}"
    """What it does to overwrite it."""
    ddl_commits: bool = False
    """Whether creating or dropping an index ends the transaction."""
    inserted_row: str = ""
    """Names the new row of an INSERT for what follows it."""
    inserted_value: str = "EXCLUDED.{column}"
    """A value of the new row, in what an INSERT does on a conflict."""


class SearchTuning(Facts):
    """The options of index searches, and how they are set for one search."""

    options: Mapping[str, SearchOption] = NOTHING
    width: str = ""
    """The search option that bounds how many rows an index can find."""
    filtered: Mapping[str, int | str] = NOTHING
    """Search options that let a filtered search go on until it has its rows."""
    filtered_settings: Mapping[str, str] = NOTHING
    """Other variables of the server that a filtered search wants, and their values."""
    assignment: str = ""
    """One assignment, with ``{variable}`` and ``{value}``."""
    value: str = "{value}"
    """How a value stands in an assignment."""
    at_least: str = "{value}"
    """The same where the assignment is only to raise ``{variable}``."""
    for_transaction: str = ""
    """Runs before a statement, with ``{assignments}``; ends with the transaction."""
    for_statement: str = ""
    """Wraps the one statement that the options are for, with ``{assignments}`` and ``{statement}``."""
    by_kind: Mapping[str, str] = NOTHING
    """Index kind to the search option that trades its speed for recall."""
    setting: str = ""
    """Shows what ``{variable}`` is in this session."""
    now: str = ""
    """Reads the value of ``{variable}`` inside a transaction; NULL where it is the default."""
    back: str = ""
    """Gives ``{variable}`` the bound value again; NULL is the default."""


class Ddl(Facts):
    """How columns and indexes are declared, changed and dropped."""

    text_key: str = "VARCHAR({length})"
    """A column of text in which no two texts are equal."""
    unique: Unsupported | None = None
    """Why a float32 vector column cannot be unique."""
    generated: str | Unsupported = "{type} GENERATED ALWAYS AS ({expression}) {kind}"
    """A column that the database computes."""
    generated_subquery: Unsupported | None = None
    """Why such a column takes no subquery."""
    generated_call: Unsupported | None = None
    """Why it calls no function that a user has made."""
    literal: str = "X'{hex}'"
    """A vector inside DDL, where nothing can be bound, with ``{hex}`` and ``{text}``."""
    declarations: str = ""
    """Returns, as ``declaration``, how the columns of the bound table are declared; empty where no length is in it."""
    concurrently: str = ""  # what stands behind INDEX in a build that does not block writers
    drop_index: str = 'DROP INDEX IF EXISTS "{name}"'
    """Drops an index, with ``{name}`` and ``{table}``."""
    alter_column: str = ""
    """Changes a column, with ``{table}`` and its new ``{definition}``; empty where djanorm does."""
    converts_values: bool = False
    """Whether stored vectors keep their bytes when the type of their column changes, so that they are converted."""


class Planning(Facts):
    """How the database shows a plan, and which indexes it has built."""

    index_in_plan: str = "{name}"
    """What the database's plan says where the index ``{name}`` is used."""
    explain: str = ""
    """What shows a plan, with ``{format}``; empty where djanorm knows."""
    explain_analyze: str = ""
    """What runs the statement, too."""
    explain_format: str = ""
    """The format where none is asked for."""
    analyze: str = ""
    """Counts the rows of ``{table}`` for the planner."""
    switch: str = ""
    """A variable of the planner; where it is off, an index that can serve a query does."""
    built_indexes: str = ""
    """Returns name, validity and operator class, if there is such a thing, of a bound table's and column's indexes."""


class Extension(Facts):
    """What enables vectors, and which version of it there is."""

    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    version_query: str = ""
    """Returns the version that ``minimum`` is about, or no row where the extension is missing."""
    install_hint: str = ""


class IndexUse(Facts):
    """How a search has to be written so that an index serves it."""

    sort_found: str = ""
    """Sorts what an index found, with ``{select}``, ``{value}`` and ``{limits}``; empty where nothing needs it."""
    candidates: int = 0
    """How many rows an index search finds at least, for that to sort."""
    probe: str = ""
    """Whether ``{row}`` is among the ``{count}`` that ``{index}`` finds for ``{vector}``, where it has to be asked."""
    probe_width: int = 0
    """The most rows that an index finds then."""
