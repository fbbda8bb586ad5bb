"""The SQL of full-text search and its index, and the versions that several databases share."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import NOTHING, Facts
from .index_extensions import IndexExtension
from .unsupported import Unsupported


class TextSearch(Facts):
    """The SQL of a full-text search.

    Templates may contain ``{name}`` (of the index), ``{table}``, ``{columns}``, ``{new}`` (the columns of a trigger's
    new row), ``{key}`` (the primary key), ``{document}`` (the searched part of a row) and ``{language}``;
    ``condition`` and ``score`` also contain ``{query}``.
    """

    title: str
    """The database's name for it."""
    create: tuple[str, ...]
    condition: str
    """Tests whether a row contains one of the words; empty if the score of other rows is NULL."""
    score: str
    """The relevance of a row; higher is better."""
    order: str = ""
    """Sorts the best rows first, in the form that the index serves; empty if it does not sort them."""
    drop: tuple[str, ...] = ('DROP INDEX IF EXISTS "{name}"',)
    part: str = "{column}"
    """A column in ``{document}``."""
    joint: str = ", "
    """The separator between columns in ``{document}``."""
    alone: str = ""
    """The only column in ``{document}``, if it differs from ``part``."""
    extension: IndexExtension | None = None
    """The extension of the server that the index needs."""
    several_since: str = ""
    """The version of that extension from which an index may cover several columns."""
    word: str = "{word}"
    """A word in the bound text."""
    either: str = " "
    """The separator between words."""
    query: str = "%s"
    """The words in ``condition`` and in ``score``."""
    words_first: bool = False
    """Whether the words are bound once, as the first parameter, because ``query`` is a parameter number."""
    join: str = ""
    """The condition that joins a row to the index, if the index is a table."""
    needs_index: bool = True
    standing: str = ""
    """Finds the index ``{name}``, if changing a column drops the index together with its table."""
    outlives_table: bool = False
    """Whether the index remains when its table is dropped, so that it must be dropped as well."""
    in_plan: str = ""
    """The text in the database's plan if the index ``{name}`` serves a search."""
    hidden: str = ""
    """Returns, as ``name``, the tables that are indexes."""
    shadows: tuple[str, ...] = ()
    """The suffixes of the tables that belong to such an index."""
    reserved: frozenset[str] = frozenset()
    """Lowercase column names that the index rejects even if they are quoted."""
    damaged: str = ""
    """A regular expression of the errors of an index that a killed process has left damaged."""
    quotes_table: bool = True
    """Whether the index quotes the table name in its own statements; if not, ``reserved`` applies to it as well."""
    languages: Mapping[str, str] = NOTHING
    """The ``{language}`` of each language; "" is the default. If empty, the name is used as it is."""

    def refused_names(self, table: str, columns: list[str]) -> list[str]:
        """Return the names that the index rejects, such as ``the column "order"``."""
        found = [f'the column "{column}"' for column in columns if column.lower() in self.reserved]
        if not self.quotes_table and (table.lower() in self.reserved or not table.isidentifier()):
            found.append(f'the table "{table}"')
        return found

    def document(self, columns: list[str], prefix: str = "") -> str:
        part = self.alone if self.alone and len(columns) == 1 else self.part
        return self.joint.join(part.format(column=f'{prefix}"{column}"') for column in columns)

    def language(self, name: str) -> str:
        return self.languages.get(name, self.languages.get("", name))

    def bound(self, words: list[str]) -> str:
        """Return the text to bind; words contain no quotation marks."""
        return self.either.join(self.word.format(word=word) for word in words)


# https://www.sqlite.org/fts5.html
# FTS5 stores its own copy, because an external-content table needs the old text of a deleted row, and no trigger sees
# that row with INSERT OR REPLACE. Rows keep their rowid when a table is rebuilt or vacuumed.
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
    # In FTS5 lower is better, so the score is negated.
    score='-bm25("{name}")',
    word='"{word}"',
    either=" OR ",
    join='"{name}".rowid = "{table}".rowid',
    standing="SELECT 1 AS found FROM sqlite_master WHERE type = 'trigger' AND name = '{name}_insert'",
    outlives_table=True,
    reserved=frozenset({"rank", "rowid"}),
    in_plan="SCAN {name} VIRTUAL TABLE INDEX",
    hidden="SELECT name FROM sqlite_master WHERE type = 'table' AND sql GLOB 'CREATE VIRTUAL TABLE*USING fts5(*'",
    shadows=("_data", "_idx", "_content", "_docsize", "_config"),
    languages={"english": "porter unicode61 remove_diacritics 2", "": "unicode61 remove_diacritics 2"},
)

# https://dev.mysql.com/doc/refman/en/fulltext-search.html, https://mariadb.com/kb/en/full-text-indexes/
_MATCH = "MATCH ({document}) AGAINST ({query} IN NATURAL LANGUAGE MODE)"


def fulltext(in_plan: str, create: str = 'CREATE FULLTEXT INDEX "{name}" ON "{table}" ({columns})') -> TextSearch:
    """Return the FULLTEXT search of MySQL and MariaDB."""
    return TextSearch(
        title="FULLTEXT",
        create=(create,),
        drop=('DROP INDEX "{name}" ON "{table}"',),
        condition=_MATCH,
        score=_MATCH,
        in_plan=in_plan,
    )


# https://dev.mysql.com/blog-archive/rankings-with-innodb-full-text-search/
NO_BM25 = Unsupported(
    reason="its full-text index ranks rows by TF-IDF, which ignores the length of a text.",
    instead="Declare the index all the same: searches use that ranking.",
    probe="CREATE INDEX probe_index ON tests_article USING bm25 (body)",
    see="https://dev.mysql.com/doc/refman/en/fulltext-boolean.html",
)
