"""Write each repair as a bug report for djanorm: docs/contributing/upstream.md."""

from __future__ import annotations

import re
from pathlib import Path

from dorm_vector.patching.registry import REPAIRS, Repair
from tests.repairs.reproductions import reproductions

_REPAIRS, _ENGINES = "tests/repairs", "tests/engines"
# Of the repairs without a probe, whose bugs need a driver or an event loop: the test that switches the repair off.
SHOWN_BY = {
    "cancelled_connections": f"{_REPAIRS}/test_interruptions.py::test_cancelled_connections",
    "check_where_in_doubt": f"{_ENGINES}/postgresql/test_pool_check.py::test_a_search_is_one_round_trip",
    "every_file_is_linted": f"{_REPAIRS}/test_linted_files.py::test_every_file_is_linted",
    "faked_targets": f"{_REPAIRS}/test_faked_targets.py::test_faked_targets",
    "inserts_by_composite_key": f"{_REPAIRS}/test_composite_keys.py::test_inserts_by_composite_key",
    "inserts_without_a_key": f"{_REPAIRS}/test_composite_keys.py::test_inserts_without_a_key",
    "pool_per_loop": f"{_REPAIRS}/test_interruptions.py::test_pool_per_loop",
    "reads_after_a_write": "tests/contribs/test_routers.py::test_reads_after_a_write",
    "statements_in_their_transaction": f"{_REPAIRS}/test_mysql.py::test_statements_in_their_transaction",
    "streaming_connection": f"{_REPAIRS}/test_mysql.py::test_streaming_connection",
    "strict_async_writes": f"{_REPAIRS}/test_mysql.py::test_strict_async_writes",
    "turso_async": f"{_REPAIRS}/test_turso.py::test_turso_async",
    "turso_patience": f"{_REPAIRS}/test_turso.py::test_turso_patience",
    "turso_replicas": f"{_ENGINES}/turso/test_replica.py::test_turso_replicas",
    "writes_where_routers_say": "tests/contribs/test_routers.py::test_writes_go_where_the_routers_say",
    "whole_relations": f"{_REPAIRS}/test_relations.py::test_whole_relations",
}
# Their probes ask which class reads a row or marks a value, not what djanorm makes of it.
SHOWN_BY_A_TEST = {
    **SHOWN_BY,
    "durations": "tests/conformance/plain_models/test_moments_in_filters.py::test_durations_are_written_in_every_way",
    "deferred_columns": "tests/conformance/fields/test_deferred.py::test_without_the_repair_the_columns_are_lost",
}
_NOT_RUN = "<!-- not run: it needs djanorm without dorm_vector; tests/repairs/test_reproductions.py runs it -->"


def bug_reports(_argument: str, _page: Path) -> str:
    by_name: dict[str, list[Repair]] = {}
    for entry in REPAIRS:
        by_name.setdefault(entry.name, []).append(entry)
    probed = [
        next(part for part in parts if part.is_fixed) for name, parts in by_name.items() if name not in SHOWN_BY_A_TEST
    ]
    scripts = reproductions(probed)
    return "\n\n".join(_report(name, by_name[name], scripts.get(name)) for name in sorted(by_name))


def _report(name: str, parts: list[Repair], script: str | None) -> str:
    documented = [part.documentation for part in parts if "Symptom:" in part.documentation]
    assert documented, f"the repair {name} has no docstring with its symptom, its cause and the versions"
    title, _, rest = " ".join(documented[0].split()).replace("``", "`").partition(" Symptom: ")
    symptom, _, rest = rest.partition(" Cause: ")
    cause, _, versions = rest.removesuffix(".").rpartition(". ")
    assert cause, f"the docstring of the repair {name} wants `Symptom: … Cause: … djanorm 4.4 to 4.5.`"
    assert re.search(r"\d", versions), f"the docstring of the repair {name} ends without the versions that need it"
    where = dict.fromkeys(f"`{part.target.replace(':', '.')}.{part.attribute}`" for part in parts)
    fix = dict.fromkeys(
        f"`{part.replacement.__name__}` in `{part.replacement.__module__.replace('.', '/')}.py`" for part in parts
    )
    return "\n".join(
        [
            f"## {name}\n",
            f"**{title}**\n",
            f"- Symptom: {symptom}",
            f"- Versions: {versions}.",
            f"- Cause: {cause}.",
            f"- Where: {', '.join(where)}.",
            f"- Suggested fix: {', '.join(fix)}, which replaces the function.",
            f"- Reproduce: {f'`pytest {SHOWN_BY_A_TEST[name]}`' if script is None else 'run this with djanorm alone.'}",
            *([] if script is None else [f"\n{_NOT_RUN}\n```python\n{script}\n```"]),
        ]
    )
