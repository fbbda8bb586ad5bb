"""Private names of djanorm and the drivers that the package uses, with the files: tests/golden/private_names.txt."""

from __future__ import annotations

import pytest

from tests.helpers import private_names, support


def test_the_private_names_in_use_are_the_listed_ones(pytestconfig: pytest.Config) -> None:
    # A name that djanorm no longer defines changes its owner, and so its line.
    lines = private_names.lines()
    support.assert_golden("private_names.txt", lines, update=pytestconfig.getoption("--update-golden"))


def test_somebody_defines_every_private_name_in_use() -> None:
    lost = {name: files for (library, name), files in private_names.uses().items() if library == "nobody"}
    assert lost == {}, "neither djanorm nor a driver has these any more: the code that uses them does nothing, or fails"


@pytest.mark.parametrize(
    "source, names",
    [
        ("query._clone()", ["_clone"]),
        ("from dorm.models import _model_registry", ["_model_registry"]),
        ('getattr(model, "_meta", None)', ["_meta"]),
        ('@repair("dorm.lookups", "_x")\ndef x(): ...', ["_x"]),
        ("class Mine(QuerySet):\n def _clone(self): ...", ["_clone"]),
        ("class VectorQuerySet:\n def all(self): self._query", ["_query"]),
        ("class VectorDistance:\n def all(self): self._operands()", []),
        ("from .models import _mine", []),
        ("query.__class__", []),
    ],
)
def test_each_way_to_take_a_private_name_is_found(source: str, names: list[str]) -> None:
    assert private_names.taken(source) == names
