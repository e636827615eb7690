"""The import of history: cases' pasts with their own times."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic_core import to_json
from starlette.responses import JSONResponse, Response

from steward_eventstore.execute import Job, To
from steward_eventstore.port import ForeignMark
from steward_intake.api.by_line import always_said, error_of, read_lines, results_of, side_by_side
from steward_intake.api.http import Served, always, cause_of, open_desk
from steward_intake.application.actions import Record
from steward_intake.application.desk import Desk, external_case_id, record_subject, year_of
from steward_intake.application.words import Reception
from steward_service.auth import Principal, require
from steward_service.idempotency import idempotency_key
from steward_service.lines import Lines

CONSUMER = "import"
"""By which records are remembered, for good: a past that comes again changes nothing."""

router = APIRouter()
Historian = Annotated[Principal, Depends(require("history.import"))]


@router.post("/v1/imports")
async def post_imports(
    request: Request, principal: Historian, service: Served, body: Lines[Record]
) -> Response:
    """Import cases' pasts with their own times; each record is taken whole and once, by its ID."""
    idempotency_key(request)  # asked for as of every write, though each record has an ID
    read, results = read_lines(body)
    records = list(read.values())
    desk = open_desk(service)
    await desk.look_up("projects", [record.project_id for record in records])
    await desk.look_up("cases", [external_case_id(record.external) for record in records])
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
            CONSUMER,
            record.external.source,
            record.id,
            commands[0].stream,
            hashlib.sha256(record.model_dump_json().encode()).hexdigest(),
        )
        answer = to_json({"id": record.id, "case_id": external_case_id(record.external)})
        cause = cause_of(request, history=record.history_until)
        jobs[place] = Job(cause, always(commands), mark, answer=always_said(answer))
    results |= await results_of(service.executor, jobs)
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
