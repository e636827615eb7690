"""All that the running services have told of one case, in one order, and how its clocks stand."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.table import Table

from steward_stack.door import Door
from steward_stack.errors import StewardError

SERVICES = ("intake", "sla", "visits", "notify")

_SHOWN = (
    *("kind", "channel", "clock", "due_at", "to", "mode", "by", "outcome", "validity", "severity"),
    *("department", "template", "role", "decision", "how", "about", "person_id", "reason"),
)
"""What a line says of a fact, where the fact has it."""


async def story_of(door: Door, case: str) -> dict[str, Any]:
    """Give a case by its ID or number: how it stands, its facts of every service, its clocks.

    Raises StewardError where there is none.
    """
    row = await _row_of(door, case)
    path = f"/v1/cases/{row['case_id']}/facts"
    facts: list[dict[str, Any]] = []
    for service in SERVICES:
        # A service that has told nothing of it answers that there is no such case.
        told = (await door.get(service, path, {})).get("facts", [])
        facts += [{"service": service, **fact} for fact in told]
    facts.sort(key=lambda fact: datetime.fromisoformat(fact["recorded_at"]))
    clocks = (await door.get("sla", f"/v1/clocks/{row['case_id']}/explain", {})).get("clocks", [])
    return {"case": row, "facts": facts, "clocks": clocks}


async def _row_of(door: Door, case: str) -> dict[str, Any]:
    row: dict[str, Any] = await door.get("intake", f"/v1/cases/{case}", {})
    if "case_id" in row:
        return row
    project = case.rsplit("-", 2)[0]
    found = await door.get("intake", "/v1/search", {"project_id": project, "q": case})
    for item in found.get("items", []):
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
