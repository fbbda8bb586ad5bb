"""The SQL with which each database reads a value from a JSON column and compares it; the key is bound.

Templates may contain ``{column}``, ``{key}``, ``{spelled}`` (the key escaped as in JSON text), and its ``{path}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from .facts import Facts


class Kind(Enum):
    """The kinds of JSON values that can be compared; values of different kinds are neither equal nor ordered."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"


class Scalar(Facts):
    """A value of one kind; NULL if there is no value, or one of another kind."""

    sql: str
    bound: str = "{value}"
    """The bound value to compare it with."""
    comparison: str = ""
    """The comparison with ``{operator}``, if a plain one is not enough."""


class Pattern(Facts):
    """How to match text: the ``condition``, with ``{text}`` and ``{pattern}``, and the wildcards of the pattern."""

    condition: str
    many: str = "%"
    one: str = "_"
    special: str = "%_!"
    literally: str = "!{}"

    def spelled(self, pattern: str) -> str:
        r"""Translate a LIKE pattern, with ``%``, ``_`` and the escape character ``\``, to this database's wildcards."""
        written, characters = "", iter(pattern)
        for character in characters:
            wildcard = {"%": self.many, "_": self.one}.get(character)
            literal = next(characters, "\\") if character == "\\" else character
            written += wildcard or (self.literally.format(literal) if literal in self.special else literal)
        return written


class Keys(Facts):
    """How the keys of a path are written, as one literal."""

    literal: str
    separator: str

    def spelled(self, keys: Sequence[str]) -> str:
        """Return the literal of keys that are identifiers."""
        return self.literal.replace("{keys}", self.separator.join(keys))


_EXTRACTED = "json_extract({column}, {keys})"


class JsonRules(Facts):
    """The SQL of conditions on a JSON column."""

    scalars: Mapping[Kind, Scalar]
    exists: str
    """Tests whether the key has a value other than null."""
    array: str
    """The array under the key, else NULL."""
    whole: str
    """The column, if it is an array itself, else NULL."""
    elements: Mapping[Kind, str]
    """Tests whether ``{value}`` is in ``{array}``."""
    object: str = ""
    """The object under the key, else NULL; empty where ``{path}`` leads into objects itself."""
    empty: str = "json_array_length({array}) = 0"
    like: Pattern = Pattern("{text} LIKE {pattern} ESCAPE '!'")
    ilike: Pattern = Pattern("LOWER({text}) LIKE LOWER({pattern}) ESCAPE '!'")
    unquoted: str = ""
    """The keys that ``{path}`` has without quotation marks, as a regular expression."""
    unreachable: str = ""
    """The other keys that no path leads to."""
    readable: str = "{column}"
    """The column, or NULL if its text is not JSON; another program may have stored that, and conditions on it fail."""
    cannot_read: str = ""
    """Recognizes the database's error for JSON of another program that it cannot read, as a regular expression."""
    reads: str = r"json_extract\(([^,()]+), '\$"
    """Recognizes a column that a statement reads by a path, as a regular expression."""
    unread: str = "NOT json_valid({column})"
    """The condition on the rows whose JSON the database cannot read."""
    keys: Keys = Keys("'$.{keys}'", ".")
    """How djanorm writes the keys of ``filter(field__key__key=…)``."""
    path_number: str = f"CASE WHEN json_type({{column}}, {{keys}}) IN ('integer', 'real') THEN {_EXTRACTED} END"
    """The number under such keys, else NULL."""
    path_boolean: str = f"CASE WHEN json_type({{column}}, {{keys}}) IN ('true', 'false') THEN {_EXTRACTED} END"
    """The boolean under such keys, else NULL."""
    path_text: str = ""
    """The text under such keys, else NULL; empty if what djanorm writes is that."""
    path_is_text: str = ""
    """Tests whether what djanorm writes is a text in JSON; empty if it compares as one only where it is."""
    path_value: str = ""
    """The value under such keys, NULL for null; empty if what djanorm writes is that."""
    binds_decimals: bool = False
    """Whether numbers to compare are bound as JSON writes them, because float64 cannot hold each of them."""

    def number_at(self, column: str, keys: Sequence[str]) -> str:
        return self.path_number.format(column=column, keys=self.keys.spelled(keys))

    def text_at(self, written: str, column: str, keys: Sequence[str]) -> str:
        """Return the text; ``written`` is djanorm's SQL of the value."""
        return self.path_text.format(column=column, keys=self.keys.spelled(keys)) or written

    def is_text_at(self, column: str, keys: Sequence[str]) -> str:
        return self.path_is_text.format(column=column, keys=self.keys.spelled(keys))

    def value_at(self, written: str, column: str, keys: Sequence[str]) -> str:
        """Return the value, or NULL for null; ``written`` is djanorm's SQL of it."""
        return self.path_value.format(column=column, keys=self.keys.spelled(keys)) or written

    def boolean_at(self, column: str, keys: Sequence[str]) -> str:
        return self.path_boolean.format(column=column, keys=self.keys.spelled(keys))


