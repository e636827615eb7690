"""One case over HTTP: its reception, and all that is said of it afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.intake import CaseLinked, CaseReceived
from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_intake.api.http import Intake, Served, as_it_stands, case_of, open_desk
from steward_intake.application.actions import (
    ACTIONS,
    Action,
    Classify,
    Correct,
    Dispatch,
    Link,
    Progress,
    Reopen,
)
from steward_intake.application.desk import (
    Desk,
    check_requested,
    external_case_id,
    invalid,
    reopened_case_id,
    subject_of,
)
from steward_intake.application.moving import concerned_in
from steward_intake.application.order import demand_order
from steward_intake.application.ports import Row
from steward_intake.application.suggestion import advise
from steward_intake.application.words import Reception
from steward_intake.domain.commands import CaseCommand, ClassifyCase
from steward_intake.domain.sayings import Say
from steward_service.auth import Principal, require
from steward_service.idempotency import IfMatch, handle

router = APIRouter()
Receiver = Annotated[Principal, Depends(require("case.receive"))]


@router.post("/v1/cases", status_code=201)
async def post_case(
    request: Request, principal: Receiver, service: Served, body: Reception
) -> Response:
    """Take a case in; 200 where another system's ticket, alike in all, was taken in before."""
    principal.demand(body.project_id)
    desk = open_desk(service)
    if body.external is None:
        return await _receive(request, principal, service, desk, body, str(uuid7()))
    case_id = external_case_id(body.external)
    if not await service.executor.store.facts_of(f"case-{case_id}"):
        try:
            return await _receive(request, principal, service, desk, body, case_id)
        except Refused as refused:
            if refused.code != "precondition":
                raise
            # Somebody else has just taken it in.
    return await _receive_again(request, principal, service, desk, body, case_id)


async def _receive(
    request: Request,
    principal: Principal,
    service: Intake,
    desk: Desk,
    body: Reception,
    case_id: str,
) -> Response:
    at = await desk.moment(body.occurred_at, body.project_id, body.received_by)
    command = await desk.reception(body, case_id, at)
    answer = {"case_id": case_id, "number": command.received.number}
    to = To(f"case-{case_id}", body.project_id, command, expected=0)
    return await handle(request, principal, service.executor, to=[to], answer=answer)


async def _receive_again(
    request: Request,
    principal: Principal,
    service: Intake,
    desk: Desk,
    body: Reception,
    case_id: str,
) -> Response:
    story = await service.executor.store.facts_of(f"case-{case_id}")
    first = story[0]
    principal.demand(first.key)  # another project's case says nothing of itself
    assert isinstance(first.fact, CaseReceived)  # noqa: S101 - every case begins with it
    answer = {"case_id": case_id, "number": first.fact.number}
    differing = await desk.differing(body, first.fact, story)
    to: Sequence[To] | Refused = ()
    if differing:
        to = Refused(
            "The case of this external ticket was received before, with other content in: "
            f"{', '.join(differing)}.",
            code="received_otherwise",
        )
    return await handle(request, principal, service.executor, to=to, answer=answer, status=200)


def _add_action(name: str, kind: type[Action]) -> None:
    guard = require(f"case.{name}")

    async def act(
        request: Request,
        principal: Annotated[Principal, Depends(guard)],
        service: Served,
        case_id: str,
        expected: IfMatch,
        body: kind,  # type: ignore[valid-type]
    ) -> Response:
        work = partial(_act, request, principal, service, case_id, expected, body)
        return await as_it_stands(work, expected)

    act.__doc__ = kind.__doc__
    act.__name__ = f"post_{name.replace('-', '_')}"
    router.add_api_route(f"/v1/cases/{{case_id}}/{name}", act, methods=["POST"])


async def _act(
    request: Request,
    principal: Principal,
    service: Intake,
    case_id: str,
    expected: int | None,
    said: Action,
) -> Response:
    case = await case_of(service, principal, case_id)
    desk = open_desk(service)
    at = await moment_of(desk, case, said)
    if isinstance(said, Link):
        await case_of(service, principal, said.other)
    to: Sequence[To] | Refused
    if isinstance(said, Reopen) and await _is_long_closed(desk, case, at):
        to = await _beginning_anew(service, desk, case, at)
        case_id = to[0].stream.removeprefix("case-")
    else:
        looks_back = said.may_repeat or said.is_dated_back or isinstance(said, Classify)
        story = await story_of(service, case_id) if looks_back else ()
        told = await acting(desk, case, said, at, expected, _said_before(story, said))
        if isinstance(said, Classify):
            told = await _advised(service, case, told, story)
        try:
            to = [await in_order(desk, case, said, at, told, story)]
        except Refused as refused:
            to = refused
    answer = done(case_id, case["version"] if case_id == case["case_id"] else None)
    return await handle(request, principal, service.executor, to=to, answer=answer, status=200)


async def story_of(service: Intake, case_id: str) -> Sequence[Recorded]:
    """Give all that was said of a case."""
    return await service.executor.store.facts_of(f"case-{case_id}")


