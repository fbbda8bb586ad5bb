"""What a database says to search texts, and to keep an index of them; and those that two databases have in common."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import NOTHING, Facts


class TextSearch(Facts):
    """The SQL of a full-text search.

    Templates hold ``{name}`` of the index, ``{table}``, ``{columns}``, ``{new}`` (those of a trigger's row), ``{key}``
    (the primary key), ``{document}`` (what is searched of a row) and ``{language}``; ``condition`` and ``score`` hold
    the ``{query}`` as well.
    """

    title: str
    """What the database calls it."""
    create: tuple[str, ...]
    condition: str
    """Says of a row that it has one of the words."""
    score: str
    """How well the row matches: the higher, the better."""
    drop: tuple[str, ...] = ('DROP INDEX IF EXISTS "{name}"',)
    part: str = "{column}"
    """A column in ``{document}``."""
    joint: str = ", "
    """What stands between two."""
    word: str = "{word}"
    """A word in the text that is bound."""
    either: str = " "
    """What stands between two."""
    query: str = "%s"
    """The words in ``condition`` and in ``score``."""
    words_first: bool = False
    """Whether the words are bound once, before all else, because ``query`` is a number."""
    join: str = ""
    """How a row is joined to the index, where that is a table."""
    needs_index: bool = True
    standing: str = ""
    """Finds the index ``{name}``, where changing a column drops it with its table."""
    outlives_table: bool = False
    """Whether it has to be dropped after its table."""
    in_plan: str = ""
    """What the database's plan says where the index ``{name}`` serves a search."""
    hidden: str = ""
    """Finds, as ``name``, the tables that are indexes."""
    shadows: tuple[str, ...] = ()
    """What the names of their own tables end with."""
    languages: Mapping[str, str] = NOTHING
    """What ``{language}`` is for a language; under "" for those that are not named. Without any it is itself."""

    def document(self, columns: list[str], prefix: str = "") -> str:
        return self.joint.join(self.part.format(column=f'{prefix}"{column}"') for column in columns)

    def language(self, name: str) -> str:
        return self.languages.get(name, self.languages.get("", name))

    def bound(self, words: list[str]) -> str:
        """Return the text to bind; words have no quotation marks in them."""
        return self.either.join(self.word.format(word=word) for word in words)


# https://www.sqlite.org/fts5.html
# A table of its own rather than one with external content: that has to be told the old text of a row that goes, which
# no trigger sees where INSERT OR REPLACE takes it away. Rows keep their rowid when a table is rebuilt or vacuumed.
_FORGET_OLD = 'DELETE FROM "{name}" WHERE rowid = old.rowid;'

_FORGET_NEW = 'DELETE FROM "{name}" WHERE rowid = new.rowid;'

_LEARN = 'INSERT INTO "{name}" (rowid, {columns}) VALUES (new.rowid, {new});'

_WATCHED = '"{key}", {columns} ON "{table}"'

FTS5 = TextSearch(
    title="FTS5",
    create=(
        "CREATE VIRTUAL TABLE \"{name}\" USING fts5({columns}, tokenize = '{language}')",
        'INSERT INTO "{name}" (rowid, {columns}) SELECT rowid, {columns} FROM "{table}"',
        f'CREATE TRIGGER "{{name}}_insert" AFTER INSERT ON "{{table}}" BEGIN {_FORGET_NEW} {_LEARN} END',
        f'CREATE TRIGGER "{{name}}_update" AFTER UPDATE OF {_WATCHED} BEGIN {_FORGET_OLD} {_FORGET_NEW} {_LEARN} END',
        f'CREATE TRIGGER "{{name}}_delete" AFTER DELETE ON "{{table}}" BEGIN {_FORGET_OLD} END',
    ),
    drop=(
        'DROP TRIGGER IF EXISTS "{name}_insert"',
        'DROP TRIGGER IF EXISTS "{name}_update"',
        'DROP TRIGGER IF EXISTS "{name}_delete"',
        'DROP TABLE IF EXISTS "{name}"',
    ),
    condition='"{name}" MATCH {query}',
    # The lower, the better, in FTS5.
    score='-bm25("{name}")',
    word='"{word}"',
    either=" OR ",
    join='"{name}".rowid = "{table}".rowid',
    standing="SELECT 1 AS found FROM sqlite_master WHERE type = 'trigger' AND name = '{name}_insert'",
    outlives_table=True,
    in_plan="SCAN {name} VIRTUAL TABLE INDEX",
    hidden="SELECT name FROM sqlite_master WHERE type = 'table' AND sql GLOB 'CREATE VIRTUAL TABLE*USING fts5(*'",
    shadows=("_data", "_idx", "_content", "_docsize", "_config"),
    languages={"english": "porter unicode61 remove_diacritics 2", "": "unicode61 remove_diacritics 2"},
)

# https://dev.mysql.com/doc/refman/en/fulltext-search.html, https://mariadb.com/kb/en/full-text-indexes/
_MATCH = "MATCH ({document}) AGAINST ({query} IN NATURAL LANGUAGE MODE)"


def fulltext(in_plan: str) -> TextSearch:
    """Return the FULLTEXT of MySQL and of MariaDB, whose plans name it in their own words."""
    return TextSearch(
        title="FULLTEXT",
        create=('CREATE FULLTEXT INDEX "{name}" ON "{table}" ({columns})',),
        drop=('DROP INDEX "{name}" ON "{table}"',),
        condition=_MATCH,
        score=_MATCH,
        in_plan=in_plan,
    )
