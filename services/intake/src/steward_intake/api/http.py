"""The HTTP interface of intake: the registry, cases, and the import of history."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from pydantic_core import from_json, to_json
from starlette.responses import JSONResponse, Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.intake import CaseLinked, CaseReceived
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.tickets import Name
from steward_events.vocabulary import Kind, Severity, Word
from steward_eventstore.execute import Applied, Cause, Executor, Job, NotDone, Parked, Repeated, To
from steward_eventstore.port import Clock, ForeignMark, Reading
from steward_intake.application import registration as registry
from steward_intake.application.desk import (
    REOPENING,
    Desk,
    external_case_id,
    invalid,
    next_case_id,
    record_subject,
    reopened_case_id,
    subject_of,
    twelve_months_before,
    year_of,
)
from steward_intake.application.erasure import sealed_values
from steward_intake.application.ports import KeyRing, Registers, Row
from steward_intake.application.words import (
    ACTIONS,
    Action,
    Bulk,
    Correct,
    Dispatch,
    Link,
    Merge,
    Move,
    Reception,
    Record,
    Reopen,
    Said,
)
from steward_intake.domain.case import AbsorbCase, MergeCase, MoveCase, ReceiveCase
from steward_intake.domain.sayings import Say
from steward_service.auth import Principal, require
from steward_service.idempotency import IfMatch, etag, handle, idempotency_key
from steward_service.lines import Lines
from steward_service.lists import Cursor, Limit, Page, cursor_of, page_of
from steward_service.problems import Problem, not_found, problem_of

MENTIONS = 2
"""So many earlier mentions of an unresolved matter make a complaint major (RM-4.4.1a)."""

router = APIRouter()

Prepared = TypeVar("Prepared")
AnyLine = TypeVar("AnyLine", bound=Said)


class Intake(Protocol):
    """What the routes need of the service that serves them."""

    @property
    def executor(self) -> Executor: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def registers(self) -> Registers: ...

    @property
    def sealer(self) -> KeyRing: ...


def _intake(request: Request) -> Intake:
    service: Intake = request.app.state.service
    return service


Served = Annotated[Intake, Depends(_intake)]
Registrar = Annotated[Principal, Depends(require("registry.write"))]
Reader = Annotated[Principal, Depends(require("case.read"))]
Receiver = Annotated[Principal, Depends(require("case.receive"))]
Historian = Annotated[Principal, Depends(require("history.import"))]


def open_desk(service: Intake) -> Desk:
    """Open a desk for one request or message."""
    return Desk(service.registers, service.sealer, service.clock)


# The registry.


async def _register(
    request: Request, principal: Principal, service: Intake, body: registry.Registration
) -> Response:
    desk = open_desk(service)
    to = await _registered(desk, body)
    answer = {"stream": to[0].stream, "id": to[0].stream.partition("-")[2]}
    return await handle(request, principal, service.executor, to=to, answer=answer)


def _add_register(register: str, kind: type[registry.Registration], doc: str) -> None:
    async def post(
        request: Request,
        principal: Registrar,
        service: Served,
        body: kind,  # type: ignore[valid-type]
    ) -> Response:
        return await _register(request, principal, service, body)

    post.__doc__ = doc
    post.__name__ = f"post_{kind.model_fields['type'].default}"
    router.add_api_route(f"/v1/{register}", post, methods=["POST"], status_code=201)


_add_register("groups", registry.Group, "Register a property group, or change it.")
_add_register("projects", registry.Project, "Register a project, or change it.")
_add_register(
    "departments",
    registry.Department,
    "Register a project's or a group's department, or change it.",
)
_add_register("households", registry.Household, "Register a household, or change it.")
_add_register(
    "people", registry.Person, "Register a person of a household, or change how to reach them."
)
_add_register("staff", registry.Staff, "Register a member of staff, or change how to reach them.")
_add_register("roles", registry.Holder, "Give a role at a project to a person, or take it away.")
_add_register("zones", registry.Zone, "Say whose steward a person is, by building or household.")
_add_register("delegations", registry.Delegation, "Let somebody act in a role for a time.")
_add_register("rosters", registry.DutyRoster, "Publish a duty roster, whole, or change it.")
_add_register("policies", registry.Policy, "Publish a version of a policy pack.")
_add_register("calendars", registry.CalendarYear, "Publish a year of a calendar, or correct it.")


@router.get("/v1/calendars")
async def get_calendars(
    _: Annotated[Principal, Depends(require("registry.read"))], service: Served
) -> dict[str, Any]:
    """List the published years of calendars in the order of their publication."""
    facts = await service.executor.store.facts_of(registry.CALENDARS)
    return {
        "items": [
            {"published_at": told.occurred_at.isoformat(), **told.fact.model_dump(mode="json")}
            for told in facts
            if told.fact is not None
        ]
    }


@router.post("/v1/registers")
async def post_registers(
    request: Request, principal: Registrar, service: Served, body: Lines[registry.AnyRegistration]
) -> Response:
    """Register many things at once; each line has its result, and one bad line stops no other.

    Groups go before projects, these before households, those before people, in whatever order they
    stand.
    """
    key = idempotency_key(request)
    read, results = _read(body)
    for batch in registry.batches(read):
        desk = open_desk(service)
        lines = list(batch.items())
        await look_up(desk, [line for _, line in lines])
        jobs: dict[int, Job] = {}
        # Side by side: most of the time is spent on making the keys by which things are sealed.
        found = await side_by_side(registering(desk, principal, line) for _, line in lines)
        for (place, line), to in zip(lines, found, strict=True):
            if isinstance(to, Exception):
                results[place] = error_of(to)
                continue
            mark = ForeignMark(
                "http",
                principal.id,
                f"{key}|{place}",
                to[0].stream,
                hashlib.sha256(line.model_dump_json().encode()).hexdigest(),
            )
            answer = to_json({"id": to[0].stream.partition("-")[2]})
            cause = cause_of(request)
            jobs[place] = Job(cause, always(to), mark, answer=_answer(answer))
        results |= await _results(service.executor, jobs)
    return JSONResponse({"results": [results[place] for place in range(len(body))]})


def _read(
    body: Sequence[AnyLine | Problem],
) -> tuple[dict[int, AnyLine], dict[int, dict[str, Any]]]:
    """Give the lines that could be read, and the results of those that could not, by place."""
    read: dict[int, AnyLine] = {}
    results: dict[int, dict[str, Any]] = {}
    for place, line in enumerate(body):
        if isinstance(line, Problem):
            results[place] = error_of(line)
        else:
            read[place] = line
    return read, results


async def registering(desk: Desk, principal: Principal, line: registry.Registration) -> list[To]:
    to = await _registered(desk, line)
    principal.demand(to[0].key)
    return to


async def _registered(desk: Desk, line: registry.Registration) -> list[To]:
    at = desk.moment(line.occurred_at)
    return [await line.to(desk, at), *await line.follows(desk, at)]


async def side_by_side(work: Iterable[Awaitable[Prepared]]) -> list[Prepared | Exception]:
    """Prepare many lines at once; a line that fails gives its error in its place."""
    found = await asyncio.gather(*work, return_exceptions=True)
    return [_expected(one) if isinstance(one, BaseException) else one for one in found]


def _expected(error: BaseException) -> Exception:
    if isinstance(error, Refused | Problem):
        return error
    raise error


async def look_up(desk: Desk, lines: Sequence[registry.Registration]) -> None:
    wanted = {
        "groups": "group_id",
        "projects": "project_id",
        "households": "household_id",
        "people": "person_id",
        "staff": "person_id",
    }
    for register, field in wanted.items():
        ids = (getattr(line, field, None) for line in lines)
        await desk.look_up(register, [id_ for id_ in ids if id_])


# Cases.


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
    command = await desk.reception(body, case_id, desk.moment(body.occurred_at))
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
    [first, *_] = await service.executor.store.facts_of(f"case-{case_id}")
    assert isinstance(first.fact, CaseReceived)  # noqa: S101 - every case begins with it
    answer = {"case_id": case_id, "number": first.fact.number}
    differing = await desk.differing(body, first.fact, first.occurred_at)
    to: Sequence[To] | Refused = ()
    if differing:
        to = Refused(
            "The case of this external ticket was received before, with other content in: "
            f"{', '.join(differing)}.",
            code="received_otherwise",
        )
    return await handle(request, principal, service.executor, to=to, answer=answer, status=200)


async def case_of(service: Intake, principal: Principal, case_id: str) -> Row:
    row = (await service.registers.entries("cases", [case_id])).get(case_id)
    if row is None or not principal.may(row["project_id"]):
        raise not_found("case of this ID")
    return row


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
        return await _act(request, principal, service, case_id, expected, body)

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
    at = desk.moment(said.occurred_at, after=case["received_at"])
    if isinstance(said, Link):
        await case_of(service, principal, said.other)
    if isinstance(said, Reopen) and _is_long_closed(case, at):
        to = await _beginning_anew(service, desk, case, at)
        case_id = to[0].stream.removeprefix("case-")
    else:
        to = [await _acting(desk, case, said, at, expected)]
    answer = _done(case_id, case["version"] if case_id == case["case_id"] else None)
    return await handle(request, principal, service.executor, to=to, answer=answer, status=200)


async def _acting(
    desk: Desk, case: Row, said: Action, at: datetime, expected: int | None = None
) -> To:
    case_id, project_id, household_id = (
        case[name] for name in ("case_id", "project_id", "household_id")
    )
    person_id = getattr(said, "person_id", None)  # most actions may name who did it
    if person_id is not None:
        await desk.staff(person_id)
    if isinstance(said, Correct) and said.household_id is not None:
        household_id = said.household_id
        await desk.household(household_id, project_id)
    if isinstance(said, Dispatch):
        department = await desk.department(said.department, project_id)
        said = said.model_copy(update={"department": department})
    subject = subject_of(case_id, household_id)
    speaking = desk.speaking(at, "steward", str(uuid7()), subject, project_id)
    return To(f"case-{case_id}", project_id, await said.command(speaking), expected=expected)


def _done(
    case_id: str, version: int | None = None
) -> Callable[[Sequence[Recorded]], Mapping[str, Any]]:
    def answer(facts: Sequence[Recorded]) -> Mapping[str, Any]:
        now = facts[-1].version if facts else version
        return {"case_id": case_id, "facts": [fact.type for fact in facts], "version": now}

    return answer


def _is_long_closed(case: Row, at: datetime) -> bool:
    closed_at = case["closed_at"]
    return closed_at is not None and at > closed_at + REOPENING and case["goes_on_in"] is None


async def _beginning_anew(service: Intake, desk: Desk, case: Row, at: datetime) -> list[To]:
    """Take in a new case for one that was closed too long ago to be reopened."""
    before, project_id = case["case_id"], case["project_id"]
    case_id = reopened_case_id(before, case["closed_at"])
    story = await service.executor.store.facts_of(f"case-{before}")
    received = await desk.reception_anew(story, case_id, project_id, case["household_id"], at)
    # What was so when it was first told is no longer so by itself.
    begins = received.model_copy(
        update=dict.fromkeys(
            ("external", "owner_requested_date", "posted_at", "handed_over_at", "moved_from")
        )
        | {"harm_ongoing": False}
    )
    link = CaseLinked(case_id=case_id, other=before, why="reopened_late")
    return [
        To(f"case-{case_id}", project_id, command)
        for command in (ReceiveCase(at, begins), Say(at, link))
    ]


for _name, _kind in ACTIONS.items():
    _add_action(_name, _kind)


Status = Literal[
    "open", "waiting", "handled", "told", "closed", "refused", "withdrawn", "merged", "moved_out"
]


class Asked(BaseModel):
    """How every list is asked for; what else is asked filters it."""

    since: str | None = None
    limit: Limit = 100

    @property
    def filters(self) -> dict[str, str]:
        """Give what was asked of the rows, by column."""
        return self.model_dump(mode="json", exclude={"since", "limit"}, exclude_none=True)


class AskedByProject(Asked):
    """Of one project, if it is named."""

    project_id: Name | None = None


class AskedZones(AskedByProject):
    """Of one steward, if they are named."""

    person_id: Name | None = None


class AskedCases(AskedByProject):
    """Of cases as they stand."""

    household_id: Name | None = None
    kind: Kind | None = None
    status: Status | None = None
    severity: Severity | None = None
    owner_id: Name | None = None
    department: Word | None = None


# Several cases at once.


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
    case = await case_of(service, principal, case_id)
    into = await case_of(service, principal, body.into)
    if case["project_id"] != into["project_id"]:
        raise invalid("The two cases belong to different projects: move one of them first.")
    at = open_desk(service).moment(body.occurred_at, after=case["received_at"])
    merge = MergeCase(at, body.into, body.person_id)
    absorb = AbsorbCase(
        at,
        case_id,
        Kind(case["kind"]),
        min(case["received_at"], into["received_at"]),
        Severity(case["severity"]) if case["severity"] else None,
    )
    # What is taken over was read before: nobody may change it meanwhile.
    seen = case["version"] if expected is None else expected
    to = [
        To(f"case-{case_id}", case["project_id"], merge, expected=seen),
        To(f"case-{body.into}", into["project_id"], absorb),
    ]
    answer = _done(body.into, into["version"])
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
    """Let the case go on in the project to which it belongs, received when it was received here."""
    case = await case_of(service, principal, case_id)
    principal.demand(body.to_project)
    if case["project_id"] == body.to_project:
        raise invalid("The case belongs to this project already.")
    desk = open_desk(service)
    at = desk.moment(body.occurred_at, after=case["received_at"])
    to_case = next_case_id(case_id, f"moved|{body.to_project}")
    first = case["received_at"]
    story = await service.executor.store.facts_of(f"case-{case_id}")
    received = await desk.reception_anew(story, to_case, body.to_project, body.household_id, first)
    received = received.model_copy(
        update={"moved_from": case_id, "harm_ongoing": case["harm_ongoing"]}
    )
    move = MoveCase(at, body.to_project, to_case, body.reason, body.person_id)
    seen = case["version"] if expected is None else expected
    to = [
        To(f"case-{case_id}", case["project_id"], move, expected=seen),
        To(f"case-{to_case}", body.to_project, ReceiveCase(first, received)),
    ]
    return await handle(
        request, principal, service.executor, to=to, answer=_done(to_case), status=200
    )


@router.post("/v1/cases/bulk")
async def post_bulk(
    request: Request,
    principal: Annotated[Principal, Depends(require("case.bulk"))],
    service: Served,
    body: Bulk,
) -> Response:
    """Say one thing of many cases; each has its result, and one bad line stops no other."""
    key = idempotency_key(request)
    [name] = [name for name, kind in ACTIONS.items() if isinstance(body.say, kind)]
    if not principal.can(f"case.{name}"):
        raise Problem(403, "forbidden", f"Your key does not allow “case.{name}”.")
    desk = open_desk(service)
    said = body.say.model_copy(update={"reason": body.reason})
    fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    cases = await service.registers.entries("cases", body.case_ids)
    found = await side_by_side(
        _acting_on(desk, principal, cases.get(case_id), said) for case_id in body.case_ids
    )
    results: dict[int, dict[str, Any]] = {}
    jobs: dict[int, Job] = {}
    for place, (case_id, to) in enumerate(zip(body.case_ids, found, strict=True)):
        if isinstance(to, Exception):
            results[place] = error_of(to)
            continue
        mark = ForeignMark("http", principal.id, f"{key}|{place}", to.stream, fingerprint)
        answer = _answer(to_json({"case_id": case_id}))
        jobs[place] = Job(cause_of(request), always([to]), mark, answer=answer)
    results |= await _results(service.executor, jobs)
    return JSONResponse(
        {
            "results": [
                {"case_id": case_id, **results[place]}
                for place, case_id in enumerate(body.case_ids)
            ]
        }
    )


async def _acting_on(desk: Desk, principal: Principal, case: Row | None, said: Action) -> To:
    if case is None or not principal.may(case["project_id"]):
        raise not_found("case of this ID")
    return await _acting(desk, case, said, desk.moment(said.occurred_at, after=case["received_at"]))


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
    return page_of(rows, KEYS["cases"], asked.since, asked.limit, _shown)


@router.get("/v1/cases/{case_id}/suggestion")
async def get_suggestion(principal: Reader, service: Served, case_id: str) -> Response:
    """Show how often the matter was raised before; twice and unresolved, major is suggested."""
    case = await case_of(service, principal, case_id)
    received_at = case["received_at"]
    earlier: Sequence[Row] = ()
    if case["household_id"] and case["topic"]:
        earlier = await service.registers.cases_of(
            case["household_id"], case["topic"], twelve_months_before(received_at), received_at
        )
    mentions = [
        *({"case_id": row["case_id"], "number": row["number"], "times": 1 + row["chased"],
           "received_at": row["received_at"].isoformat()} for row in earlier),
        *([{"case_id": case_id, "number": case["number"], "times": case["chased"],
            "received_at": received_at.isoformat()}] if case["chased"] else []),
    ]  # fmt: skip
    times = sum(mention["times"] for mention in mentions)
    unmet = case["kind"] == Kind.COMPLAINT and case["status"] in ("open", "waiting")
    return JSONResponse(
        {
            "case_id": case_id,
            "earlier_mentions": times,
            "mentions": mentions,
            "suggested_severity": Severity.MAJOR if unmet and times >= MENTIONS else None,
            "rule": "RM-4.4.1a",
        }
    )


@router.get("/v1/households/{household_id}/timeline")
async def get_timeline(
    principal: Reader,
    service: Served,
    household_id: str,
    asked: Annotated[Asked, Query()],
) -> Response:
    """Show a household's cases and what happened in them, the newest last."""
    household = (await service.registers.entries("households", [household_id])).get(household_id)
    if household is None or not principal.may(household["project_id"]):
        raise not_found("household of this ID")
    cases = await service.registers.cases_of(household_id)
    streams = {f"case-{case['case_id']}": 0 for case in cases}
    view = await service.executor.store.read(Reading(streams))
    after = cursor_of(asked.since)
    told = sorted(
        (
            (_place(fact), fact)
            for facts in view.facts.values()
            for fact in facts
            if after is None or _place(fact) > (after.changed_at, after.id)
        ),
        key=lambda each: each[0],
    )[: asked.limit]
    gone = await _erased_in(service, [fact for _, fact in told])
    return JSONResponse(
        {
            "household_id": household_id,
            "cases": [_shown(case) for case in cases],
            "items": [
                {"case_id": fact.stream.removeprefix("case-"), **_told(fact, gone)}
                for _, fact in told
            ],
            "next": str(Cursor(*told[-1][0])) if told else asked.since,
            "more": len(told) == asked.limit,
        }
    )