async def in_order(
    desk: Desk, case: Row, said: Action, at: datetime, to: To, story: Sequence[Recorded]
) -> To:
    """Demand that what is dated back was not before what it goes on from, and that this stays so."""
    if not said.is_dated_back:
        return to
    await demand_order(desk, said, at, case["project_id"], story)
    return to._replace(expected=story[-1].version) if to.expected is None else to


def _said_before(story: Sequence[Recorded], said: Action) -> Fact | None:
    """Give the fact that may hold the same texts, so that a repeat is known again."""
    if not said.may_repeat:
        return None
    told = (recorded.fact for recorded in reversed(story) if recorded.fact is not None)
    return next((fact for fact in told if said.repeats(fact)), None)


async def moment_of(desk: Desk, case: Row, said: Action) -> datetime:
    """Give when it happened; most actions may name who did it."""
    by = getattr(said, "person_id", None)
    return await desk.moment(said.occurred_at, case["project_id"], by, after=case["received_at"])


async def acting(
    desk: Desk,
    case: Row,
    said: Action,
    at: datetime,
    expected: int | None = None,
    before: Fact | None = None,
) -> To:
    case_id, project_id, household_id = (
        case[name] for name in ("case_id", "project_id", "household_id")
    )
    # Most actions may name who did it.
    await desk.staff(getattr(said, "person_id", None), project_id)
    await desk.check_households(said, project_id)
    if isinstance(said, Correct) and said.household_id is not None:
        household_id = said.household_id
    if isinstance(said, Correct) and said.document is not None:
        await desk.staff(said.document.author, project_id)
    if isinstance(said, Correct):
        wanted, accepted = said.owner_requested_date, said.owner_date_accepted
        check_requested(wanted, case["received_at"], accepted=accepted)
        if wanted is not None and accepted and wanted <= at:
            raise invalid("A date that is accepted, owner_date_accepted, is still to come.")
    if isinstance(said, Classify) and said.rework_of is not None:
        await desk.earlier_case(said.rework_of, project_id)
        if said.rework_of == case_id:
            raise invalid("A case is not the rework of itself.")
    if isinstance(said, Dispatch | Progress) and said.department:
        department = await desk.department(said.department, project_id)
        said = said.model_copy(update={"department": department})
    subject = subject_of(case_id, household_id)
    speaking = desk.speaking(at, "steward", str(uuid7()), subject, project_id, before)
    return To(f"case-{case_id}", project_id, await said.command(speaking), expected=expected)


async def _advised(service: Intake, case: Row, to: To, story: Sequence[Recorded]) -> To:
    """Let a classification say what was suggested, so that people and table can be compared."""
    assert isinstance(to.command, ClassifyCase)  # noqa: S101 - the caller saw to it
    store = service.executor.store
    decided = to.command.classified
    advice = await advise(service.registers, store, case, story, decided)
    decided = decided.model_copy(update={"suggested": advice.suggested})
    return to._replace(command=replace(to.command, classified=decided))


def done(
    case_id: str, version: int | None = None
) -> Callable[[Sequence[Recorded]], Mapping[str, Any]]:
    def answer(facts: Sequence[Recorded]) -> Mapping[str, Any]:
        now = facts[-1].version if facts else version
        return {"case_id": case_id, "facts": [fact.type for fact in facts], "version": now}

    return answer


async def _is_long_closed(desk: Desk, case: Row, at: datetime) -> bool:
    closed_at, project_id = case["closed_at"], case["project_id"]
    if closed_at is None or case["goes_on_in"] is not None:
        return False
    zone = ZoneInfo((await desk.project(project_id))["zone"])
    return at > (await desk.case_rules(project_id)).reopens_until(closed_at, zone)


async def _beginning_anew(service: Intake, desk: Desk, case: Row, at: datetime) -> list[To]:
    """Take in a new case for one that was closed too long ago to be reopened."""
    before, project_id = case["case_id"], case["project_id"]
    case_id = reopened_case_id(before, case["closed_at"])
    story = await service.executor.store.facts_of(f"case-{before}")
    received = await desk.reception_anew(story, case_id, project_id, case["household_id"], at)
    # What was so when it was first told is no longer so by itself.
    begins = received.model_copy(
        update=dict.fromkeys(
            (
                *("external", "owner_requested_date", "authority_due"),
                *("posted_at", "handed_over_at", "moved_from"),
            )
        )
        | {"harm_ongoing": False, "owner_date_accepted": False}
    )
    link = CaseLinked(case_id=case_id, other=before, why="reopened_late")
    others = [fact for fact in concerned_in(story) if fact.household_id != case["household_id"]]
    commands: list[CaseCommand] = [await desk.supervised(at, begins), Say(at, link)]
    commands += [Say(at, fact) for fact in others]
    return [To(f"case-{case_id}", project_id, command) for command in commands]


for _name, _kind in ACTIONS.items():
    _add_action(_name, _kind)
