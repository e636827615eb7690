"""Clocks over HTTP: what runs, what is late, who was told and takes it over, and more time."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_events.vocabulary import Id, Moment, Role, Word
from steward_eventstore.execute import To
from steward_policy.ladder import TITLES, may_act
from steward_service.auth import Principal, require
from steward_service.idempotency import handle
from steward_service.lists import Limit, Month, Page, cursor_of, page_of
from steward_service.policies import Policies
from steward_service.problems import not_found
from steward_sla.application.ports import (
    Asked,
    ClockStatus,
    EscalationStatus,
    ExtensionStatus,
    Holder,
    LateBy,
    Lists,
    Row,
)
from steward_sla.application.queries import appraisal, compliance
from steward_sla.application.reactions import stream_of
from steward_sla.domain.clocks import (
    AcknowledgeEscalation,
    ApproveExtension,
    RefuseExtension,
    RequestExtension,
)

ClockReader = Annotated[Principal, Depends(require("clock.read"))]
EscalationReader = Annotated[Principal, Depends(require("escalation.read"))]
Acknowledger = Annotated[Principal, Depends(require("escalation.acknowledge"))]
ExtensionReader = Annotated[Principal, Depends(require("extension.read"))]
Asker = Annotated[Principal, Depends(require("extension.request"))]
Approver = Annotated[Principal, Depends(require("extension.decide"))]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
AT_ONCE = 500
"""What is done to many at once is done to so many."""


class TakenOver(BaseModel):
    """Somebody takes a late case over."""

    model_config = ConfigDict(extra="forbid")

    person_id: Id


class TakenOverTogether(TakenOver):
    """Somebody takes over what one message told of many cases of an incident."""

    incident: Id
    to: Role | None = None
    """Only what this role was told."""
    target: Word | None = None


class MoreTime(BaseModel):
    """Somebody asks for more time, with a reason and a date."""

    model_config = ConfigDict(extra="forbid")

    until: Moment
    reason: Reason
    asked_by: Id


class Decision(BaseModel):
    """Somebody decides on more time, in a role of theirs at the project."""

    model_config = ConfigDict(extra="forbid")

    person_id: Id
    role: Role


class _Filters(BaseModel):
    """Which clocks are asked for."""

    model_config = ConfigDict(extra="ignore")

    case_id: Id | None = None
    target: Word | None = None
    severity: Word | None = None
    role: Role | None = None
    """Who is told of it first when it is late."""
    person_id: Id | None = None
    """Who owns the case now."""
    department: Word | None = None
    """Which department has the case now."""
    provisional: bool | None = None


Filters = Annotated[_Filters, Depends()]
Hours = Annotated[float, Query(ge=0, le=24 * 31)]


def router(lists: Callable[[], Lists], policies: Policies) -> APIRouter:
    """Give the routes; `lists` is asked for the lists with each request, `policies` who is told."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/clocks", tags=["clocks"])
    async def clocks(
        principal: ClockReader,
        asked: Filters,
        project_id: Id | None = None,
        status: ClockStatus | None = None,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Page:
        """List clocks in the order of their last change; go on with `next` as `since`."""
        rows = await lists().clocks(
            principal.listed(project_id),
            asked=_of_role(asked, policies),
            status=status,
            since=cursor_of(since),
            limit=limit,
        )
        return page_of(rows, "id", since, limit, _shown)

    @routes.get("/compliance", tags=["clocks"])
    async def kept(
        principal: ClockReader, project_id: Id | None = None, month: Month | None = None
    ) -> dict[str, Any]:
        """Say for each target and month how often it was met, approved, breached (RM-3.2)."""
        counts = await lists().compliance(principal.listed(project_id), month=month)
        return {"items": compliance(counts)}

    @routes.get("/late", tags=["clocks"])
    async def late(
        request: Request,
        principal: ClockReader,
        asked: Filters,
        project_id: Id | None = None,
        hours: Hours = 0,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Page:
        """List what is late now, and what will be within so many hours; the latest first.

        `role` asks for what that role is told of when it is late.
        """
        now = request.app.state.service.clock.now()
        rows = await lists().late(
            principal.listed(project_id),
            asked=_of_role(asked, policies),
            before=now + timedelta(hours=hours),
            since=cursor_of(since),
            limit=limit,
        )

        def shown(row: Row) -> dict[str, Any]:
            told = _told(policies, row["policy"], row["target"])
            said = {**_shown(row), "late": row["due_at"] < now, "role": told}
            return {name: value for name, value in said.items() if name != "changed_at"}

        return page_of(rows, "id", since, limit, shown)

    @routes.get("/late/counts", tags=["clocks"])
    async def late_counts(
        request: Request,
        principal: ClockReader,
        by: LateBy = "project",
        project_id: Id | None = None,
        hours: Hours = 0,
    ) -> dict[str, Any]:
        """Count what is `late` now, and what will be within so many hours: `soon`.

        By role: of which role is told first when it is late.
        """
        now = request.app.state.service.clock.now()
        before = now + timedelta(hours=hours)
        rows = await lists().late_by(principal.listed(project_id), by, now=now, before=before)
        return {"items": _by_role(rows, policies) if by == "role" else rows}

    @routes.get("/appraisal", tags=["clocks"])
    async def appraised(
        request: Request,
        principal: ClockReader,
        by: Holder = "department",
        project_id: Id | None = None,
        month: Month | None = None,
    ) -> dict[str, Any]:
        """Give what became of complaints by who had them, and how long they were held (RM-4.11)."""
        projects, now = principal.listed(project_id), request.app.state.service.clock.now()
        outcomes = await lists().outcomes(projects, by, month=month)
        held = await lists().held(projects, by, month=month, now=now)
        return {"items": appraisal(outcomes, held, by)}

    @routes.post("/clocks/{case_id}/{clock}/extension", tags=["extensions"])
    async def ask_for_more_time(
        request: Request, principal: Asker, case_id: Id, clock: Word, asked: MoreTime
    ) -> Response:
        """Ask for more time before it is due (RM-4.10.1, RM-4.10.2)."""
        row = await lists().clock(case_id, clock)
        if row is None or not principal.may(row["project_id"]):
            raise not_found(f"clock {clock} of case {case_id}")
        service = request.app.state.service
        reason = await service.sealer.seal(f"case-{case_id}", "extension_reason", asked.reason)
        extension_id = str(uuid7())
        command = RequestExtension(
            service.clock.now(), extension_id, clock, asked.until, asked.asked_by, reason
        )
        return await handle(
            request,
            principal,
            service.executor,
            to=await _of_staff(
                lists(), asked.asked_by, To(stream_of(case_id), row["project_id"], command)
            ),
            answer={"extension_id": extension_id},
        )

    @routes.get("/extensions", tags=["extensions"])
    async def extensions(
        principal: ExtensionReader,
        project_id: Id | None = None,
        case_id: Id | None = None,
        status: ExtensionStatus | None = None,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Page:
        """List extensions in the order of their last change; go on with `next` as `since`."""
        rows = await lists().extensions(
            principal.listed(project_id),
            case_id=case_id,
            status=status,
            since=cursor_of(since),
            limit=limit,
        )
        return page_of(rows, "id", since, limit, _shown)

    async def decide(
        request: Request,
        principal: Principal,
        extension_id: str,
        said: Decision,
        kind: type[ApproveExtension] | type[RefuseExtension],
    ) -> Response:
        row = await lists().extension(extension_id)
        if row is None or not principal.may(row["project_id"]):
            raise not_found(f"extension {extension_id}")
        service = request.app.state.service
        at, place = service.clock.now(), row["project_id"]
        command = kind(at, extension_id, said.person_id, said.role)
        to = To(stream_of(row["case_id"]), place, command)
        return await handle(
            request,
            principal,
            service.executor,
            to=await _in_role(lists(), said.person_id, place, said.role, at, to),
            answer={"extension_id": extension_id},
            status=200,
        )

    @routes.post("/extensions/{extension_id}/approve", tags=["extensions"])
    async def approve(
        request: Request, principal: Approver, extension_id: Id, said: Decision
    ) -> Response:
        """Agree to more time; it takes effect when the owner has been told the new date."""
        return await decide(request, principal, extension_id, said, ApproveExtension)

    @routes.post("/extensions/{extension_id}/refuse", tags=["extensions"])
    async def refuse(
        request: Request, principal: Approver, extension_id: Id, said: Decision
    ) -> Response:
        """Do not agree to more time."""
        return await decide(request, principal, extension_id, said, RefuseExtension)

    @routes.get("/escalations", tags=["escalations"])
    async def escalations(
        principal: EscalationReader,
        project_id: Id | None = None,
        case_id: Id | None = None,
        status: EscalationStatus | None = None,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Page:
        """List escalations in the order of their last change; go on with `next` as `since`."""
        rows = await lists().escalations(
            principal.listed(project_id),
            case_id=case_id,
            status=status,
            since=cursor_of(since),
            limit=limit,
        )
        return page_of(rows, "id", since, limit, _shown)

    @routes.post("/escalations/{escalation_id}/acknowledge", tags=["escalations"])
    async def acknowledge(
        request: Request, principal: Acknowledger, escalation_id: Id, said: TakenOver
    ) -> Response:
        """Take an escalation over, with all others of its breach; nobody further up is told.

        What somebody else has taken over before is refused, and says who.
        """
        row = await lists().escalation(escalation_id)
        if row is None or not principal.may(row["project_id"]):
            raise not_found(f"escalation {escalation_id}")
        service = request.app.state.service
        at, place = service.clock.now(), row["project_id"]
        command = AcknowledgeEscalation(at, escalation_id, said.person_id, alone=True)
        to = To(stream_of(row["case_id"]), place, command)

        def answer(facts: Sequence[Recorded]) -> dict[str, Any]:
            has_it = said.person_id if facts else row["person_id"]
            return {"escalation_id": escalation_id, "person_id": has_it}

        return await handle(
            request,
            principal,
            service.executor,
            to=await _in_role(lists(), said.person_id, place, Role(row["to"]), at, to),
            answer=answer,
            status=200,
        )

    @routes.post("/escalations/acknowledge", tags=["escalations"])
    async def acknowledge_together(
        request: Request, principal: Acknowledger, said: TakenOverTogether
    ) -> Response:
        """Take over what is open of an incident's cases, 500 at a time; each is told by itself."""
        service = request.app.state.service
        at, roles = service.clock.now(), Role if said.to is None else [said.to]
        told: dict[str, list[Role]] = {}
        for project in filter(principal.may, await lists().projects_of_incident(said.incident)):
            theirs = await lists().acting(said.person_id, project, at)
            told[project] = [role for role in roles if may_act(theirs, role)]
        rows, total = await lists().open_of_incident(
            said.incident, told=told, target=said.target, limit=AT_ONCE
        )
        commands = [
            To(
                stream_of(row["case_id"]),
                row["project_id"],
                AcknowledgeEscalation(at, row["escalation_id"], said.person_id),
            )
            for row in rows
        ]
        to: Sequence[To] | Refused = commands
        if not await lists().is_staff(said.person_id, told):
            to = no_staff(said.person_id)
        elif not rows:
            to = Refused(
                f"Nothing of the incident {said.incident} is open that “{said.person_id}” may take over.",
                code="not_found",
            )
        answer = {"acknowledged": len(rows), "left": total - len(rows)}
        return await handle(request, principal, service.executor, to=to, answer=answer, status=200)

    return routes


async def _in_role(
    lists: Lists, person_id: str, project_id: str, role: Role, at: datetime, to: To
) -> Sequence[To] | Refused:
    """Give what a person says in a role as a write; refuses who does not act in it there."""
    if not await lists.is_staff(person_id, [project_id]):
        return no_staff(person_id)
    if not may_act(await lists.acting(person_id, project_id, at), role):
        return Refused(
            f"“{person_id}” does not act as {TITLES[role][1]} or above at “{project_id}”."
        )
    return [to]


async def _of_staff(lists: Lists, person_id: str, to: To) -> Sequence[To] | Refused:
    """Give what a person says as a write; refuses who is no staff of the project's group."""
    return [to] if await lists.is_staff(person_id, [to.key]) else no_staff(person_id)


def no_staff(person_id: str, where: str = "of the project's group") -> Refused:
    """Refuse whoever is named and is no staff there: another group's as unknown ones."""
    named = f"member of staff “{person_id}” {where}".rstrip()
    return Refused(f"There is no {named}.", code="not_found")


def _of_role(asked: _Filters, policies: Policies) -> Asked:
    said = asked.model_dump(exclude={"role"})
    if asked.role is None:
        return Asked(**said)
    of = [
        (rules.version, target.id)
        for rules in policies.known()
        for target in rules.targets
        if _told(policies, rules.version, target.id) == asked.role
    ]
    return Asked(**said, of=of)


def _told(policies: Policies, policy: str, target: str) -> str | None:
    """Name the role that is told first when a target is late."""
    rules = policies.get(policy)
    found = rules.by_id.get(target) if rules is not None else None
    steps = found.escalate if found is not None else ()
    return next((str(step.to) for step in steps if step.at == "breach"), None)


def _by_role(rows: Sequence[Row], policies: Policies) -> list[dict[str, Any]]:
    """Add up what one role is told of, by the versions' targets; of some nobody is told."""
    late, soon = Counter[str](), Counter[str]()
    for row in rows:
        role = _told(policies, row["version"], row["target"]) or ""
        late[role] += row["late"]
        soon[role] += row["soon"]
    return [{"role": role, "late": late[role], "soon": soon[role]} for role in sorted(late)]


def _shown(row: Row) -> dict[str, Any]:
    return {**row, "rule": row["rule"].split()}
