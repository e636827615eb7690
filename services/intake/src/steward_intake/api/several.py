"""Several cases at once: merged, moved, or all told the same."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from steward_decider import Refused
from steward_events.vocabulary import Kind, Severity
from steward_eventstore.execute import Job, To
from steward_intake.api.by_line import error_of, line_of, results_of, side_by_side, with_cases
from steward_intake.api.cases import acting, done, in_order, moment_of, story_of
from steward_intake.api.http import Intake, Served, as_it_stands, case_of, cause_of, open_desk
from steward_intake.api.incidents import cases_of
from steward_intake.application.actions import ACTIONS, Action, Bulk
from steward_intake.application.desk import Desk, invalid, next_case_id
from steward_intake.application.moving import concerned_in, lost_in, promised
from steward_intake.application.order import ends_too_early
from steward_intake.application.ports import Row
from steward_intake.application.words import Merge, Move
from steward_intake.domain.commands import AbsorbCase, MergeCase, MoveCase, ReceiveCase
from steward_intake.domain.sayings import Say
from steward_service.auth import Principal, require
from steward_service.idempotency import IfMatch, handle, idempotency_key
from steward_service.problems import Problem, not_found

router = APIRouter()


@router.post("/v1/cases/{case_id}/merge")
async def post_merge(
    request: Request,
    principal: Annotated[Principal, Depends(require("case.merge"))],
    service: Served,
    case_id: str,
    expected: IfMatch,
    body: Merge,
) -> Response:
    """Let another case of the project go on for this one too, as early and as weighty as either."""
    work = partial(_merge, request, principal, service, case_id, expected, body)
    return await as_it_stands(work, expected)


async def _merge(
    request: Request,
    principal: Principal,
    service: Intake,
    case_id: str,
    expected: int | None,
    body: Merge,
) -> Response:
    case = await case_of(service, principal, case_id)
    into = await case_of(service, principal, body.into)
    if case["project_id"] != into["project_id"]:
        raise invalid("The two cases belong to different projects: move one of them first.")
    desk = open_desk(service)
    await desk.staff(body.person_id, case["project_id"])
    at = await desk.moment(
        body.occurred_at, case["project_id"], body.person_id, after=case["received_at"]
    )
    story, other = [await story_of(service, each) for each in (case_id, body.into)]
    own = {promise.promise_id for _, promise in promised(other)}
    merge = MergeCase(at, body.into, body.person_id, into["number"])
    absorb = AbsorbCase(
        at,
        case_id,
        Kind(case["kind"]),
        min(case["received_at"], into["received_at"]),
        Severity(case["severity"]) if case["severity"] else None,
        case["harm_ongoing"],
        tuple(concerned_in(story)),
    )
    # What is taken over was read before: nobody may change it meanwhile.
    seen = case["version"] if expected is None else expected
    to: Sequence[To] | Refused = [
        To(f"case-{case_id}", case["project_id"], merge, expected=seen),
        To(f"case-{body.into}", into["project_id"], absorb),
        *(
            To(f"case-{body.into}", into["project_id"], Say(made_at, promise, "history"))
            for made_at, promise in promised(story)
            if promise.promise_id not in own
        ),
    ]
    if case["status"] != "merged" and (early := ends_too_early(body, at, story)):
        to = early
    elif case["status"] != "merged" and (lost := lost_in(story, other)):
        to = Refused(
            f"Of this case alone it was said: {', '.join(lost)}. The other would go on without what is"
            " owed for it: merge that one into this, or say the same of it first."
        )
    answer = done(body.into, into["version"])
    return await handle(request, principal, service.executor, to=to, answer=answer, status=200)


@router.post("/v1/cases/{case_id}/move")
async def post_move(
    request: Request,
    principal: Annotated[Principal, Depends(require("case.move"))],
    service: Served,
    case_id: str,
    expected: IfMatch,
    body: Move,
) -> Response:
    """Let the case go on in the project to which it belongs, received when it was received here.

    What was decided and done here counts there from the same hours; who owns it there, from now.
    """
    work = partial(_move, request, principal, service, case_id, expected, body)
    return await as_it_stands(work, expected)


async def _move(
    request: Request,
    principal: Principal,
    service: Intake,
    case_id: str,
    expected: int | None,
    body: Move,
) -> Response:
    case = await case_of(service, principal, case_id)
    principal.demand(body.to_project)
    if case["project_id"] == body.to_project:
        raise invalid("The case belongs to this project already.")
    desk = open_desk(service)
    await desk.staff(body.person_id, case["project_id"])
    groups = {
        (await desk.project(each))["group_id"] for each in (case["project_id"], body.to_project)
    }
    if len(groups) > 1:
        raise invalid("A case goes on at a project of its own group only.")
    at = await desk.moment(
        body.occurred_at, case["project_id"], body.person_id, after=case["received_at"]
    )
    to_case = next_case_id(case_id, f"moved|{body.to_project}")
    first = case["received_at"]
    story = await story_of(service, case_id)
    received = await desk.reception_anew(story, to_case, body.to_project, body.household_id, first)
    received = received.model_copy(update={"moved_from": case_id})
    move = MoveCase(at, body.to_project, to_case, body.reason, body.person_id)
    seen = case["version"] if expected is None else expected
    to: Sequence[To] | Refused = [
        To(f"case-{case_id}", case["project_id"], move, expected=seen),
        *(
            To(f"case-{to_case}", body.to_project, command)
            for command in (
                ReceiveCase(first, received),
                *await desk.done_anew(story, to_case, body.household_id, at),
                *await desk.promised_anew(story, to_case, body.household_id),
                *await desk.given(body.to_project, at),
            )
            if case["status"] != "moved_out"
        ),
    ]
    if case["status"] != "moved_out" and (early := ends_too_early(body, at, story)):
        to = early
    there = await desk.entry("cases", to_case)
    if there is not None and body.household_id not in (None, there["household_id"]):
        to = Refused(
            f"The case was moved to another household there: go on with the case {to_case}."
        )
    return await handle(
        request, principal, service.executor, to=to, answer=done(to_case), status=200
    )


@router.post("/v1/cases/bulk")
async def post_bulk(
    request: Request,
    principal: Annotated[Principal, Depends(require("case.bulk"))],
    service: Served,
    body: Bulk,
) -> Response:
    """Say one thing of many cases, or of all of an incident; each has its result."""
    if (body.case_ids is None) == (body.incident is None):
        raise invalid("Name either case_ids or an incident.")
    key = idempotency_key(request)
    [name] = [name for name, kind in ACTIONS.items() if isinstance(body.say, kind)]
    if not principal.can(f"case.{name}"):
        raise Problem(403, "forbidden", f"Your key does not allow “case.{name}”.")
    desk = open_desk(service)
    said = body.say.model_copy(update={"reason": body.reason})
    fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    case_ids = body.case_ids or []
    if body.incident is not None:
        case_ids = await cases_of(service, principal, body.incident)
    cases = await service.registers.entries("cases", case_ids)
    found = await side_by_side(
        _acting_on(service, desk, principal, cases.get(case_id), said) for case_id in case_ids
    )
    results: dict[int, dict[str, Any]] = {}
    jobs: dict[int, Job] = {}
    for place, (case_id, to) in enumerate(zip(case_ids, found, strict=True)):
        if isinstance(to, Exception):
            results[place] = error_of(to)
            continue
        # An incident may have other cases when the same is sent again: each is known by itself.
        line = f"{key}|{case_id if body.incident else place}"
        mark = (principal.id, line, fingerprint)
        jobs[place] = line_of(cause_of(request), mark, [to], {"case_id": case_id})
    results |= await results_of(service.executor, jobs)
    return with_cases(case_ids, results)


async def _acting_on(
    service: Intake, desk: Desk, principal: Principal, case: Row | None, said: Action
) -> To:
    if case is None or not principal.may(case["project_id"]):
        raise not_found("case of this ID")
    at = await moment_of(desk, case, said)
    story = await story_of(service, case["case_id"]) if said.is_dated_back else ()
    return await in_order(desk, case, said, at, await acting(desk, case, said, at), story)
