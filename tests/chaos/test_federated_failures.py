"""A search of several databases where nobody listens at one of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import reset_connections
from dorm.exceptions import OperationalError

from dorm_vector import FederatedSearchError, afederated_nearest, federated_nearest
from tests.chaos.test_connect_timeout import moved
from tests.databases import Database
from tests.models import Document

pytestmark = pytest.mark.not_on("sqlite", "turso", reason="they are files of this process")

ASKED: Any = (Document, "embedding", [1, 0, 0])


@pytest.fixture
def gone(db: Database) -> Iterator[str]:
    """The alias of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reset_connections()
    dorm.configure(DATABASES={"default": db.settings, "gone": moved(db.settings, port)})
    Document.objects.create(title="found", embedding=[1, 2, 3])
    yield "gone"
    db.use()


async def test_a_server_that_is_gone_is_named_or_left_out(gone: str) -> None:
    # Each waits for the server until its time is up, so each reaction is asked for once.
    with pytest.raises(FederatedSearchError, match=r"1 of 2 databases failed. 'gone': ") as raised:
        federated_nearest(*ASKED, databases=["default", gone])
    assert isinstance(raised.value.failed["gone"], OperationalError)
    rows = await afederated_nearest(*ASKED, databases=["default", gone], on_error="partial")
    assert [row.title for row in rows] == ["found"]
    assert isinstance(rows.failed["gone"], OperationalError)
