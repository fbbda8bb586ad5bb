"""The conformance tests that Citus refuses, each with the error message that it must fail with; no other may fail."""

from __future__ import annotations

import re

import pytest

# By file and test, with its parameters where only some are refused.
_JOINS = "complex joins are only supported when all distributed tables are co-located"

_CORRELATED = "correlated subqueries are not supported when the FROM clause contains a reference table"
_LOCKS = "could not run distributed query with FOR UPDATE/SHARE commands"
# An UPDATE or DELETE by a metadata filter, which guards against JSON of another type with CASE.
_CASE = "non-IMMUTABLE functions are not allowed in CASE or COALESCE statements"

REFUSED: dict[str, str] = {
    # indexes: EXPLAIN EXECUTE with parameters, and the new value of a primary key that distributes the table
    "test_index_forms.py::test_a_generic_plan_knows_no_partial_index": "Could not get remote plan",
    "test_text_index.py::test_a_key_of_text_is_followed_too": "modifying the partition value of rows is not allowed",
    # outside of the conformance suite
    "test_messages.py::test_events_are_published_with_their_rows": _LOCKS,
    "test_messages.py::test_a_task_stores_vectors": _LOCKS,
    "test_routers.py::test_a_router_that_says_nothing_about_reads": _LOCKS,
    # integrations
    "test_filters.py::test_a_queryset_takes_the_condition_wherever_it_takes_one": _CASE,
    "test_langchain.py::test_documents_are_deleted_by_id_by_filter_or_by_both": _CASE,
    "test_langchain.py::test_a_store_over_a_queryset_stays_within_it": _CASE,
    "test_llama_index.py::test_rows_of_the_application_are_nodes": _CASE,
    # search
    "test_one_per_group.py::test_a_subquery_that_refers_to_the_outer_query": _CORRELATED,
    # queries
    "test_nested.py::test_a_correlated_subquery_sorted_by_distance": _CORRELATED,
    "test_nested.py::test_what_a_correlated_subquery_selects": _CORRELATED,
    "test_nested.py::test_rows_are_compared_with_a_correlated_subquery": _JOINS,
    "test_nested.py::test_exists": _CORRELATED,
    "test_nested.py::test_an_update_from_a_correlated_subquery": "only reference tables may be queried when targeting",
    # retrieval
    "test_hybrid.py::test_a_filter_holds_for_both_branches[a relation back, twice to one row]": _JOINS,
}


def judge(item: pytest.Item, report: pytest.TestReport) -> None:
    """Report a test that Citus refuses as expected to fail; one that it accepts by now, as failed."""
    wanted = _refusal_of(item)
    if wanted is None or report.when != "call":
        return
    if report.passed:
        report.outcome, report.longrepr = "failed", f"Citus refuses no longer: {wanted!r}. Remove it from REFUSED."
    elif re.search(wanted, str(report.longrepr)):
        report.outcome, report.wasxfail = "skipped", wanted


def _refusal_of(item: pytest.Item) -> str | None:
    called = getattr(item, "callspec", None)
    if called is None or called.params.get("backend_name") != "citus":
        return None
    name = item.name.replace("[citus]", "").replace("[citus-", "[")
    test = f"{item.path.name}::{name}"
    return REFUSED.get(test) or REFUSED.get(test.partition("[")[0])
