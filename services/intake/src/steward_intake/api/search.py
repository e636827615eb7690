"""Search over sealed texts: the index gives candidates, and only what is unsealed decides."""

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, StringConstraints

from steward_events.sealed import Sealed
from steward_events.tickets import Name
from steward_intake.api.http import Intake
from steward_intake.application.desk import invalid
from steward_intake.application.ports import SealedTexts
from steward_service.auth import Principal, require
from steward_service.lists import Limit
from steward_service.search_terms import LONGEST, plain

router = APIRouter()


class Searches(Intake, Protocol):
    """What the route needs of the service that serves it."""

    @property
    def sealed_texts(self) -> SealedTexts: ...


def _service(request: Request) -> Searches:
    service: Searches = request.app.state.service
    return service


class Sought(BaseModel):
    """What is looked for, and where: a project, or for staff their group."""

    project_id: Name
    q: Annotated[str, StringConstraints(min_length=2, max_length=200)]
    since: str = ""
    limit: Limit = 100


class Found(BaseModel):
    """Where it stands, never what: `stream` and field; `next` is the next `since`."""

    items: list[dict[str, Any]]
    next: str
    more: bool


@router.get("/v1/search")
async def get_search(
    principal: Annotated[Principal, Depends(require("case.search"))],
    service: Annotated[Searches, Depends(_service)],
    asked: Annotated[Sought, Query()],
) -> Found:
    """Find cases, households and people by what is sealed of them; what was erased is not found."""
    principal.demand(asked.project_id)
    wanted = plain(asked.q)
    if len(wanted) < 2:
        raise invalid("Search for two letters or digits at least.")
    candidates = await service.sealed_texts.find(
        asked.project_id, asked.q, asked.limit, asked.since
    )
    streams = list(dict.fromkeys(row["stream_id"] for row in candidates))
    items: list[dict[str, Any]] = []
    for row in candidates:
        text = await service.sealer.unseal(Sealed.model_validate_json(row["sealed"]))
        if isinstance(text, str) and wanted in plain(text)[:LONGEST]:
            kind, _, id_ = row["stream_id"].partition("-")
            items.append({"kind": kind, "id": id_, "field": row["field"]})
    after = streams[-1] if streams else asked.since
    return Found(items=items, next=after, more=len(streams) == asked.limit)
