"""A WSGI application that has used its database before gunicorn forks its workers: `gunicorn --preload`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from dorm.db.connection import close_all

from tests.chaos import workers

workers.configure(json.loads(os.environ["CHAOS_DATABASE"]))
_loaded = workers.search([1])
if os.environ["CHAOS_CLOSES"] == "yes":
    workers.stop()
    close_all()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer /NUMBER with the title of the nearest document, and which process found it."""
    number = int(environ["PATH_INFO"].strip("/"))
    found = workers.search([number])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{found[0]} {os.getpid()}".encode()]
