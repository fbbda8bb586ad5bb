"""What is kept of the estimates of searches; no database."""

from __future__ import annotations

import sys

from dorm_vector.search.plans.estimates import Source, _key


def test_an_estimate_is_kept_by_a_small_key() -> None:
    """A filter by thousands of keys would otherwise keep its values 512 times for each connection."""
    keys = list(range(5_000))
    source = Source("document", "document", "", f'"id" IN ({", ".join(["%s"] * len(keys))})', keys)
    other = Source("document", "document", "", source.where, [*keys[:-1], 7])
    assert sys.getsizeof(_key(source)) < 100
    assert _key(source) == _key(Source("document", "document", "", source.where, list(keys))) != _key(other)
