"""The auditor's answer over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from steward_audit.application.ports import PeerSilent
from steward_service.auth import EVERY_PROJECT, Principal, require
from steward_service.problems import unavailable

Reader = Annotated[Principal, Depends(require("summary.read"))]


def router(summary: Callable[[], Awaitable[dict[str, Any]]]) -> APIRouter:
    """Give the routes; `summary` makes all figures."""
    routes = APIRouter(prefix="/v1", tags=["summary"])

    @routes.get("/summary")
    async def figures(principal: Reader) -> dict[str, Any]:
        """Give all figures, and whether every promise between services was kept."""
        principal.demand(EVERY_PROJECT)
        try:
            return await summary()
        except PeerSilent as error:
            raise unavailable(str(error)) from None

    return routes
