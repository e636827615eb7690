"""Photos and letters of a case: they lie sealed, and who looks at one is written down."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response
from uuid_utils.compat import uuid7

from steward_events.intake import AttachmentAdded, AttachmentRevealed
from steward_events.tickets import Name
from steward_events.vocabulary import Moment
from steward_eventstore.execute import Job, To
from steward_intake.api.http import Intake, always, case_of, cause_of, open_desk
from steward_intake.application.attachments import cleaned
from steward_intake.application.desk import subject_of
from steward_intake.application.ports import Blob, Blobs, FileSeals
from steward_intake.application.words import Reason
from steward_intake.domain.sayings import Say
from steward_service.auth import Principal, require
from steward_service.idempotency import handle, idempotency_key
from steward_service.problems import Problem, not_found
from steward_service.sealing import Erased

FIELD = "attachment"
# A photo takes hundreds of megabytes while it is written anew.
_TWO_BY_TWO = ThreadPoolExecutor(2, "photo")

router = APIRouter()


class KeepsFiles(Intake, Protocol):
    """What the routes need beside what intake has."""

    @property
    def sealer(self) -> FileSeals: ...

    @property
    def blobs(self) -> Blobs: ...


def _service(request: Request) -> KeepsFiles:
    service: KeepsFiles = request.app.state.service
    return service


Served = Annotated[KeepsFiles, Depends(_service)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_ANY_FILE = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


class Attached(BaseModel):
    """What is said beside the file."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["before", "after", "signature", "letter", "other"]
    person_id: Name | None = None
    occurred_at: Moment | None = None


@router.post("/v1/cases/{case_id}/attachments", status_code=201, openapi_extra=_ANY_FILE)
async def post_attachment(
    request: Request,
    principal: Annotated[Principal, Depends(require("case.attach"))],
    service: Served,
    case_id: str,
    attached: Annotated[Attached, Query()],
) -> Response:
    """Put a photo (JPEG, PNG, WebP) or a letter (PDF) to a case; the body is the file."""
    idempotency_key(request)  # before the file is worked on
    case = await case_of(service, principal, case_id)
    desk = open_desk(service)
    at = await desk.moment(
        attached.occurred_at, case["project_id"], attached.person_id, after=case["received_at"]
    )
    await desk.staff(attached.person_id, case["project_id"])
    content = await request.body()
    file = await asyncio.get_running_loop().run_in_executor(_TWO_BY_TWO, cleaned, content)
    digest = sha256(file.content).hexdigest()
    subject = subject_of(case_id, case["household_id"])
    box = await service.sealer.seal_bytes(subject, FIELD, digest, file.content)
    # First the file: a fact must not name one that is not there.
    await service.blobs.keep(Blob(case_id, digest, subject, file.media_type, box))
    fact = AttachmentAdded(
        case_id=case_id,
        attachment_id=f"{digest[:16]}-{attached.kind}",
        sha256=digest,
        size=len(file.content),
        media_type=file.media_type,
        what=attached.kind,
        person_id=attached.person_id,
    )
    to = [To(f"case-{case_id}", case["project_id"], Say(at, fact))]
    answer: dict[str, Any] = fact.model_dump(include={"case_id", "sha256", "size", "media_type"})
    return await handle(request, principal, service.executor, to=to, answer=answer)


@router.get("/v1/cases/{case_id}/attachments/{digest}")
async def get_attachment(
    request: Request,
    principal: Annotated[Principal, Depends(require("case.reveal"))],
    service: Served,
    case_id: str,
    digest: Digest,
    reason: Annotated[Reason, Query()],
) -> Response:
    """Reveal a photo or letter; who looked, and why, is told by a fact before it is shown."""
    case = await case_of(service, principal, case_id)
    blob = await service.blobs.find(case_id, digest)
    if blob is None:
        raise not_found("attachment of this digest")
    content = await service.sealer.unseal_bytes(blob.subject, FIELD, digest, blob.box)
    if isinstance(content, Erased):
        await service.blobs.forget(blob.subject)
        raise Problem(410, "erased", "The data of this person was erased for good.")
    assert isinstance(content, bytes)  # noqa: S101 - else it would have been erased
    fact = AttachmentRevealed(
        case_id=case_id,
        reveal_id=str(uuid7()),
        sha256=digest,
        principal_id=principal.id,
        reason=reason,
    )
    to = To(f"case-{case_id}", case["project_id"], Say(service.clock.now(), fact))
    await service.executor.execute(Job(cause_of(request), always([to])))
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=blob.media_type, headers=headers)
