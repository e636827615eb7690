"""Follow-ups over HTTP: the list of what is owed, and what people say about it."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from steward_decider import Command, Refused
from steward_events.sealed import Sealed
from steward_events.visits import FollowupDone
from steward_events.vocabulary import Clear, Id, Mode, Moment, Role
from steward_eventstore.execute import To
from steward_service.auth import Principal, require
from steward_service.idempotency import handle
from steward_service.lists import Limit, Month, Page, cursor_of, page_of
from steward_service.problems import Problem, not_found
from steward_visits.application.ports import FollowupList, Registers, Row
from steward_visits.application.reactions import stream_of, subject_of
from steward_visits.domain.followups import RecordFollowUp, WaiveFollowUp

Status = Literal["owed", "overdue", "done", "waived"]
Reader = Annotated[Principal, Depends(require("followup.read"))]
Writer = Annotated[Principal, Depends(require("followup.write"))]


class Made(BaseModel):
    """A follow-up was made."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    mode: Mode
    person_id: Id | None = None
    satisfied: bool | None = None
    remark: str | None = Field(None, max_length=4000)
    made_at: Moment | None = None
    """Now where it is left out; never in the future, and no further back than the policy says."""


class Waived(BaseModel):
    """A follow-up is owed no longer."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Annotated[Clear, Field(min_length=1)]
    person_id: Id | None = None


class Rate(BaseModel):
    """How the follow-ups of one rule that fell due in a month ended.

    `rate` is done of all that were not waived; None where there were none.
    """

    rule: str
    owed: int
    done: int
    in_time: int
    waived: int
    overdue: int
    target: float
    rate: float | None


class Rates(BaseModel):
    """The rates of a month, by rule; a follow-up that answers two rules counts for each."""

    month: str
    items: list[Rate]


def router(followups: Callable[[], FollowupList], registers: Callable[[], Registers]) -> APIRouter:
    """Give the routes; the list and the registers are asked for with each request."""
    routes = APIRouter(prefix="/v1/followups", tags=["follow-ups"])

    @routes.get("")
    async def listed(
        principal: Reader,
        project_id: Id | None = None,
        case_id: Id | None = None,
        status: Status | None = None,
        due_before: Moment | None = None,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Page:
        """List follow-ups in the order of their last change; go on with `next` as `since`."""
        rows = await followups().listed(
            principal.listed(project_id),
            status=status,
            case_id=case_id,
            due_before=due_before,
            since=cursor_of(since),
            limit=limit,
        )
        return page_of(rows, "followup_id", since, limit, _shown)

    @routes.get("/rates")
    async def rates(principal: Reader, month: Month, project_id: Id | None = None) -> Rates:
        """Say what part of the follow-ups of a month was made, by rule (FU-4.1.2.3a, RM-4.6.4a)."""
        rows = await followups().rates(principal.listed(project_id), month)
        return Rates(month=month, items=[_rate(row) for row in rows])

    async def said_by(
        request: Request,
        principal: Principal,
        row: Row,
        person_id: str | None,
        command: Callable[[frozenset[Role]], Command],
    ) -> Response:
        project_id, stream = row["project_id"], stream_of(row["case_id"])
        return await carry_out(
            request,
            principal,
            registers(),
            project_id,
            person_id,
            lambda roles: To(stream, project_id, command(roles)),
            {"followup_id": row["followup_id"]},
        )

    @routes.get("/{followup_id}")
    async def one(principal: Reader, followup_id: Id) -> dict[str, Any]:
        """Give one follow-up."""
        return _shown(await _one(followups(), principal, followup_id))

    @routes.post("/{followup_id}/done")
    async def done(request: Request, principal: Writer, followup_id: Id, said: Made) -> Response:
        """Record that a follow-up was made (FU-5.1)."""
        row = await _one(followups(), principal, followup_id)
        service = request.app.state.service
        remark = None
        if said.remark:
            remark = await _remark_before(service, row, said.remark) or await service.sealer.seal(
                subject_of(row["case_id"], row["household_id"]), "remark", said.remark
            )
        now = service.clock.now()
        if said.made_at is not None and said.made_at > now:
            raise Problem(422, "future", "A follow-up cannot have been made in the future.")
        made_at = said.made_at or now

        def command(roles: frozenset[Role]) -> Command:
            return RecordFollowUp(
                made_at,
                followup_id,
                said.mode,
                said.person_id,
                said.satisfied,
                remark,
                roles,
                now,
            )

        return await said_by(request, principal, row, said.person_id, command)

    @routes.post("/{followup_id}/waive")
    async def waive(request: Request, principal: Writer, followup_id: Id, said: Waived) -> Response:
        """Owe a follow-up no longer, for a reason."""
        row = await _one(followups(), principal, followup_id)
        now = request.app.state.service.clock.now()
        command = WaiveFollowUp(now, followup_id, said.reason, said.person_id)
        return await said_by(request, principal, row, said.person_id, lambda _: command)

    return routes


async def carry_out(
    request: Request,
    principal: Principal,
    registers: Registers,
    project_id: str,
    person_id: str | None,
    to: Callable[[frozenset[Role]], To],
    answer: dict[str, str],
    status: int = 200,
) -> Response:
    """Carry out what a person says, once it is known who they are and what roles they hold."""
    commands: Sequence[To] | Refused
    try:
        commands = [to(await roles_at(registers, person_id, project_id))]
    except Refused as refused:
        commands = refused
    return await handle(
        request,
        principal,
        request.app.state.service.executor,
        to=commands,
        answer=answer,
        status=status,
    )


async def _one(followups: FollowupList, principal: Principal, followup_id: str) -> Row:
    row = await followups.one(followup_id)
    if row is None or not principal.may(row["project_id"]):
        raise not_found(f"follow-up {followup_id}")
    return row


async def _remark_before(service: Any, row: Row, text: str) -> Sealed | None:
    """Give the seal of a remark that was told before, so that a repeat is known again."""
    if row["status"] != "done":
        return None
    for recorded in await service.executor.store.facts_of(stream_of(row["case_id"])):
        match recorded.fact:
            case FollowupDone(followup_id=id_, remark=Sealed() as remark) if (
                id_ == row["followup_id"] and await service.sealer.unseal(remark) == text
            ):
                return remark
    return None


async def roles_at(registers: Registers, person_id: str | None, project_id: str) -> frozenset[Role]:
    """Give the roles of whoever is named; refuses who is no staff of the project's group."""
    if person_id is None:
        return frozenset()
    if not await registers.is_staff(person_id, project_id):
        raise Refused(
            f"There is no member of staff “{person_id}” of the project's group.", code="not_found"
        )
    return await registers.roles_of(person_id, project_id)


def _rate(row: Row) -> Rate:
    counting = row["owed"] - row["waived"]
    return Rate(**row, rate=round(row["done"] / counting, 4) if counting else None)


def _shown(row: Row) -> dict[str, Any]:
    return {**row, **{name: row[name].split() for name in ("rule", "modes", "roles")}}