# Turso fails the statement at an integer past 64 bits, which another program may have stored.
_TURSO_DIGITS = "ltrim({source} -> fullkey, '-')"

_TURSO_NUMBER = (
    "CASE WHEN type = 'integer' AND (length({digits}) > 19"
    " OR length({digits}) = 19 AND {digits} > '9223372036854775807')"
    " THEN CAST({source} -> fullkey AS REAL) ELSE value END"
).replace("{digits}", _TURSO_DIGITS)


def _each(is_key: str, number: str = "value") -> JsonRules:
    """Return the rules of SQLite and Turso; json_each() needs no path, in which a key could be misread."""
    value = f"(SELECT {{it}} FROM json_each({{column}}) WHERE {is_key} AND type IN ({{types}}))"
    types = {Kind.TEXT: "'text'", Kind.NUMBER: "'integer', 'real'", Kind.BOOLEAN: "'true', 'false'"}
    # Without the cast, Turso compares text that looks like a number as a number.
    its = {Kind.TEXT: "CAST(value AS TEXT)", Kind.NUMBER: number, Kind.BOOLEAN: "value"}
    element = "EXISTS (SELECT 1 FROM json_each({array}) WHERE type IN ({types}) AND {it} = {value})"
    return JsonRules(
        scalars={
            kind: Scalar(_filled(value, types[kind], it.replace("{source}", "{column}"))) for kind, it in its.items()
        },
        exists=f"EXISTS (SELECT 1 FROM json_each({{column}}) WHERE {is_key} AND type <> 'null')",
        array=_filled(value, "'array'", "value"),
        object=_filled(value, "'object'", "value"),
        whole="CASE json_type({column}) WHEN 'array' THEN {column} END",
        elements={kind: _filled(element, types[kind], it.replace("{source}", "{array}")) for kind, it in its.items()},
        readable="CASE WHEN json_valid({column}) THEN {column} END",
        cannot_read="malformed JSON",
        # LIKE ignores case here, so this uses GLOB.
        like=Pattern("{text} GLOB {pattern}", many="*", one="?", special="*?[", literally="[{}]"),
    )


def _filled(template: str, types: str, it: str) -> str:
    return template.replace("{types}", types).replace("{it}", it)


SQLITE = _each("key = {key}")

# Turso returns keys with their escapes, except for that of a quotation mark.
TURSO = _each("key IN ({key}, replace({spelled}, '\\\"', '\"'))", _TURSO_NUMBER)

_GREATEST = "1.7976931348623157e308"

# A column of somebody else's may be json; of jsonb the cast is none.
_JSONB = "({column} -> {key}::text)::jsonb"

_ARRAY = "CASE WHEN jsonb_typeof({json}) = 'array' THEN {json} END"

# A json column has no jsonb_typeof().
_TYPE = "jsonb_typeof(({column} #> {keys})::jsonb)"

# What a json column takes and no jsonb can hold: NUL, half of a surrogate pair, a number past numeric's range. The
# operators of json fail at the first two, wherever they are in the document. PostgreSQL 15 has no pg_input_is_valid().
_HIGH, _LOW = "[dD][89abAB]..", "[dD][c-fC-F]"
_NO_JSONB = (
    rf"(?<!\\)(\\\\)*\\u(0000|{_HIGH}(?!\\u{_LOW})|(?<!\\u{_HIGH}\\u){_LOW})|[0-9][eE][-+]?[1-9][0-9][0-9][0-9][0-9]"
)

_READABLE = (
    "CASE WHEN pg_typeof({column}) = 'jsonb'::regtype THEN {column}"
    f" WHEN ({{column}})::text !~ '{_NO_JSONB}' THEN {{column}} END"
)

POSTGRESQL = JsonRules(
    scalars={
        # Code point order, as in all the other databases here.
        Kind.TEXT: Scalar(
            f"CASE WHEN jsonb_typeof({_JSONB}) = 'string' THEN {{column}} ->> {{key}}::text END COLLATE \"C\""
        ),
        # A number beyond float64, which others may have stored, cannot be compared with one.
        Kind.NUMBER: Scalar(
            f"CASE WHEN jsonb_typeof({_JSONB}) = 'number'"
            f" THEN LEAST(GREATEST(({_JSONB})::numeric, -{_GREATEST}), {_GREATEST}) END"
        ),
        Kind.BOOLEAN: Scalar(f"CASE WHEN jsonb_typeof({_JSONB}) = 'boolean' THEN ({_JSONB})::boolean END"),
    },
    exists=f"jsonb_typeof({_JSONB}) <> 'null'",
    array=_ARRAY.replace("{json}", _JSONB),
    object=_JSONB,
    whole=_ARRAY.replace("{json}", "{column}::jsonb"),
    elements={
        Kind.TEXT: "{array} @> to_jsonb({value}::text)",
        # Of a float straight to numeric PostgreSQL keeps 15 digits.
        Kind.NUMBER: "{array} @> to_jsonb({value}::text::numeric)",
        Kind.BOOLEAN: "{array} @> to_jsonb({value}::boolean)",
    },
    empty="jsonb_array_length({array}) = 0",
    readable=_READABLE,
    cannot_read="unsupported Unicode escape sequence|invalid input syntax for type json|overflows numeric format",
    reads=r'((?:"[^"]+"\.)?"[^"]+") #>',
    unread=f"({{column}})::text ~ '{_NO_JSONB}'",
    like=Pattern("({text})::text LIKE {pattern} ESCAPE '!'"),
    ilike=Pattern("LOWER(({text})::text COLLATE \"default\") LIKE LOWER({pattern}) ESCAPE '!'"),
    keys=Keys("'{{keys}}'", ","),
    path_number=f"CASE WHEN {_TYPE} = 'number' THEN ({{column}} #>> {{keys}})::numeric END",
    # A condition of its own, so that an index on the text can serve the comparison.
    path_is_text=f"{_TYPE} = 'string'",
    path_boolean=f"CASE WHEN {_TYPE} = 'boolean' THEN ({{column}} #>> {{keys}})::boolean END",
    binds_decimals=True,
)

