"""How much a chaos run tries: `nox -s soak` sets DORM_VECTOR_CHAOS, by which the repetitions are multiplied."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("DORM_VECTOR_CHAOS", "1"))
IS_SOAK = TIMES > 1
