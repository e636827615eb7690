"""The auditor's answer over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from steward_audit.application.ports import PeerSilent
from steward_service.auth import EVERY_PROJECT, Principal, require
from steward_service.problems import unavailable

Reader = Annotated[Principal, Depends(require("summary.read"))]


Figures = Callable[[], Awaitable[dict[str, Any]]]


def router(summary: Figures, facts: Figures) -> APIRouter:
    """Give the routes; `summary` makes all figures, `facts` counts what was heard."""
    routes = APIRouter(prefix="/v1", tags=["summary"])

    @routes.get("/summary")
    async def figures(principal: Reader) -> dict[str, Any]:
        """Give all figures, and whether every promise between services was kept."""
        return await _answered(principal, summary)

    @routes.get("/facts")
    async def counts(principal: Reader) -> dict[str, Any]:
        """Count the facts of all services by type, and those that are still under way."""
        return await _answered(principal, facts)

    return routes


async def _answered(principal: Principal, figures: Figures) -> dict[str, Any]:
    principal.demand(EVERY_PROJECT)
    try:
        return await figures()
    except PeerSilent as error:
        raise unavailable(str(error)) from None
