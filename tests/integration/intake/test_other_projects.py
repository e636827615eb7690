"""What one project's key or ticket says changes and shows nothing of another project's."""

from typing import Any

from tests.integration.intake.conftest import Caller, Office
from tests.integration.intake.test_daily_life import shown
from tests.integration.intake.test_http import COMPLAINT, RECORD, received
from tests.integration.intake.test_tickets import (
    OPENED,
    PLACE,
    STREAM,
    hear,
    message,
    names,
    story,
)

from steward_eventstore.execute import Parked

EXTERNAL = RECORD["external"]
OF_ANOTHER = {"household_id": "h2"}  # of hillside


async def only_of(caller: Caller, office: Office, project_id: str) -> None:
    """Go on with a key of one project."""
    _, key = await office.authenticator.make_key("tickets", ["ticketing"], [project_id])
    caller.http.headers["Authorization"] = f"Bearer {key}"


async def refused(caller: Caller, record: dict[str, Any]) -> str:
    answer = await caller.post("imports", [record])
    assert answer.status_code == 200, answer.text
    [line] = answer.json()["results"]
    return str(line.get("error"))


async def test_a_record_adds_nothing_to_another_projects_case(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered, external=EXTERNAL)
    await only_of(registered, office, "hillside")
    closed = {"type": "case_closed", "occurred_at": RECORD["history_until"]}
    record = {**RECORD, "project_id": "hillside", "facts": [closed]}
    assert "another project" in await refused(registered, record)
    assert names(await office.store.facts_of(f"case-{case_id}")) == ["case_received"]


async def test_a_record_gives_no_case_to_another_projects_household(
    registered: Caller, office: Office
) -> None:
    corrected = {**OF_ANOTHER, "type": "case_corrected", "occurred_at": RECORD["history_until"]}
    record = {**RECORD, "facts": [*RECORD["facts"], corrected]}
    assert "does not belong" in await refused(registered, record)
    assert await story(office) == []


async def test_a_ticket_gives_no_case_to_another_projects_household(
    registered: Caller, office: Office
) -> None:
    await hear(office, message("ticket.opened.v1", OPENED, "1"))
    corrected = {**PLACE, "facts": [{**OF_ANOTHER, "type": "case_corrected"}]}
    [outcome] = await hear(office, message("ticket.told.v1", corrected, "2"))
    assert isinstance(outcome, Parked)
    assert "does not belong" in outcome.reason
    case = await shown(registered, STREAM.removeprefix("case-"))
    assert case["household_id"] == "h1"


async def test_another_projects_ticket_is_not_compared_with_what_is_sent(
    registered: Caller, office: Office
) -> None:
    await received(registered, external=EXTERNAL)
    await only_of(registered, office, "hillside")
    body = {**COMPLAINT, **OF_ANOTHER, "project_id": "hillside", "external": EXTERNAL}
    answer = await registered.post("cases", body)
    assert answer.status_code == 403
    assert "lakeside-2026-00001" not in answer.text
