"""Lists of rows for readers: what is sealed in them is only named."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.tickets import Name
from steward_intake.api.http import Intake, open_desk
from steward_intake.application.erasure import sealed_values
from steward_intake.application.ports import Row
from steward_service.auth import Principal
from steward_service.lists import Limit, Page, cursor_of, page_of
from steward_service.stories import named


class Asked(BaseModel):
    """How every list is asked for; what else is asked filters it."""

    since: str | None = None
    limit: Limit = 100

    @property
    def filters(self) -> dict[str, Any]:
        """Give what was asked of the rows, by column."""
        return self.model_dump(mode="json", exclude={"since", "limit"}, exclude_none=True)


class AskedByProject(Asked):
    """Of one project, if it is named."""

    project_id: Name | None = None


KEYS = {
    "groups": "group_id",
    "projects": "project_id",
    "departments": "department_id",
    "households": "household_id",
    "people": "person_id",
    "staff": "person_id",
    "roles": "project_id|role|person_id",
    "zones": "zone_id",
    "committees": "committee_id",
    "suggestion_boxes": "box_id",
    "policies": "pack|version",
    "cases": "case_id",
    "incidents": "incident_id",
    "erasures": "subject",
}
"""What tells the rows of each list apart."""


async def listed(service: Intake, principal: Principal, register: str, asked: Asked) -> Page:
    """Answer with a page of a register; what is sealed in it is only named."""
    rows = await service.registers.listed(
        register, principal.listed(), asked.filters, cursor_of(asked.since), asked.limit
    )
    gone = await service.registers.erased(_subjects_of(rows))
    if register == "policies":
        desk = open_desk(service)
        rows = [{**row, "to_come": await desk.to_come(row)} for row in rows]
    return page_of(rows, KEYS[register], asked.since, asked.limit, lambda row: shown(row, gone))


_SEALED_COLUMNS = {"address", "name", "phone", "email"}
_LONG_COLUMNS = {"text"}


def shown(row: Row, gone: Collection[str] = ()) -> dict[str, Any]:
    """Give a row for a reader: what is sealed is only named, revealing it is another matter."""
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else _named_if_sealed(row, name, gone)
        for name, value in row.items()
        if name not in _LONG_COLUMNS
    }


def _named_if_sealed(row: Row, name: str, gone: Collection[str]) -> Any:
    sealed = _sealed_at(row, name)
    return row[name] if sealed is None else named(sealed, gone)


def _sealed_at(row: Row, name: str) -> Sealed | None:
    value = row.get(name)
    if name in _SEALED_COLUMNS and isinstance(value, str) and value.startswith('{"subject"'):
        return Sealed.model_validate_json(value)
    return None


def _subjects_of(rows: Iterable[Row]) -> set[str]:
    return {
        sealed.subject
        for row in rows
        for name in _SEALED_COLUMNS
        if (sealed := _sealed_at(row, name)) is not None
    }


async def erased_in(service: Intake, facts: Iterable[Recorded]) -> frozenset[str]:
    subjects = {sealed.subject for fact in facts for sealed in sealed_values(fact.fact)}
    return await service.registers.erased(subjects)