def _place(fact: Recorded) -> tuple[datetime, str]:
    return fact.recorded_at, f"{fact.stream}|{fact.version:09}"


@router.get("/v1/cases")
async def get_cases(
    principal: Reader, service: Served, asked: Annotated[AskedCases, Query()]
) -> Page:
    """List cases in the order of their last change; `since` is the `next` of an earlier answer."""
    return await listed(service, principal, "cases", asked)


async def listed(service: Intake, principal: Principal, register: str, asked: Asked) -> Page:
    """Answer with a page of a register; what is sealed in it is only named."""
    rows = await service.registers.listed(
        register, principal.listed(), asked.filters, cursor_of(asked.since), asked.limit
    )
    gone = await service.registers.erased(_subjects_of(rows))
    now = service.clock.now()

    def shown(row: Row) -> dict[str, Any]:
        begins = {"to_come": row["effective_from"] > now} if register == "policies" else {}
        return _shown(row, gone) | begins

    return page_of(rows, KEYS[register], asked.since, asked.limit, shown)


@router.get("/v1/cases/{case_id}")
async def get_case(principal: Reader, service: Served, case_id: str) -> Response:
    """Show a case as it stands; the ETag is its version."""
    case = await case_of(service, principal, case_id)
    return JSONResponse(_shown(case), headers={"ETag": etag(case["version"])})


