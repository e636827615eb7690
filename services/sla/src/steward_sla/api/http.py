"""Clocks and escalations over HTTP: what runs, what is late, who was told, and who takes it over."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from steward_events.vocabulary import Id
from steward_eventstore.execute import To
from steward_service.auth import Principal, require
from steward_service.idempotency import handle
from steward_service.lists import Limit, Page, cursor_of, page_of
from steward_service.problems import not_found
from steward_sla.application.ports import ClockStatus, EscalationStatus, Lists, Row
from steward_sla.application.queries import compliance
from steward_sla.application.reactions import stream_of
from steward_sla.domain.clocks import AcknowledgeEscalation

ClockReader = Annotated[Principal, Depends(require("clock.read"))]
EscalationReader = Annotated[Principal, Depends(require("escalation.read"))]
Acknowledger = Annotated[Principal, Depends(require("escalation.acknowledge"))]
Month = Annotated[str, Query(pattern=r"^\d{4}-\d{2}$")]


class TakenOver(BaseModel):
    """Somebody takes a late case over."""

    model_config = ConfigDict(extra="forbid")

    person_id: Id


def router(lists: Callable[[], Lists]) -> APIRouter:
    """Give the routes; `lists` is asked for the lists with each request."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/clocks", tags=["clocks"])
    async def clocks(
        principal: ClockReader,
        project_id: Id | None = None,
        case_id: Id | None = None,
        status: ClockStatus | None = None,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Page:
        """List clocks in the order of their last change; go on with `next` as `since`."""
        rows = await lists().clocks(
            principal.listed(project_id),
            case_id=case_id,
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
        """Take an escalation over: nobody further up is told of this breach."""
        row = await lists().escalation(escalation_id)
        if row is None or not principal.may(row["project_id"]):
            raise not_found(f"escalation {escalation_id}")
        service = request.app.state.service
        command = AcknowledgeEscalation(service.clock.now(), escalation_id, said.person_id)
        return await handle(
            request,
            principal,
            service.executor,
            to=[To(stream_of(row["case_id"]), row["project_id"], command)],
            answer={"escalation_id": escalation_id},
            status=200,
        )

    return routes


def _shown(row: Row) -> dict[str, Any]:
    return {**row, "rule": row["rule"].split()}
