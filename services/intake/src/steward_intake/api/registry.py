"""The registry over HTTP: groups, projects, people and what else cases stand upon."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from steward_events.tickets import Name
from steward_eventstore.execute import Job, To
from steward_intake.api.by_line import error_of, line_of, read_lines, results_of, side_by_side
from steward_intake.api.http import Intake, Served, cause_of, open_desk
from steward_intake.api.lists import Asked, AskedByProject, listed
from steward_intake.application import registration as registry
from steward_intake.application.desk import Desk
from steward_service.auth import Principal, require
from steward_service.idempotency import handle, idempotency_key
from steward_service.lines import Lines
from steward_service.lists import Page

router = APIRouter()
Registrar = Annotated[Principal, Depends(require("registry.write"))]


async def _register(
    request: Request, principal: Principal, service: Intake, body: registry.Registration
) -> Response:
    desk = open_desk(service)
    to = await _registered(desk, body)
    answer = {"stream": to[0].stream, "id": to[0].stream.partition("-")[2]}
    return await handle(request, principal, service.executor, to=to, answer=answer)


def _add_register(register: str, kind: type[registry.Registration], doc: str) -> None:
    async def post(
        request: Request,
        principal: Registrar,
        service: Served,
        body: kind,  # type: ignore[valid-type]
    ) -> Response:
        return await _register(request, principal, service, body)

    post.__doc__ = doc
    post.__name__ = f"post_{kind.model_fields['type'].default}"
    router.add_api_route(f"/v1/{register}", post, methods=["POST"], status_code=201)


_add_register("groups", registry.Group, "Register a property group, or change it.")
_add_register("projects", registry.Project, "Register a project, or change it.")
_add_register(
    "departments",
    registry.Department,
    "Register a project's or a group's department, or change it.",
)
_add_register("households", registry.Household, "Register a household, or change it.")
_add_register(
    "people", registry.Person, "Register a person of a household, or change how to reach them."
)
_add_register("staff", registry.Staff, "Register a member of staff, or change how to reach them.")
_add_register("roles", registry.Holder, "Give a role at a project to a person, or take it away.")
_add_register("zones", registry.Zone, "Say whose steward a person is, by building or household.")
_add_register("delegations", registry.Delegation, "Let somebody act in a role for a time.")
_add_register("rosters", registry.DutyRoster, "Publish a duty roster, whole, or change it.")
_add_register(
    "committees", registry.Committee, "Register the owners' committee of a project, or change it."
)
_add_register(
    "suggestion-boxes", registry.SuggestionBox, "Register a suggestion box, or take it away."
)
_add_register("policies", registry.Policy, "Publish a version of a policy pack.")
_add_register("calendars", registry.CalendarYear, "Publish a year of a calendar, or correct it.")


@router.get("/v1/calendars")
async def get_calendars(
    _: Annotated[Principal, Depends(require("registry.read"))], service: Served
) -> dict[str, Any]:
    """List the published years of calendars in the order of their publication."""
    facts = await service.executor.store.facts_of(registry.CALENDARS)
    return {
        "items": [
            {"published_at": told.occurred_at.isoformat(), **told.fact.model_dump(mode="json")}
            for told in facts
            if told.fact is not None
        ]
    }


@router.post("/v1/registers")
async def post_registers(
    request: Request, principal: Registrar, service: Served, body: Lines[registry.AnyRegistration]
) -> Response:
    """Register many things at once; each line has its result, and one bad line stops no other.

    Groups go before projects, these before households, those before people, in whatever order they
    stand.
    """
    key = idempotency_key(request)
    read, results = read_lines(body)
    for batch in registry.batches(read):
        desk = open_desk(service)
        lines = list(batch.items())
        await look_up(desk, [line for _, line in lines])
        jobs: dict[int, Job] = {}
        # Side by side: most of the time is spent on making the keys by which things are sealed.
        found = await side_by_side(registering(desk, principal, line) for _, line in lines)
        for (place, line), to in zip(lines, found, strict=True):
            if isinstance(to, Exception):
                results[place] = error_of(to)
                continue
            fingerprint = hashlib.sha256(line.model_dump_json().encode()).hexdigest()
            mark = (principal.id, f"{key}|{place}", fingerprint)
            answer = {"id": to[0].stream.partition("-")[2]}
            jobs[place] = line_of(cause_of(request), mark, to, answer)
        results |= await results_of(service.executor, jobs)
    return JSONResponse({"results": [results[place] for place in range(len(body))]})


async def registering(desk: Desk, principal: Principal, line: registry.Registration) -> list[To]:
    to = await _registered(desk, line)
    principal.demand(to[0].key)
    return to


async def _registered(desk: Desk, line: registry.Registration) -> list[To]:
    at = await desk.moment(line.occurred_at, None)
    return [await line.to(desk, at), *await line.follows(desk, at)]


async def look_up(desk: Desk, lines: Sequence[registry.Registration]) -> None:
    wanted = {
        "groups": "group_id",
        "projects": "project_id",
        "households": "household_id",
        "people": "person_id",
        "staff": "person_id",
    }
    for register, field in wanted.items():
        ids = (getattr(line, field, None) for line in lines)
        await desk.look_up(register, [id_ for id_ in ids if id_])


class AskedZones(AskedByProject):
    """Of one steward, if they are named."""

    person_id: Name | None = None


REGISTERS: Mapping[str, type[Asked]] = {
    "groups": Asked,
    "projects": AskedByProject,
    "departments": AskedByProject,
    "households": AskedByProject,
    "people": AskedByProject,
    "staff": Asked,
    "roles": AskedByProject,
    "zones": AskedZones,
    "committees": AskedByProject,
    "suggestion_boxes": AskedByProject,
    "policies": AskedByProject,
}


def _add_list(register: str, kind: type[Asked]) -> None:
    guard = require("registry.read")

    async def list_entries(
        principal: Annotated[Principal, Depends(guard)],
        service: Served,
        asked: Annotated[kind, Query()],  # type: ignore[valid-type]
    ) -> Page:
        return await listed(service, principal, register, asked)

    list_entries.__doc__ = f"List {register.replace('_', ' ')} in the order of their last change; go on with `next` as `since`."
    list_entries.__name__ = f"get_{register}"
    path = f"/v1/{register.replace('_', '-')}"
    router.add_api_route(path, list_entries, methods=["GET"])


for _register_name, _asked in REGISTERS.items():
    _add_list(_register_name, _asked)
