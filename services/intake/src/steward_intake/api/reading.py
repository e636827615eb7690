"""Cases as they stand and as they came about, for readers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from steward_events.recorded import Recorded
from steward_events.tickets import Name
from steward_events.vocabulary import (
    Area,
    ContactChannel,
    Kind,
    Moment,
    Part,
    Party,
    Severity,
    Word,
)
from steward_intake.api.http import Served, case_of
from steward_intake.api.lists import KEYS, Asked, AskedByProject, erased_in, listed, shown
from steward_intake.application.ports import Row
from steward_service.auth import Principal, require
from steward_service.idempotency import etag
from steward_service.lists import Cursor, Page, cursor_of, page_of
from steward_service.problems import not_found
from steward_service.stories import told_of

router = APIRouter()
Reader = Annotated[Principal, Depends(require("case.read"))]


Status = Literal[
    "open", "waiting", "handled", "told", "closed", "refused", "withdrawn", "merged", "moved_out"
]


class AskedCases(AskedByProject):
    """Of cases as they stand."""

    household_id: Name | None = None
    kind: Kind | None = None
    status: Status | None = None
    severity: Severity | None = None
    owner_id: Name | None = None
    department: Word | None = None
    channel: ContactChannel | None = None
    party: Party | None = None
    committee_id: Name | None = None
    visit_id: Name | None = None
    followup_id: Name | None = None
    document: Word | None = None
    document_author: Name | None = None
    incident_id: Name | None = None
    area: Area | None = None
    asset: Word | None = None
    quote: Literal["given", "accepted", "declined"] | None = None
    """What the owner has said to the last quote; `given` waits for them."""
    incomplete: bool | None = None
    """Whether its record lacks what it must hold."""
    received_since: Moment | None = None
    """Received at this instant or later."""


@router.get("/v1/cases/without-owner")
async def get_cases_without_owner(
    principal: Reader,
    service: Served,
    asked: Annotated[AskedByProject, Query()],
) -> Page:
    """List the cases that go on without anybody at their project who answers for them."""
    rows = await service.registers.without_owner(
        principal.listed(asked.project_id), cursor_of(asked.since), asked.limit
    )
    return page_of(rows, KEYS["cases"], asked.since, asked.limit, shown)


@router.get("/v1/households/{household_id}/timeline")
async def get_timeline(
    principal: Reader,
    service: Served,
    household_id: str,
    asked: Annotated[Asked, Query()],
) -> Response:
    """Show a household's cases, those that concern it, and all that happened, the newest last.

    What was said in the cases, and what the other services have told: follow-ups, visits, and the
    messages to the household. Of a case that complains of the household only how far it is.
    """
    household = (await service.registers.entries("households", [household_id])).get(household_id)
    if household is None or not principal.may(household["project_id"]):
        raise not_found("household of this ID")
    concerning = await service.registers.cases_concerning(household_id)
    cases = [*await service.registers.cases_of(household_id), *concerning]
    against = {case["case_id"] for case in concerning if case["part"] == Part.COUNTERPART}
    streams = [f"case-{case['case_id']}" for case in cases]
    facts = await service.executor.store.facts_of(*streams)
    open_ = [case["case_id"] for case in cases if case["case_id"] not in against]
    heard = await service.registers.heard_of(household_id, open_)
    said = [(fact.stream.removeprefix("case-"), fact) for fact in facts]
    after = cursor_of(asked.since)
    told = sorted(
        (
            (_place(fact), case_id, fact)
            for case_id, fact in (*said, *heard)
            if after is None or _place(fact) > (after.changed_at, after.id)
        ),
        key=lambda each: each[0],
    )[: asked.limit]
    gone = await erased_in(service, [fact for _, _, fact in told])
    return JSONResponse(
        {
            "household_id": household_id,
            "cases": [
                _unnamed(case) if case["case_id"] in against else shown(case) for case in cases
            ],
            "notes": len(await service.registers.notes_of(household_id)),
            "items": [
                {"case_id": case_id, **told_of(fact, gone)}
                | ({"data": {}} if case_id in against else {})
                for _, case_id, fact in told
            ],
            "next": str(Cursor(*told[-1][0])) if told else asked.since,
            "more": len(told) == asked.limit,
        }
    )


_OF_THE_COUNTERPART = (
    *("case_id", "number", "project_id", "kind", "status", "topic", "part"),
    *("received_at", "handled_at", "closed_at"),
)
"""What may be shown to whom a case complains of; all else may name who complains."""


def _unnamed(case: Row) -> dict[str, Any]:
    return shown({name: case[name] for name in _OF_THE_COUNTERPART})


def _place(fact: Recorded) -> tuple[datetime, str]:
    return fact.recorded_at, f"{fact.stream}|{fact.version:09}"


@router.get("/v1/cases")
async def get_cases(
    principal: Reader, service: Served, asked: Annotated[AskedCases, Query()]
) -> Page:
    """List cases in the order of their last change; `since` is the `next` of an earlier answer."""
    return await listed(service, principal, "cases", asked)


@router.get("/v1/cases/{case_id}")
async def get_case(principal: Reader, service: Served, case_id: str) -> Response:
    """Show a case as it stands, and whom else it concerns; the ETag is its version."""
    case = await case_of(service, principal, case_id)
    concerned = await service.registers.concerned(case_id)
    concerns = [{name: row[name] for name in ("household_id", "part")} for row in concerned]
    said = shown(case) | {"concerns": concerns}
    return JSONResponse(said, headers={"ETag": etag(case["version"])})


@router.get("/v1/cases/{case_id}/facts")
async def get_facts(
    principal: Reader, service: Served, case_id: str, since: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """Show a case's story, whole or after the version `since`.

    What is sealed is only named, as `{"sealed": true}`, or as `{"erased": true}` once it was erased.
    """
    await case_of(service, principal, case_id)
    facts = await service.executor.store.facts_of(f"case-{case_id}")
    gone = await erased_in(service, facts)
    return JSONResponse({"facts": [told_of(fact, gone) for fact in facts if fact.version > since]})
