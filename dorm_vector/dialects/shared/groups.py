"""Facts of a dialect, grouped by subject."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .facts import NOTHING, Facts
from .index_extensions import IndexExtension
from .search_options import SearchOption
from .unsupported import Unsupported


class Ordering(Facts):
    """How to sort rows by a distance and by other keys."""

    ascending: str = "{rank} ASC NULLS LAST"
    nearest_first: str = ""
    """Replaces ``ascending`` for a distance; empty if there is no difference."""
    by_outer: bool = True
    """Whether ORDER BY in a subquery may name columns of the outer query."""
    correlated_slice: Unsupported | None = None
    """Why a slice of several rows inside IN may not name columns of the outer query; None if it may."""
    correlated_groups: Unsupported | None = None
    """Why a search for one row of each group may not name columns of the outer query; None if it may."""
    descending: str = "{value} DESC NULLS LAST"
    exact_rank: str = "{rank}"
    """Sorts like ``{rank}``, in a form that no index can serve."""
    late_materialization: bool = True
    """Whether an outer SELECT computes the distances of the returned rows only."""
    second_key: bool = True
    """Whether an index still serves a search with a second sort key."""


class Loading(Facts):
    """How to write and read many rows at once."""

    method: str = "executemany"
    """How ``bulk_load`` writes: binary ``copy``, ``executemany``, or ``values`` (many rows in one INSERT)."""
    rows: int = 2_000
    """The maximum number of rows in one batch."""
    bytes: int = 0
    """The maximum bytes of its values; 0 if they are not part of the statement."""
    plain_rows: bool = False
    """Whether ``to_matrix`` fetches plain tuples; they are faster to build than djanorm rows."""
    reads_ahead: bool = True
    """Whether another thread may read a copy's next page on a connection of its own."""
    binary_rows: bool = False
    """Whether ``to_matrix`` fetches rows in the server's binary format."""
    keep_existing: str = "ON CONFLICT DO NOTHING"
    """The clause of an INSERT that keeps an existing row, with the primary ``{key}`` and its ``{first}`` column."""
    overwrite_existing: str = "ON CONFLICT ({key}) DO UPDATE SET {assignments}"
    """The clause that overwrites an existing row."""
    intervals: bool = False
    """Whether durations have a type of their own; otherwise they are stored as microseconds."""
    ddl_commits: bool = False
    """Whether creating or dropping an index ends the transaction."""
    inserted_row: str = ""
    """Names the new row of an INSERT, for the clause that follows it."""
    inserted_value: str = "EXCLUDED.{column}"
    """A value of the new row, in the conflict clause of an INSERT."""
    claim: str = "FOR UPDATE"
    """Locks the rows of a SELECT until the transaction ends, if possible without blocking rows that refer to them; SKIP
    LOCKED may follow it."""
    reads_with_claims: bool = True
    """Whether a transaction that reads other rows may lock rows that have changed since its first read."""
    by_key: str = '"{table}"'
    """The table of a statement that reads or writes rows by their keys, where a scan would lock all others, too."""
    array_parameters: bool = False
    """Whether an UPDATE can take its values from arrays, one for each column."""
    no_claim: Unsupported | None = None
    """Why workers cannot lock rows; None if they can."""
    claims_one_row: bool = False
    """Whether a statement can lock only one row, which it finds by the column that distributes the table."""
    count_written: str = ""
    """The end of an INSERT from another table that makes the server count the rows it writes, not those it reads."""
    copy_hides_errors: bool = False
    """Whether COPY loses the class of an error, which an INSERT of the same row has."""
    generated_key: str = "DEFAULT"
    """The value of a generated key, in an INSERT of rows that have no other column."""


class SearchTuning(Facts):
    """The options of index searches, and how to set them for one search."""

    options: Mapping[str, SearchOption] = NOTHING
    width: str = ""
    """The search option that limits how many rows an index can find."""
    width_by_kind: Mapping[str, tuple[str, int]] = NOTHING
    """For an index kind that ``width`` does not concern: its option, and the value per row that a search requests."""
    filtered: Mapping[str, int | str] = NOTHING
    """Search options that let a filtered search continue until it has enough rows."""
    filtered_settings: Mapping[str, str] = NOTHING
    """Other server variables that a filtered search needs, and their values."""
    assignment: str = ""
    """One assignment, with ``{variable}`` and ``{value}``."""
    value: str = "{value}"
    """The form of a value in an assignment."""
    at_least: str = "{value}"
    """The form of a value if the assignment may only raise ``{variable}``."""
    for_transaction: str = ""
    """Sets ``{assignments}`` before a statement, until the transaction ends."""
    in_one_trip: bool = True
    """Whether it may be sent along with the statement, without a transaction around them."""
    reading: str = "SELECT {values}"
    """Reads ``{values}`` of the session."""
    for_statement: str = ""
    """Wraps the statement that the options apply to, with ``{assignments}`` and ``{statement}``."""
    by_kind: Mapping[str, str] = NOTHING
    """The search option of each index kind that trades speed for recall."""
    setting: str = ""
    """Shows the value of ``{variable}`` in this session."""
    now: str = ""
    """Reads the value of ``{variable}`` inside a transaction; NULL if it is the default."""
    back: str = ""
    """Restores ``{variable}`` to the bound value; NULL is the default. Empty to assign it as a literal."""


