"""Every SELECT of the suite that was written before for its shape is written anew, too, and has to be the same."""

from __future__ import annotations

from typing import Any

import pytest

from dorm_vector.djanorm import sql


@pytest.fixture(autouse=True)
def _written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    written_once = sql.written

    def compared(query: Any, connection: Any) -> Any:
        found = written_once(query, connection)
        anew = query.clone()._select(connection)
        assert found == anew
        assert [type(param) for param in found[1]] == [type(param) for param in anew[1]]
        return found

    monkeypatch.setattr(sql, "written", compared)