@router.get("/v1/cases/{case_id}/facts")
async def get_facts(
    principal: Reader, service: Served, case_id: str, since: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """Show a case's story, whole or after the version `since`.

    What is sealed is only named, as `{"sealed": true}`, or as `{"erased": true}` once it was erased.
    """
    await case_of(service, principal, case_id)
    facts = await service.executor.store.facts_of(f"case-{case_id}")
    gone = await _erased_in(service, facts)
    return JSONResponse({"facts": [_told(fact, gone) for fact in facts if fact.version > since]})


REGISTERS: Mapping[str, type[Asked]] = {
    "groups": Asked,
    "projects": AskedByProject,
    "departments": AskedByProject,
    "households": AskedByProject,
    "people": AskedByProject,
    "staff": Asked,
    "roles": AskedByProject,
    "zones": AskedZones,
    "policies": AskedByProject,
}
KEYS = {
    "groups": "group_id",
    "projects": "project_id",
    "departments": "department_id",
    "households": "household_id",
    "people": "person_id",
    "staff": "person_id",
    "roles": "project_id|role|person_id",
    "zones": "zone_id",
    "policies": "pack|version",
    "cases": "case_id",
    "erasures": "subject",
}
"""What tells the rows of each list apart."""


def _add_list(register: str, kind: type[Asked]) -> None:
    guard = require("registry.read")

    async def list_entries(
        principal: Annotated[Principal, Depends(guard)],
        service: Served,
        asked: Annotated[kind, Query()],  # type: ignore[valid-type]
    ) -> Page:
        return await listed(service, principal, register, asked)

    list_entries.__doc__ = (
        f"List {register} in the order of their last change; go on with `next` as `since`."
    )
    list_entries.__name__ = f"get_{register}"
    router.add_api_route(f"/v1/{register}", list_entries, methods=["GET"])


for _register_name, _asked in REGISTERS.items():
    _add_list(_register_name, _asked)


# History.


@router.post("/v1/imports")
async def post_imports(
    request: Request, principal: Historian, service: Served, body: Lines[Record]
) -> Response:
    """Import cases' pasts with their own times; each record is taken whole and once, by its ID."""
    idempotency_key(request)  # asked for as of every write, though each record has an ID
    read, results = _read(body)
    records = list(read.values())
    desk = open_desk(service)
    await desk.look_up("projects", [record.project_id for record in records])
    receptions = [
        said for record in records for said in record.facts if isinstance(said, Reception)
    ]
    await desk.look_up(
        "households", [said.household_id for said in receptions if said.household_id]
    )
    await desk.look_up("staff", [said.received_by for said in receptions if said.received_by])
    # In one commit, where each key would otherwise be made by itself.
    await service.sealer.hold(
        record_subject(record) for record in records if principal.may(record.project_id)
    )
    numbers = []
    for said in receptions:
        project = await desk.entry("projects", said.project_id)
        if project is not None and said.occurred_at is not None:
            numbers.append((said.project_id, year_of(project, said.occurred_at)))
    await desk.reserve(numbers)
    jobs: dict[int, Job] = {}
    found = await side_by_side(_importing(desk, principal, record) for record in records)
    for (place, record), commands in zip(read.items(), found, strict=True):
        if isinstance(commands, Exception):
            results[place] = error_of(commands)
            continue
        mark = ForeignMark(
            "import",
            record.external.source,
            record.id,
            commands[0].stream,
            hashlib.sha256(record.model_dump_json().encode()).hexdigest(),
        )
        answer = to_json({"id": record.id, "case_id": external_case_id(record.external)})
        cause = cause_of(request, history=record.history_until)
        jobs[place] = Job(cause, always(commands), mark, answer=_answer(answer))
    results |= await _results(service.executor, jobs)
    said = await request.json()
    return JSONResponse(
        {"results": [_named(line) | results[place] for place, line in enumerate(said)]}
    )


def _named(line: Any) -> dict[str, Any]:
    """Give the ID of a record as it was sent, so that its result is known also where it is wrong."""
    id_ = line.get("id") if isinstance(line, dict) else None
    return {"id": id_} if isinstance(id_, str) else {}


async def _importing(desk: Desk, principal: Principal, record: Record) -> list[To]:
    principal.demand(record.project_id)
    return await desk.past(record)


def cause_of(request: Request, history: datetime | None = None) -> Cause:
    return Cause(
        id=uuid7(),
        consumer="http" if history is None else "import",
        correlation_id=getattr(request.state, "correlation_id", ""),
        history=history,
        # A record is committed whole, so that its stream is live again when anybody sees it.
        ends_history=history is not None,
    )


def always(commands: list[To]) -> Callable[[], list[To]]:
    return lambda: commands


def _answer(said: bytes) -> Callable[[Sequence[Recorded]], bytes]:
    return lambda _: said


async def _results(executor: Executor, jobs: Mapping[int, Job]) -> dict[int, dict[str, Any]]:
    """Run the lines together and say of each what became of it."""
    outcomes = await executor.execute_batch(list(jobs.values()))
    results: dict[int, dict[str, Any]] = {}
    for place, outcome in zip(jobs, outcomes, strict=True):
        match outcome:
            case Applied(facts, answer):
                results[place] = {**from_json(answer or b"{}"), "facts": len(facts)}
            case Repeated(answer):
                results[place] = {**from_json(answer or b"{}"), "facts": 0, "repeated": True}
            case Parked(reason, _):
                results[place] = {"error": reason}
            case NotDone(error):
                results[place] = error_of(error)
    return results


def error_of(error: Exception) -> dict[str, Any]:
    problem = problem_of(error)
    if problem is None:
        raise error
    said = {"error": problem.detail, "code": problem.code}
    return said | ({"rule": error.rule} if isinstance(error, Refused) and error.rule else {})


# Showing.


_SEALED_COLUMNS = {"address", "name", "phone", "email"}
_LONG_COLUMNS = {"text"}


def _shown(row: Row, gone: Collection[str] = ()) -> dict[str, Any]:
    """Give a row for a reader: what is sealed is only named, revealing it is another matter."""
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else _named_if_sealed(row, name, gone)
        for name, value in row.items()
        if name not in _LONG_COLUMNS
    }


