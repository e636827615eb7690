"""Incidents: many cases on one cause, whose owners are told together."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.intake import (
    CaseLeftIncident,
    IncidentInformed,
    IncidentLetterPublished,
    IncidentOpened,
)
from steward_eventstore.execute import Job, To
from steward_intake.api.by_line import error_of, line_of, results_of, with_cases
from steward_intake.api.http import Intake, Served, as_it_stands, case_of, cause_of, open_desk
from steward_intake.api.lists import AskedByProject, erased_in, listed, shown
from steward_intake.application.incidents import (
    Gathered,
    ask_to_tell,
    attaching,
    gather,
    keep,
    stream_of,
)
from steward_intake.application.ports import Row
from steward_intake.application.words import (
    AttachedCases,
    DetachedCase,
    IncidentEnd,
    Letter,
    NewIncident,
    Statement,
)
from steward_intake.domain.incident import (
    CloseIncident,
    DetachCase,
    InformOwners,
    Open,
    OpenIncident,
    PublishLetter,
)
from steward_service.auth import Principal, require
from steward_service.idempotency import handle, idempotency_key
from steward_service.lists import Page
from steward_service.problems import Problem, not_found
from steward_service.stories import told_of

router = APIRouter()
Reader = Annotated[Principal, Depends(require("case.read"))]
Writer = Annotated[Principal, Depends(require("case.incident"))]


class AskedIncidents(AskedByProject):
    """Open ones or closed ones, if it is said."""

    status: Literal["open", "closed"] | None = None


async def cases_of(service: Intake, principal: Principal, incident_id: str) -> list[str]:
    """Name the cases of an incident; 404 for one that is not theirs to see."""
    row = await _incident_of(service, principal, incident_id)
    return sorted((await _gathered(service, row)).cases)


async def _incident_of(service: Intake, principal: Principal, incident_id: str) -> Row:
    row = (await service.registers.entries("incidents", [incident_id])).get(incident_id)
    if row is None or not principal.may(row["project_id"]):
        raise not_found("incident of this ID")
    return row


async def _gathered(service: Intake, row: Row) -> Gathered:
    return await gather(service.executor.store, service.registers, row)


@router.post("/v1/incidents", status_code=201)
async def post_incident(
    request: Request, principal: Writer, service: Served, body: NewIncident
) -> Response:
    """Open an incident: one cause of many cases of a project."""
    principal.demand(body.project_id)
    desk = open_desk(service)
    await desk.project(body.project_id)
    await desk.staff(body.person_id, body.project_id)
    incident_id = str(uuid7())
    opened = IncidentOpened(
        incident=incident_id,
        project=body.project_id,
        title=body.title,
        cause=body.cause,
        person_id=body.person_id,
    )
    at = await desk.moment(body.occurred_at, body.project_id, body.person_id)
    command = OpenIncident(at, opened)
    to = [To(stream_of(incident_id), body.project_id, command)]
    answer = {"incident_id": incident_id}
    return await handle(request, principal, service.executor, to=to, answer=answer)


@router.post("/v1/incidents/{incident_id}/attach")
async def post_attach(
    request: Request, principal: Writer, service: Served, incident_id: str, body: AttachedCases
) -> Response:
    """Attach cases; each has its result. What the others were told last, its owner is told now."""
    incident = await _incident_of(service, principal, incident_id)
    key = idempotency_key(request)
    desk = open_desk(service)
    await desk.staff(body.person_id, incident["project_id"])
    store, case_ids = service.executor.store, body.case_ids
    attach = await attaching(store, service.registers, incident, case_ids)
    fingerprint = hashlib.sha256(f"{incident_id} {body.model_dump_json()}".encode()).hexdigest()
    results: dict[int, dict[str, Any]] = {}
    jobs: dict[int, Job] = {}
    for place, case_id in enumerate(case_ids):
        try:
            case = attach.gathered.rows.get(case_id)
            if case is None or not principal.may(case["project_id"]):
                raise not_found("case of this ID")
            at = await desk.moment(
                body.occurred_at, case["project_id"], body.person_id, after=case["received_at"]
            )
            to = await attach.commands(case, at, body.person_id)
        except (Refused, Problem) as error:
            results[place] = error_of(error)
            continue
        mark = (principal.id, f"{key}|{place}", fingerprint)
        jobs[place] = line_of(cause_of(request), mark, to, {"case_id": case_id})
    results |= await results_of(service.executor, jobs)
    return with_cases(case_ids, results)


@router.post("/v1/incidents/{incident_id}/detach")
async def post_detach(
    request: Request, principal: Writer, service: Served, incident_id: str, body: DetachedCase
) -> Response:
    """Detach a case that has another cause after all; it goes on as it was."""
    incident = await _incident_of(service, principal, incident_id)
    case = await case_of(service, principal, body.case_id)
    desk = open_desk(service)
    await desk.staff(body.person_id, incident["project_id"])
    at = await desk.moment(
        body.occurred_at, case["project_id"], body.person_id, after=case["received_at"]
    )
    gathered = await _gathered(service, incident)
    left = CaseLeftIncident(case_id=body.case_id, incident_id=incident_id)
    to = [
        gathered.to(DetachCase(at, body.case_id, body.reason, body.person_id)),
        gathered.say(at, body.case_id, left),
    ]
    answer = {"incident_id": incident_id, "case_id": body.case_id}
    return await handle(request, principal, service.executor, to=to, answer=answer, status=200)


@router.post("/v1/incidents/{incident_id}/inform")
async def post_inform(
    request: Request, principal: Writer, service: Served, incident_id: str, body: Statement
) -> Response:
    """Tell all whose cases go on one statement by message, each household once."""
    incident = await _incident_of(service, principal, incident_id)
    desk = open_desk(service)
    await desk.staff(body.person_id, incident["project_id"])
    at, statement_id = desk.clock.now(), str(uuid7())

    async def inform() -> Response:
        gathered = await _gathered(service, incident)
        before = [gathered.statement.text] if gathered.statement else []
        statement = IncidentInformed(
            incident=incident_id,
            statement_id=statement_id,
            about=body.about,
            text=await desk.seal_again(before, stream_of(incident_id), "text", body.text),
            person_id=body.person_id,
        )
        cases = gathered.going_on
        homes = frozenset[str]().union(*map(gathered.homes_of, cases))
        to: Sequence[To] | Refused = [
            gathered.to(InformOwners(at, statement, gathered.cases)),
            *(
                gathered.say(at, case["case_id"], ask_to_tell(statement, case, *also))
                for case, *also in gathered.told_together(cases)
            ),
        ]
        if isinstance(gathered.state, Open) and not cases:
            to = Refused("None of its cases goes on: there is nobody to tell.")
        answer = {"statement_id": statement_id, "households": len(homes), "cases": len(cases)}
        return await handle(request, principal, service.executor, to=to, answer=answer, status=200)

    return await as_it_stands(inform)


@router.post("/v1/incidents/{incident_id}/letter")
async def post_letter(
    request: Request, principal: Writer, service: Served, incident_id: str, body: Letter
) -> Response:
    """Answer all owners by one open letter; it is kept with each case.

    It makes each follow-up that is owed by now and that the policy lets a letter make (FU-4.1.2.1b).
    """
    incident = await _incident_of(service, principal, incident_id)
    desk = open_desk(service)
    await desk.staff(body.person_id, incident["project_id"])
    letter_id = str(uuid7())

    async def publish() -> Response:
        gathered = await _gathered(service, incident)
        texts = [before.text for before in gathered.letters.values()]
        letter = IncidentLetterPublished(
            incident=incident_id,
            letter_id=letter_id,
            text=await desk.seal_again(texts, stream_of(incident_id), "text", body.text),
            person_id=body.person_id,
        )
        received = [row["received_at"] for row in gathered.rows.values()]
        at = await desk.moment(
            *(body.occurred_at, incident["project_id"], body.person_id),
            after=max(received, default=None),
        )
        to = [
            gathered.to(PublishLetter(at, letter, gathered.cases, frozenset(gathered.letters))),
            *(gathered.say(at, case, keep(letter, case)) for case in sorted(gathered.cases)),
        ]
        answer = {"letter_id": letter_id, "cases": len(gathered.cases)}
        return await handle(request, principal, service.executor, to=to, answer=answer, status=200)

    return await as_it_stands(publish)


@router.post("/v1/incidents/{incident_id}/close")
async def post_close(
    request: Request, principal: Writer, service: Served, incident_id: str, body: IncidentEnd
) -> Response:
    """Close an incident whose cases have all ended, or let those that go on do so by themselves."""
    incident = await _incident_of(service, principal, incident_id)
    desk = open_desk(service)
    await desk.staff(body.person_id, incident["project_id"])
    at = await desk.moment(body.occurred_at, incident["project_id"], body.person_id)

    async def close() -> Response:
        gathered = await _gathered(service, incident)
        left = tuple(case["case_id"] for case in gathered.going_on)
        command = CloseIncident(at, gathered.cases, left, body.leave_open, body.person_id)
        answer = {"incident_id": incident_id, "left_open": list(left)}
        to = [gathered.to(command)]
        return await handle(request, principal, service.executor, to=to, answer=answer, status=200)

    return await as_it_stands(close)


@router.get("/v1/incidents")
async def get_incidents(
    principal: Reader, service: Served, asked: Annotated[AskedIncidents, Query()]
) -> Page:
    """List incidents in the order of their last change; go on with `next` as `since`."""
    return await listed(service, principal, "incidents", asked)


@router.get("/v1/incidents/{incident_id}")
async def get_incident(principal: Reader, service: Served, incident_id: str) -> Response:
    """Show an incident with its cases as they stand."""
    incident = await _incident_of(service, principal, incident_id)
    gathered = await _gathered(service, incident)
    return JSONResponse(
        shown(incident) | {"cases": [shown(case) for case in gathered.rows.values()]}
    )


@router.get("/v1/incidents/{incident_id}/facts")
async def get_incident_facts(
    principal: Reader, service: Served, incident_id: str, since: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """Show an incident's story, whole or after the version `since`; a statement is only named."""
    await _incident_of(service, principal, incident_id)
    facts = await service.executor.store.facts_of(stream_of(incident_id))
    gone = await erased_in(service, facts)
    return JSONResponse({"facts": [told_of(fact, gone) for fact in facts if fact.version > since]})