class Ddl(Facts):
    """How to declare, change and drop columns and indexes."""

    text_key: str = "VARCHAR({length})"
    """A text column in which no two different texts compare equal."""
    long_text: str = "TEXT"
    """A text column for texts of any length."""
    narrower: Mapping[str, tuple[str, ...]] = NOTHING
    """Types, as ``declarations`` spells them, that earlier tables may have in place of a wider one."""
    unique: Unsupported | None = None
    """Why a float32 vector column cannot be unique."""
    generated: str | Unsupported = "{type} GENERATED ALWAYS AS ({expression}) {kind}"
    """A generated column."""
    generated_subquery: Unsupported | None = None
    """Why a generated column cannot contain a subquery."""
    generated_call: Unsupported | None = None
    """Why a generated column cannot call a user-defined function."""
    literal: str = "X'{hex}'"
    """A vector in DDL, which takes no parameters, with ``{hex}`` and ``{text}``."""
    declarations: str = ""
    """Returns the declarations of the bound table's columns as ``declaration``; empty if they contain no length."""
    concurrently: str = ""  # follows INDEX in a build that does not block writers
    drop_index: str = 'DROP INDEX IF EXISTS "{name}"'
    """Drops an index, with ``{name}`` and ``{table}``."""
    rename_index: str = ""
    """Renames an index, with ``{table}``, ``{old}`` and ``{new}``; empty to drop and create it."""
    reindex: str = ""
    """Rebuilds the index ``{name}``, ``{concurrently}`` if given; empty to drop and create it."""
    dropped_first: str = ""
    """Returns, as ``name``, the indexes that must be dropped before the bound table; empty if there are none."""
    alter_column: str = ""
    """Changes a column, with ``{table}`` and its new ``{definition}``; empty if djanorm can do so."""
    converts_values: bool = False
    """Whether to convert stored vectors when their column changes its type, because they keep their bytes."""


class Planning(Facts):
    """How to read a query plan, and the indexes that are built."""

    index_in_plan: str = "{name}"
    """The text in the database's plan if the index ``{name}`` is used."""
    index_of_shard: str = ""
    """A regular expression of the part of a plan in which one shard uses the index ``{name}``, which may be cut after
    its ``{start}``; empty if tables have no shards."""
    shard_count: str = ""
    """A regular expression of how many shards a plan reads."""
    every_shard: str = ""
    """Sets whether plans show every shard to ``{value}``, until the transaction ends; empty if they always do."""
    explains_parameters: bool = True
    """Whether EXPLAIN takes bound parameters; otherwise they are written as literals."""
    shows_every_shard: str = ""
    """Returns that setting as ``value``."""
    explain: str = ""
    """The EXPLAIN prefix, with ``{format}``; empty to use djanorm's."""
    explain_analyze: str = ""
    """The EXPLAIN prefix that also runs the statement."""
    explain_format: str = ""
    """The default format."""
    analyze: str = ""
    """Updates the planner's statistics of ``{table}``."""
    switch: str = ""
    """A planner variable; if it is off, an index that can serve a query does."""
    join_with_subquery: str = ""
    """How to join ``{left}`` and ``{right}`` in a statement with a subquery; empty if an equality is right there."""
    built_indexes: str = ""
    """Returns the name, validity and operator class, if any, of the indexes of a bound table and column."""

    def shards_by_index(self, plan: str, name: str) -> int:
        """Return how many shards of a table use the index in a plan that shows each of them."""
        if not self.index_of_shard:
            return 0
        # The name of a shard's index certainly keeps 30 characters.
        shard = self.index_of_shard.format(name=re.escape(name), start=re.escape(name[:30]))
        return len(re.findall(shard, plan))

    def shards_in(self, plan: str) -> int:
        """Return how many shards a plan reads; 0 for a table without shards."""
        found = re.search(self.shard_count, plan) if self.shard_count else None
        return int(found.group(1)) if found else 0


