"""The four searches, as any djanorm application would write them; all of them take the same filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from dorm_vector import ahybrid_search
from examples.epidemiological_reports.reports.models import Report


@dataclass
class Filters:
    """What is known of the reports that are wanted; a web form, or the query of a URL."""

    disease: str | None = None
    region: str | None = None
    since: date | None = None
    until: date | None = None
    min_cases: int = 0

    def reports(self) -> Any:
        lookups = {
            "disease": self.disease,
            "region": self.region,
            "reported_on__gte": self.since,
            "reported_on__lte": self.until,
        }
        given = {lookup: value for lookup, value in lookups.items() if value is not None}
        return Report.objects.filter(cases__gte=self.min_cases, **given)


async def structured(filters: Filters, limit: int) -> list[Report]:
    """Return the reports that pass the filters, newest first."""
    return list(await filters.reports().order_by("-reported_on", "code")[:limit])


async def semantic(question: str, filters: Filters, limit: int) -> list[Report]:
    """Return the reports nearest in meaning to a question, each with its `distance`."""
    return list(await filters.reports().nearest("embedding", question)[:limit])


async def hybrid(question: str, filters: Filters, limit: int) -> list[Report]:
    """Return the reports that the words and the meaning of a question find, each with its `score` and both ranks."""
    return await ahybrid_search(filters.reports(), text=question, limit=limit)


async def similar(report: Report, filters: Filters, limit: int) -> list[Report]:
    """Return the reports nearest in meaning to one of them, without itself."""
    return list(await filters.reports().nearest("embedding", report)[:limit])
