"""Remove the passwords and tokens of DATABASES from what a command prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

_HIDDEN = "***"

_SECRET = re.compile(r"password|passwd|token|secret|key|dsn", re.IGNORECASE)

_LEAST_UNLIKE_WORDS = 8
"""The length from which a secret with more than letters is not part of a word by chance."""

# To the last @, because a password may have unquoted characters.
_IN_URL = re.compile(r"(?<=://)[^\s'\"]*@")

_PASSWORD_IN_URL = re.compile(r"://[^:/@\s]*:(\S+)@")

# After password=, "password": or AUTH_TOKEN=, as in a DSN, a query string or the repr() of settings.
_ASSIGNED = re.compile(
    r"""(?P<name>[\w-]*(?:password|passwd|pwd|token|secret)[\w-]*(?:\s*=\s*|(?P<quote>["'])\s*:\s*))"""
    r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s&,;'"(){}]+)""",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Return the text without the passwords and tokens of DATABASES, and of any URL or DSN in it.

    A secret that may be part of a word, such as ``app``, is removed where it is a word of its own.
    """
    from dorm.conf import settings

    secrets = {form for each in _secrets(getattr(settings, "DATABASES", None) or {}) for form in _forms(each)}
    text = _ASSIGNED.sub(rf"\g<name>{_HIDDEN}", _IN_URL.sub(f"{_HIDDEN}@", text))
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(_pattern(secret), _HIDDEN, text)
    return text


def _pattern(secret: str) -> str:
    is_like_a_word = secret.isalpha() or (len(secret) < _LEAST_UNLIKE_WORDS and re.fullmatch(r"\w+", secret))
    return rf"(?<!\w){re.escape(secret)}(?!\w)" if is_like_a_word else re.escape(secret)


def _forms(secret: str) -> set[str]:
    """Return the secret as messages may write it: as it is, in a URL, in the repr() of a dict, and in JSON."""
    return {secret, quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]}


def _secrets(value: Any, *, is_secret: bool = False) -> Iterator[str]:
    """Yield the secret values in the settings, at any depth, and the passwords of URLs."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _secrets(part, is_secret=is_secret or bool(_SECRET.search(str(key))))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _secrets(part, is_secret=is_secret)
    elif isinstance(value, str) and value and is_secret:
        yield value
    elif isinstance(value, str) and (found := _PASSWORD_IN_URL.search(value)):
        yield from (found[1], unquote(found[1]))
