"""Erasures over HTTP."""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from steward_intake.api.http import Intake, open_desk
from steward_intake.api.lists import AskedByProject, listed
from steward_intake.application.erasure import Erase, Eraser, Erasing
from steward_intake.application.ports import SealedTexts
from steward_service.auth import Principal, require
from steward_service.hearing import Boxes
from steward_service.idempotency import handle
from steward_service.lists import Page
from steward_service.retries import retry_now

router = APIRouter()


class Erases(Intake, Protocol):
    """What the routes need of the service that serves them."""

    @property
    def erasing(self) -> Erasing: ...

    @property
    def sealed_texts(self) -> SealedTexts: ...


def _service(request: Request) -> Erases:
    service: Erases = request.app.state.service
    return service


Served = Annotated[Erases, Depends(_service)]


@router.post("/v1/erasures", status_code=201)
async def post_erasure(
    request: Request,
    principal: Annotated[Principal, Depends(require("erasure.write"))],
    service: Served,
    body: Erase,
) -> Response:
    """Destroy a subject's key for good; when this is answered, nobody here can read their data."""
    store = service.executor.store
    # The topics do not matter: here lines are only opened.
    eraser = Eraser(open_desk(service), store, service.sealed_texts, Boxes(service.sealer, ()))
    reach = await eraser.reach(body)
    answer = {"subject": body.subject, "erased": reach.subjects}
    response = await handle(request, principal, service.executor, to=reach.to, answer=answer)
    await service.erasing.carry_out(reach.subjects)
    for parked in reach.parked:
        await retry_now(store, parked, service.executor.wall)
    return response


@router.get("/v1/erasures")
async def get_erasures(
    principal: Annotated[Principal, Depends(require("erasure.read"))],
    service: Served,
    asked: Annotated[AskedByProject, Query()],
) -> Page:
    """List erasures in the order in which they were recorded."""
    return await listed(service, principal, "erasures", asked)
