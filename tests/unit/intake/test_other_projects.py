"""What one project's key or ticket says changes and shows nothing of another project's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from steward_decider import Refused
from steward_events.cloudevents import ForeignEvent
from steward_events.intake import CaseReceived
from steward_events.vocabulary import External, Kind
from steward_intake.api.cases import post_case
from steward_intake.application.actions import Record
from steward_intake.application.desk import Desk, external_case_id
from steward_intake.application.tickets import commands
from steward_intake.application.words import Reception
from steward_service.auth import ROLES, Principal
from steward_service.problems import Problem

NOON = datetime(2026, 9, 28, 4, tzinfo=UTC)
EXTERNAL = External(source="urn:tickets", subject="7")
CASE = external_case_id(EXTERNAL)
HILLSIDE = Principal("k", "Hillside", ROLES["ticketing"], frozenset({"hillside"}))
PROJECT = {"group_id": "g", "zone": "Asia/Shanghai", "policy": ""}
ROWS: dict[str, dict[str, Any]] = {
    "projects": {id_: PROJECT | {"project_id": id_} for id_ in ("lakeside", "hillside")},
    "households": {"lakeside-1": {"household_id": "lakeside-1", "project_id": "lakeside"}},
    "cases": {CASE: {"case_id": CASE, "project_id": "lakeside"}},
}
CORRECTED = {
    "type": "case_corrected",
    "occurred_at": NOON.isoformat(),
    "household_id": "lakeside-1",
}


class Registers:
    async def entries(self, register: str, ids: Sequence[str]) -> dict[str, Any]:
        return {id_: row for id_, row in ROWS[register].items() if id_ in ids}


class Seals:
    async def seal(self, subject: str, field: str, text: str) -> None: ...


def desk() -> Desk:
    clock: Any = SimpleNamespace(now=lambda: NOON)
    registers: Any = Registers()
    seals: Any = Seals()
    return Desk(registers, seals, clock)


def record(subject: str, fact: dict[str, Any]) -> Record:
    return Record.model_validate(
        {
            "id": "r",
            "project_id": "hillside",
            "external": {"source": EXTERNAL.source, "subject": subject},
            "history_until": NOON,
            "facts": [fact],
        }
    )


async def test_a_record_adds_nothing_to_another_projects_case() -> None:
    closed = {"type": "case_closed", "occurred_at": NOON.isoformat()}
    assert await desk().past(record("8", closed))
    with pytest.raises(Refused, match="another project"):
        await desk().past(record(EXTERNAL.subject, closed))


async def test_a_record_gives_no_case_to_another_projects_household() -> None:
    with pytest.raises(Refused, match="does not belong"):
        await desk().past(record("8", CORRECTED))


async def test_a_ticket_gives_no_case_to_another_projects_household() -> None:
    told = ForeignEvent(
        id="e",
        source=EXTERNAL.source,
        type="ticket.told.v1",
        subject="8",
        time=NOON,
        data={"project_id": "hillside", "facts": [CORRECTED]},
        key="hillside",
    )
    with pytest.raises(Refused, match="does not belong"):
        await commands(desk(), told)


async def test_another_projects_ticket_is_not_compared_with_what_is_sent() -> None:
    first = SimpleNamespace(
        key="lakeside",
        occurred_at=NOON,
        fact=CaseReceived(
            case_id=CASE,
            number="lakeside-2026-00001",
            project_id="lakeside",
            zone="Asia/Shanghai",
            policy="residential-cn@1",
            kind=Kind.COMPLAINT,
            external=EXTERNAL,
        ),
    )

    async def facts_of(_: str) -> list[Any]:
        return [first]

    service: Any = SimpleNamespace(
        executor=SimpleNamespace(store=SimpleNamespace(facts_of=facts_of)),
        registers=Registers(),
        sealer=Seals(),
        clock=SimpleNamespace(now=lambda: NOON),
    )
    request: Any = None
    body = Reception(project_id="hillside", kind=Kind.COMPLAINT, external=EXTERNAL)
    with pytest.raises(Problem) as refused:
        await post_case(request, HILLSIDE, service, body)
    assert refused.value.status == 403
