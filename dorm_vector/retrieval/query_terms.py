"""Split a user's text into words that no database reads as query syntax."""

from __future__ import annotations

import unicodedata

MOST_WORDS = 100

_LONGEST = 200

_INSIDE = "_'"


def words_of(text: str) -> list[str]:
    """Return the distinct words of a text, made of letters, digits and inner apostrophes, as in ``don't``.

    At most the first 100 words are returned; words of more than 200 characters are ignored.
    """
    plain = unicodedata.normalize("NFC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    spaced = "".join(character if _is_of_a_word(character) else " " for character in plain)
    words = (word.strip(_INSIDE) for word in spaced.split())
    found = {word.casefold(): word for word in words if 0 < len(word) <= _LONGEST}
    return list(found.values())[:MOST_WORDS]


def _is_of_a_word(character: str) -> bool:
    # Letters, numbers, and marks, because some scripts write vowels with them.
    return character in _INSIDE or unicodedata.category(character)[0] in "LMN"