class Extension(Facts):
    """The extension that enables vectors, and its version."""

    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    version_query: str = ""
    """Returns the version to compare with ``minimum``, or no row if the extension is missing."""
    server_query: str = ""
    """Returns the version of the server, if ``version_query`` returns that of an extension."""
    sound: str = ""
    """The first version without a known bug that damages data; empty if there is none."""
    unsound: str = ""
    """What the bug does, and how to repair what it damaged."""
    install_hint: str = ""


class StatementLimit(Facts):
    """How the database ends a statement that exceeds its timeout."""

    session: str = ""
    """Limits the statements of a session to ``{seconds}`` or ``{milliseconds}``; 0 is no limit."""
    told: frozenset[int | str] = frozenset()
    """The driver's error codes for a statement that was ended: numbers, SQLSTATE or messages."""
    reads_only: bool = False
    """Whether the server limits only reads, so that the client must end writes."""
    none_in_process: str = ""
    """Why an in-process database cannot end a statement; empty if it can."""


class IndexUse(Facts):
    """How to write a search so that an index serves it."""

    sort_found: str = ""
    """Sorts the rows that an index found, with ``{select}``, ``{value}`` and ``{limits}``; empty if not needed."""
    candidates: int = 0
    """The minimum number of rows to request from an index, before they are sorted."""
    probe: str = ""
    """Tests whether ``{row}`` is among the ``{count}`` that ``{index}`` finds for ``{vector}``; empty if not needed."""
    probe_width: int = 0
    """The maximum number of rows that such a probe finds."""
    lost: str = ""
    """Counts, as ``seen`` and ``lost``, a sample of ``{sample}`` rows of ``{table}`` that meet ``{condition}``, and
    those that ``{index}`` does not find by their own ``{column}``; empty if the index loses none."""
    standing: str = ""
    """Selects a row if an index of the bound name exists; required if ``lost`` is set."""


class Partitions(Facts):
    """The SQL of partitions; ``{table}`` is the partitioned table, and ``{partition}`` one of its parts."""

    extension: IndexExtension
    """The extension that reads tables of other servers."""
    methods: tuple[str, ...]
    has_rows: str
    """Returns whether ``{table}`` has rows, as ``found``."""
    convert: tuple[str, ...]
    """Turns the empty ``{table}`` into one that is partitioned by ``{key}``, by way of the name ``{plain}``."""
    key: str
    """Returns the ``key`` that ``{table}`` is partitioned by; NULL if it is not."""
    names: str
    """Returns the ``name`` of each partition of ``{table}``."""
    add: str
    """Adds ``{partition}`` for the rows of the ``{bound}``."""
    drop: str
    unique: str
    """Makes ``{columns}`` of ``{partition}`` unique; ``{kind}`` is PRIMARY KEY or UNIQUE."""
    counted: str
    """Returns the ``name`` of each column of ``{table}`` that gets its values from a sequence."""
    forget_count: str
    """Takes the sequence from ``{column}``, so that only another server gives its values."""
    schema: str
    """Returns the ``name`` of the schema of new tables."""
    create_server: str
    """Adds ``{server}``, with ``{options}``."""
    drop_server: str
    create_mapping: str
    """Lets ``{role}`` use ``{server}``, with ``{options}``."""
    drop_mapping: str
    add_foreign: str
    """Adds ``{partition}``, whose rows are in the table of that name on ``{server}``, in its ``{schema}``."""
    drop_foreign: str
    parts: str
    """Returns the ``name`` of each partition of a bound table, its ``server``, and the ``remote`` table there."""
    part_indexes: str
    """Returns the ``name`` of each vector index of a bound partition, and that of the ``declared`` one."""
    explain: str
    """The prefix that explains a statement with what is sent to other servers."""
    remote_sql: str
    """A regular expression of the statement that is sent to another server."""
    remote_explain: str
    """Explains ``{sql}`` as a server is asked for it."""
    sessions: str
    """Returns each ``table`` with partitions on a ``server``, and the ``session`` table of it."""
    session: str
    """The name of the session table for ``{server}``."""
    create_session: tuple[str, ...]
    """On a server, creates what sets options of a session."""
    drop_session: tuple[str, ...]
    add_session: str
    """Adds the foreign ``{session}`` table of ``{server}``, of its ``{schema}``."""
    grant_session: str
    """Lets ``{role}`` write to the foreign ``{session}`` table."""
    set_there: str
    """Sets the options of ``{rows}`` by way of ``{session}``."""
