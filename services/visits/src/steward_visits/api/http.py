"""Follow-ups over HTTP: the list of what is owed, and what people say about it."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from steward_decider import Command
from steward_events.vocabulary import Id, Mode, Moment, Word
from steward_eventstore.execute import To
from steward_service.auth import Principal, require
from steward_service.idempotency import handle
from steward_service.lists import Limit, Page, cursor_of, page_of
from steward_service.problems import Problem, not_found
from steward_visits.application.ports import FollowupList, Row
from steward_visits.application.reactions import stream_of, subject_of
from steward_visits.domain.followups import RecordFollowUp, WaiveFollowUp

Status = Literal["owed", "overdue", "done", "waived"]
Reader = Annotated[Principal, Depends(require("followup.read"))]
Writer = Annotated[Principal, Depends(require("followup.write"))]


class Made(BaseModel):
    """A follow-up was made."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode
    person_id: Id | None = None
    satisfied: bool | None = None
    remark: str | None = Field(None, max_length=4000)
    made_at: Moment | None = None
    """Now where it is left out; never in the future."""


class Waived(BaseModel):
    """A follow-up is owed no longer."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Word, Field(min_length=1)]
    person_id: Id | None = None


def router(followups: Callable[[], FollowupList]) -> APIRouter:
    """Give the routes; `followups` is asked for the list with each request."""
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
            remark = await service.sealer.seal(
                subject_of(row["case_id"], row["household_id"]), "remark", said.remark
            )
        now = service.clock.now()
        if said.made_at is not None and said.made_at > now:
            raise Problem(422, "future", "A follow-up cannot have been made in the future.")
        command = RecordFollowUp(
            said.made_at or now, followup_id, said.mode, said.person_id, said.satisfied, remark
        )
        return await _carry_out(request, principal, row, command)

    @routes.post("/{followup_id}/waive")
    async def waive(request: Request, principal: Writer, followup_id: Id, said: Waived) -> Response:
        """Owe a follow-up no longer, for a reason."""
        row = await _one(followups(), principal, followup_id)
        now = request.app.state.service.clock.now()
        command = WaiveFollowUp(now, followup_id, said.reason, said.person_id)
        return await _carry_out(request, principal, row, command)

    return routes


async def _carry_out(
    request: Request, principal: Principal, row: Row, command: Command
) -> Response:
    return await handle(
        request,
        principal,
        request.app.state.service.executor,
        to=[To(stream_of(row["case_id"]), row["project_id"], command)],
        answer={"followup_id": row["followup_id"]},
        status=200,
    )


async def _one(followups: FollowupList, principal: Principal, followup_id: str) -> Row:
    row = await followups.one(followup_id)
    if row is None or not principal.may(row["project_id"]):
        raise not_found(f"follow-up {followup_id}")
    return row


def _shown(row: Row) -> dict[str, Any]:
    return {**row, "rule": row["rule"].split()}
