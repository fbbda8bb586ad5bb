"""What a user typed, as words: nothing of it is syntax to any database."""

from __future__ import annotations

import unicodedata

MOST_WORDS = 100

_LONGEST = 200

_INSIDE = "_'"


def words_of(text: str) -> list[str]:
    """Return the different words of a text, of letters, digits and what stands between two of them in ``don't``.

    The first 100 of them; one of more than 200 characters is none.
    """
    plain = unicodedata.normalize("NFC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    spaced = "".join(character if _is_of_a_word(character) else " " for character in plain)
    words = (word.strip(_INSIDE) for word in spaced.split())
    found = {word.casefold(): word for word in words if 0 < len(word) <= _LONGEST}
    return list(found.values())[:MOST_WORDS]


def _is_of_a_word(character: str) -> bool:
    # Letters, marks, which some scripts write vowels with, and numbers.
    return character in _INSIDE or unicodedata.category(character)[0] in "LMN"
