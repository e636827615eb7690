"""Visits over HTTP: written down, struck and listed, and what each person owes of them a month."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from uuid_utils.compat import uuid7

from steward_events.sealed import Sealed
from steward_events.visits import VisitDone
from steward_events.vocabulary import Clear, Id, Mode, Moment, Several, Topic
from steward_eventstore.execute import To
from steward_service.auth import Principal, require
from steward_service.lists import Limit, Month, Page, cursor_of, page_of
from steward_service.problems import Problem, not_found
from steward_visits.api.http import carry_out
from steward_visits.application.ports import Registers, Row, VisitList
from steward_visits.application.reactions import ledger_of, subject_of
from steward_visits.domain.ledger import RecordVisit, StrikeVisit

Reader = Annotated[Principal, Depends(require("visit.read"))]
Writer = Annotated[Principal, Depends(require("visit.write"))]
Text = Annotated[str, Field(max_length=4000)]
VisitMode = Literal[
    Mode.PHONE, Mode.ON_SITE, Mode.OUTDOORS, Mode.OFFICE, Mode.QUESTIONNAIRE, Mode.OTHER
]
"""How a household is visited (CV-9.2, HV-4.3.1); a letter is no visit."""
TEXTS = ("content", "feedback", "measures")
"""What is personal in a visit."""


class Visited(BaseModel):
    """A household was visited."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    household_id: Id
    person_id: Id
    mode: VisitMode
    topics: Annotated[Several[list[Topic]], Field(max_length=len(Topic))] = []
    content: Text = ""
    feedback: Text = ""
    measures: Text = ""
    case_id: Id | None = None
    """The case that it raised; visits may not have heard of it yet, so that it is not looked up."""
    occurred_at: Moment | None = None
    """Now where it is left out; never in the future, and no further back than the policy says."""


class Mistaken(BaseModel):
    """A visit was written down by mistake."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Annotated[Clear, Field(min_length=1)]
    person_id: Id | None = None


class Quota(BaseModel):
    """How many households a person owes a visit in a month, and how many were visited."""

    project_id: str
    person_id: str
    role: str
    quota: str
    rule: list[str]
    policy: str
    required: int
    counted: int
    missing: int
    status: Literal["running", "reached", "missed", "waived"]
    by: Moment
    reached_at: Moment | None


class Quotas(BaseModel):
    """What is owed in a month, person by person."""

    month: str
    items: list[Quota]


def router(visits: Callable[[], VisitList], registers: Callable[[], Registers]) -> APIRouter:
    """Give the routes; the lists and the registers are asked for with each request."""
    routes = APIRouter(prefix="/v1", tags=["visits"])

    @routes.post("/visits", status_code=201)
    async def done(request: Request, principal: Writer, said: Visited) -> Response:
        """Write down that a household was visited (CV-9.3.2e)."""
        project_id = await registers().project_of(said.household_id)
        if project_id is None or not principal.may(project_id):
            raise not_found(f"household {said.household_id}")
        service = request.app.state.service
        now = service.clock.now()
        at = said.occurred_at or now
        if at > now:
            raise Problem(422, "future", "A visit cannot have been made in the future.")
        subject = subject_of("", said.household_id)
        sealed: dict[str, Sealed] = {
            name: await service.sealer.seal(subject, name, text)
            for name in TEXTS
            if (text := getattr(said, name))
        }
        visit = VisitDone(
            visit_id=str(uuid7()),
            project_id=project_id,
            household_id=said.household_id,
            person_id=said.person_id,
            month="",  # the ledger knows the zone in which it is one
            visited_at=at,
            mode=said.mode,
            topics=tuple(dict.fromkeys(said.topics)),
            case_id=said.case_id,
            **sealed,
        )
        answer = {"visit_id": visit.visit_id}
        to = To(ledger_of(project_id), project_id, RecordVisit(at, visit, now))
        return await carry_out(
            request, principal, registers(), project_id, said.person_id, lambda _: to, answer, 201
        )

    @routes.post("/visits/{visit_id}/strike")
    async def strike(request: Request, principal: Writer, visit_id: Id, said: Mistaken) -> Response:
        """Take back a visit that was written down by mistake: it counts no longer."""
        row = await _one(visits(), principal, visit_id)
        now = request.app.state.service.clock.now()
        command = StrikeVisit(
            now, visit_id, row["person_id"], row["month"], said.reason, said.person_id
        )
        project_id = row["project_id"]
        to = To(ledger_of(project_id), project_id, command)
        answer = {"visit_id": visit_id}
        return await carry_out(
            request, principal, registers(), project_id, said.person_id, lambda _: to, answer
        )

    @routes.get("/visits")
    async def listed(
        principal: Reader,
        project_id: Id | None = None,
        person_id: Id | None = None,
        household_id: Id | None = None,
        month: Month | None = None,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Page:
        """List visits in the order of their last change; go on with `next` as `since`."""
        rows = await visits().listed(
            principal.listed(project_id),
            person_id=person_id,
            household_id=household_id,
            month=month,
            since=cursor_of(since),
            limit=limit,
        )
        return page_of(rows, "visit_id", since, limit, _shown)

    @routes.get("/visits/{visit_id}")
    async def one(principal: Reader, visit_id: Id) -> dict[str, Any]:
        """Give one visit, without what was said in it."""
        return _shown(await _one(visits(), principal, visit_id))

    @routes.get("/quotas")
    async def quotas(
        principal: Reader, month: Month, project_id: Id | None = None, person_id: Id | None = None
    ) -> Quotas:
        """Say how many households each person owes a visit in a month (CV-9.1a..c)."""
        rows = await visits().quotas(principal.listed(project_id), month, person_id)
        return Quotas(month=month, items=[_quota(row) for row in rows])

    return routes


async def _one(visits: VisitList, principal: Principal, visit_id: str) -> Row:
    row = await visits.one(visit_id)
    if row is None or not principal.may(row["project_id"]):
        raise not_found(f"visit {visit_id}")
    return row


def _shown(row: Row) -> dict[str, Any]:
    return {**row, "topics": row["topics"].split()}


def _quota(row: Row) -> Quota:
    missing = max(0, row["required"] - row["counted"])
    return Quota.model_validate({**row, "rule": row["rule"].split(), "missing": missing})
