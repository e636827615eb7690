"""What a service has stored, in figures; by these the auditor compares the services."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from steward_eventstore.postgres import PostgresStore
from steward_service.auth import EVERY_PROJECT, Principal, require

router = APIRouter(prefix="/v1", tags=["counters"])

Auditor = Annotated[Principal, Depends(require("counters.read"))]

_TIMERS = "SELECT stream_id FROM timers WHERE stream_id > $1 ORDER BY stream_id LIMIT $2"


@router.get("/counters")
async def counters(request: Request, principal: Auditor) -> dict[str, Any]:
    """Give how many facts were stored by type, and what waits."""
    principal.demand(EVERY_PROJECT)
    service = request.app.state.service
    store: PostgresStore = service.store
    backlog, _since = await store.backlog()
    counts = await store.counts()
    return {
        "appended": await store.appended(),
        "unrelayed": backlog,
        "unhandled": service.listener.waiting if service.listener is not None else 0,
        "parked": counts["parked"],
        "sweeps": counts["sweeps"],
        "timers": counts["timers"],
    }


@router.get("/timers")
async def timers(
    request: Request,
    principal: Auditor,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> dict[str, Any]:
    """List the streams that have an alarm, by name; go on with the last as `after`."""
    principal.demand(EVERY_PROJECT)
    store: PostgresStore = request.app.state.service.store
    rows = await store.pool.fetch(_TIMERS, after, limit)
    return {"streams": [row["stream_id"] for row in rows]}
