"""All that the running services have told of one case, in one order, and how its clocks stand."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.table import Table

from steward_stack.door import Door
from steward_stack.errors import StewardError

_NUMBER = re.compile(r"(?P<project>.+)-\d{4}-\d{5,9}")
SERVICES = ("intake", "sla", "visits", "notify")

_SHOWN = (
    *("kind", "channel", "clock", "due_at", "to", "mode", "by", "outcome", "validity", "severity"),
    *("urgency", "work_category", "department", "template", "role", "decision", "how", "about"),
    *("person_id", "reason"),
)
"""What a line says of a fact, where the fact has it."""


async def story_of(door: Door, case: str) -> dict[str, Any]:
    """Give a case by its ID or number: how it stands, its facts of every service, its clocks.

    Raises StewardError where there is none, or a service does not say what it has told.
    """
    row = await _row_of(door, case)
    path = f"/v1/cases/{row['case_id']}/facts"
    facts: list[dict[str, Any]] = []
    for service in SERVICES:
        # A service that has told nothing of it knows of no such case.
        told = await door.found(service, path, {})
        facts += [{"service": service, **fact} for fact in told["facts"]] if told else []
    facts.sort(key=lambda fact: datetime.fromisoformat(fact["recorded_at"]))
    explained = await door.found("sla", f"/v1/clocks/{row['case_id']}/explain", {})
    return {"case": row, "facts": facts, "clocks": explained["clocks"] if explained else []}


async def case_id_of(door: Door, case: str) -> str:
    """Give the ID of a case that is named by its number; an ID is given back unasked."""
    if _NUMBER.fullmatch(case) is None:
        return case
    return str((await _row_of(door, case))["case_id"])


async def _row_of(door: Door, case: str) -> dict[str, Any]:
    row = await door.found("intake", f"/v1/cases/{case}", {})
    if row is not None:
        return dict(row)
    if number := _NUMBER.fullmatch(case):
        query = {"project_id": number["project"], "q": case}
        for item in (await door.get("intake", "/v1/search", query))["items"]:
            if item.get("case", {}).get("number") == case:
                return dict(item["case"])
    raise StewardError(f"There is no case {case}.")


def lines(facts: Iterable[Mapping[str, Any]]) -> Table:
    """Show facts as lines; what a service only notes of another's is left out."""
    table = Table("recorded", "service", "fact", "what", "rules", box=None)
    for fact in facts:
        name = fact["type"].split(".")[1]
        if name != "case_noted":
            what = " ".join(_said(fact["data"]))
            table.add_row(
                fact["recorded_at"][:19], fact["service"], name, what, " ".join(fact["rules"])
            )
    return table


def _said(data: Mapping[str, Any]) -> Iterator[str]:
    for name in _SHOWN:
        if isinstance(value := data.get(name), str) and value:
            yield f"{name}={value}"
