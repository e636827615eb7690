"""What the policy suggests that a case is, for those who decide."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response

from steward_intake.api.http import Served, case_of
from steward_intake.application.suggestion import advise
from steward_service.auth import Principal, require

router = APIRouter()


@router.get("/v1/cases/{case_id}/suggestion")
async def get_suggestion(
    principal: Annotated[Principal, Depends(require("case.read"))],
    service: Served,
    case_id: str,
) -> Response:
    """Suggest topic, validity, ground, severity and work category, each with its reasons.

    `unknown` names the rows of the policy's table that lack an input, `mentions` the earlier cases
    and chases on the matter.
    """
    case = await case_of(service, principal, case_id)
    store = service.executor.store
    advice = await advise(service.registers, store, case, await store.facts_of(f"case-{case_id}"))
    return JSONResponse({"case_id": case_id, **advice.told()})