_AT = "JSON_EXTRACT({column}, {path})"

_NUMBERS = "('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL')"

_BINARY = "CAST({value} AS BINARY)"

# float64 cannot hold every whole number above 2**53, and a decimal has at most 65 digits.
_NUMBER = (
    "CASE WHEN JSON_TYPE({json}) IN {numbers} THEN CASE"
    " WHEN ABS({json} + 0e0) < 1e34 AND {json} + 0e0 = FLOOR({json} + 0e0)"
    " THEN CAST(JSON_UNQUOTE({json}) AS DECIMAL(65)) {operator} {value} ELSE {json} + 0e0 {operator} {value} END END"
).replace("{numbers}", _NUMBERS)

_ELEMENT = (
    "EXISTS (SELECT 1 FROM JSON_TABLE({array}, '$[*]' COLUMNS (\"json\" JSON PATH '$')) AS \"element\" WHERE {is_it})"
)

_JSON = '"element"."json"'

_TEXT = "CONVERT({text} USING utf8mb4)"

MYSQL = JsonRules(
    scalars={
        # Compared as bytes, because collations treat different letters as equal and ignore trailing spaces.
        Kind.TEXT: Scalar(f"CASE JSON_TYPE({_AT}) WHEN 'STRING' THEN CAST(JSON_UNQUOTE({_AT}) AS BINARY) END", _BINARY),
        Kind.NUMBER: Scalar("", comparison=_NUMBER.replace("{json}", _AT)),
        Kind.BOOLEAN: Scalar(f"CASE JSON_TYPE({_AT}) WHEN 'BOOLEAN' THEN JSON_UNQUOTE({_AT}) = 'true' END"),
    },
    exists=f"JSON_TYPE({_AT}) <> 'NULL'",
    array=f"CASE JSON_TYPE({_AT}) WHEN 'ARRAY' THEN {_AT} END",
    whole="CASE JSON_TYPE({column}) WHEN 'ARRAY' THEN {column} END",
    elements={
        Kind.TEXT: _ELEMENT.replace(
            "{is_it}", f"JSON_TYPE({_JSON}) = 'STRING' AND CAST(JSON_UNQUOTE({_JSON}) AS BINARY) = {_BINARY}"
        ),
        Kind.NUMBER: _ELEMENT.replace("{is_it}", _NUMBER.replace("{json}", _JSON).replace("{operator}", "=")),
        Kind.BOOLEAN: _ELEMENT.replace(
            "{is_it}", f"JSON_TYPE({_JSON}) = 'BOOLEAN' AND (JSON_UNQUOTE({_JSON}) = 'true') = {{value}}"
        ),
    },
    empty="JSON_LENGTH({array}) = 0",
    like=Pattern(f"{_TEXT} COLLATE utf8mb4_bin LIKE {{pattern}} ESCAPE '!'"),
    ilike=Pattern(f"LOWER({_TEXT}) COLLATE utf8mb4_bin LIKE LOWER({{pattern}}) ESCAPE '!'"),
    path_number=f"CASE WHEN JSON_TYPE({_EXTRACTED}) IN {_NUMBERS} THEN {_EXTRACTED} END",
    path_text=f"CASE WHEN JSON_TYPE({_EXTRACTED}) = 'STRING' THEN JSON_UNQUOTE({_EXTRACTED}) END",
    path_value=f"CASE WHEN JSON_TYPE({_EXTRACTED}) <> 'NULL' THEN {_EXTRACTED} END",
    path_boolean=f"CASE WHEN JSON_TYPE({_EXTRACTED}) = 'BOOLEAN' THEN JSON_UNQUOTE({_EXTRACTED}) = 'true' END",
    readable="CASE WHEN JSON_VALID({column}) THEN {column} END",
    cannot_read="Invalid JSON text in argument",
)

# Its paths do not find a key in quotation marks that begins with a hyphen.
MARIADB = JsonRules(
    **{
        **vars(MYSQL),
        "readable": "{column}",
        "cannot_read": "",
        "unquoted": r"-[ -!#-)+-\-/-Z\]-~]*",
        "unreachable": "-",
    }
)
