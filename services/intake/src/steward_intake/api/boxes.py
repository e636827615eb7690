"""Suggestion boxes: what lies in one becomes cases when it is opened."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.intake import BoxOpened
from steward_events.vocabulary import ContactChannel, Role
from steward_eventstore.execute import To
from steward_intake.api.http import Served, open_desk
from steward_intake.application.words import Opening, Reception
from steward_intake.domain.box import OpenBox
from steward_policy.ladder import TITLES, may_act
from steward_service.auth import Principal, require
from steward_service.idempotency import handle
from steward_service.problems import not_found

OPENS = Role.CS_SUPERVISOR
"""Or somebody above."""

router = APIRouter()


@router.post("/v1/suggestion-boxes/{box_id}/openings", status_code=201)
async def post_opening(
    request: Request,
    principal: Annotated[Principal, Depends(require("case.receive"))],
    service: Served,
    box_id: str,
    body: Opening,
) -> Response:
    """Open a suggestion box: each slip becomes a case, received when the box was opened."""
    desk = open_desk(service)
    box = await desk.entry("suggestion_boxes", box_id)
    if box is None or not principal.may(box["project_id"]):
        raise not_found("suggestion box of this ID")
    project_id = box["project_id"]
    await desk.staff(body.person_id, project_id)
    at = await desk.moment(body.occurred_at, project_id, body.person_id)
    roles = await service.registers.acting(body.person_id, project_id, at)
    if not may_act(roles, OPENS):
        refused = Refused(
            f"Only a {TITLES[OPENS][1]} of this project, or somebody above, opens the box.",
            rule="RM-4.2.8",
        )
        return await handle(request, principal, service.executor, to=refused, answer={})
    receptions = [
        await desk.reception(
            Reception(
                project_id=project_id,
                channel=ContactChannel.SUGGESTION_BOX,
                received_by=body.person_id,
                **dict(slip),
            ),
            str(uuid7()),
            at,
        )
        for slip in body.slips
    ]
    cases = [command.received for command in receptions]
    opened = BoxOpened(
        box_id=box_id,
        opening_id=str(uuid7()),
        project_id=project_id,
        person_id=body.person_id,
        cases=tuple(case.case_id for case in cases),
    )
    to = [
        To(f"box-{box_id}", project_id, OpenBox(at, opened)),
        *(
            To(f"case-{command.received.case_id}", project_id, command, expected=0)
            for command in receptions
        ),
    ]
    told = [{"case_id": case.case_id, "number": case.number} for case in cases]
    answer = {"opening_id": opened.opening_id, "cases": told}
    return await handle(request, principal, service.executor, to=to, answer=answer)
