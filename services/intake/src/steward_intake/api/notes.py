"""Notes about households: what they prefer and how they feel, shown before the next contact."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response
from uuid_utils.compat import uuid7

from steward_events.intake import HouseholdNoteAdded, HouseholdNoteRevealed
from steward_events.sealed import Sealed
from steward_eventstore.execute import Job, To
from steward_intake.api.http import Intake, Served, always, case_of, cause_of, open_desk
from steward_intake.application.desk import invalid, years_from
from steward_intake.application.ports import Row
from steward_intake.application.words import Note, Reason, RetiredNote
from steward_intake.domain.note import AddNote, RetireNote, RevealNote
from steward_service.auth import Principal, require
from steward_service.idempotency import handle
from steward_service.problems import not_found

router = APIRouter()
Writer = Annotated[Principal, Depends(require("household.note"))]


async def _household_of(service: Intake, principal: Principal, household_id: str) -> Row:
    row = (await service.registers.entries("households", [household_id])).get(household_id)
    if row is None or not principal.may(row["project_id"]):
        raise not_found("household of this ID")
    return row


@router.post("/v1/households/{household_id}/notes", status_code=201)
async def post_note(
    request: Request, principal: Writer, service: Served, household_id: str, body: Note
) -> Response:
    """Write down what is to be known before the household is spoken to; kept for twelve months."""
    project_id = (await _household_of(service, principal, household_id))["project_id"]
    desk = open_desk(service)
    await desk.staff(body.person_id, project_id)
    if body.case_id is not None:
        case = await case_of(service, principal, body.case_id)
        if case["household_id"] != household_id:
            raise invalid("The case is not this household's.")
    at = await desk.moment(body.occurred_at, project_id, body.person_id)
    note_id = str(uuid7())
    added = HouseholdNoteAdded(
        note_id=note_id,
        household_id=household_id,
        project_id=project_id,
        about=body.about,
        note=await desk.seal(f"household-{household_id}", "note", body.note),
        until=years_from(at, 1),
        case_id=body.case_id,
        person_id=body.person_id,
    )
    to = [To(f"note-{note_id}", project_id, AddNote(at, added))]
    return await handle(request, principal, service.executor, to=to, answer={"note_id": note_id})


@router.post("/v1/households/{household_id}/notes/{note_id}/retire")
async def post_retirement(
    request: Request,
    principal: Writer,
    service: Served,
    household_id: str,
    note_id: str,
    body: RetiredNote,
) -> Response:
    """Show a note no longer; what was retired before is answered alike."""
    project_id = (await _household_of(service, principal, household_id))["project_id"]
    story = await service.executor.store.facts_of(f"note-{note_id}")
    added = next(iter(story), None)
    if (
        added is None
        or not isinstance(added.fact, HouseholdNoteAdded)
        or added.fact.household_id != household_id
    ):
        raise not_found("note of this ID about the household")
    desk = open_desk(service)
    await desk.staff(body.person_id, project_id)
    at = await desk.moment(body.occurred_at, project_id, body.person_id, after=added.occurred_at)
    to = [To(f"note-{note_id}", project_id, RetireNote(at, body.because, body.person_id))]
    answer = {"note_id": note_id}
    return await handle(request, principal, service.executor, to=to, answer=answer, status=200)


@router.get("/v1/households/{household_id}/notes")
async def get_notes(
    request: Request,
    principal: Annotated[Principal, Depends(require("household.reveal"))],
    service: Served,
    household_id: str,
    reason: Annotated[Reason, Query()],
) -> Response:
    """Reveal a household's notes; who reads them, and why, is told by a fact before they are shown."""
    project_id = (await _household_of(service, principal, household_id))["project_id"]
    now = service.clock.now()
    notes = [row for row in await service.registers.notes_of(household_id) if row["until"] > now]
    revealing = [
        To(
            f"note-{row['note_id']}",
            project_id,
            RevealNote(
                now,
                HouseholdNoteRevealed(
                    note_id=row["note_id"],
                    reveal_id=str(uuid7()),
                    principal_id=principal.id,
                    reason=reason,
                ),
            ),
        )
        for row in notes
    ]
    if revealing:
        await service.executor.execute(Job(cause_of(request), always(revealing)))
    items = [await _shown(service, row) for row in notes]
    return JSONResponse({"items": items}, headers={"Cache-Control": "no-store"})


async def _shown(service: Intake, row: Row) -> dict[str, Any]:
    text = await service.sealer.unseal(Sealed.model_validate_json(row["note"]))
    return {
        "note_id": row["note_id"],
        "about": row["about"],
        "note": text if isinstance(text, str) else {"erased": True},
        "case_id": row["case_id"],
        "person_id": row["person_id"],
        "added_at": row["added_at"].isoformat(),
        "until": row["until"].isoformat(),
    }
