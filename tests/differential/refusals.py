"""What a database refuses, and why; `test_refusals.py` sees each refused."""

from __future__ import annotations

from dataclasses import dataclass

from dorm_vector import UnsupportedByDatabase


@dataclass(frozen=True)
class Refusal:
    """An error by its class and a part of its text, the reason for it, and a search of documents that shows it."""

    databases: tuple[str, ...]
    error: type[Exception]
    text: str
    reason: str
    example: str


REFUSALS = (
    Refusal(
        ("turso", "libsql"),
        UnsupportedByDatabase,
        "no function that aggregates vectors",
        "It has no aggregate of vectors: avg() of one is 0.0.",
        'Document.objects.aggregate(mean=Avg("embedding"))',
    ),
    Refusal(
        ("mariadb", "mysql"),
        UnsupportedByDatabase,
        "no aggregate over vectors",
        "It has no aggregate of vectors.",
        'Document.objects.aggregate(mean=Avg("embedding"))',
    ),
)


def reason_of(database: str, error: Exception) -> str:
    """Return why the database refuses that, or an empty string where it should not."""
    for refusal in REFUSALS:
        if database in refusal.databases and type(error) is refusal.error and refusal.text in str(error):
            return refusal.reason
    return ""