def _named_if_sealed(row: Row, name: str, gone: Collection[str]) -> Any:
    sealed = _sealed_at(row, name)
    return row[name] if sealed is None else _name_of(sealed, gone)


def _sealed_at(row: Row, name: str) -> Sealed | None:
    value = row.get(name)
    if name in _SEALED_COLUMNS and isinstance(value, str) and value.startswith('{"subject"'):
        return Sealed.model_validate_json(value)
    return None


def _name_of(sealed: Sealed, gone: Collection[str]) -> dict[str, bool]:
    return {"erased": True} if sealed.subject in gone else {"sealed": True}


def _subjects_of(rows: Iterable[Row]) -> set[str]:
    return {
        sealed.subject
        for row in rows
        for name in _SEALED_COLUMNS
        if (sealed := _sealed_at(row, name)) is not None
    }


async def _erased_in(service: Intake, facts: Iterable[Recorded]) -> frozenset[str]:
    subjects = {sealed.subject for fact in facts for sealed in sealed_values(fact.fact)}
    return await service.registers.erased(subjects)


def _told(recorded: Recorded, gone: Collection[str]) -> dict[str, Any]:
    data = recorded.fact.model_dump(mode="json") if recorded.fact else {}
    if recorded.fact is not None:
        data |= {
            name: _name_of(value, gone)
            for name, value in recorded.fact
            if isinstance(value, Sealed)
        }
    return {
        "id": str(recorded.id),
        "type": recorded.type,
        "version": recorded.version,
        "occurred_at": recorded.occurred_at.isoformat(),
        "recorded_at": recorded.recorded_at.isoformat(),
        "known_at": recorded.known_at.isoformat(),
        "history": recorded.history.isoformat() if recorded.history else None,
        "rules": list(type(recorded.fact).rules) if recorded.fact else [],
        "data": data,
    }
