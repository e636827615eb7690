"""Who holds which role and who stands in, as heard from the registry."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
from sqlalchemy import select

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_notify.adapters.read_models import (
    ERASURES,
    HANDS,
    PEOPLE,
    PROJECTS,
    ROLES,
    STAFF,
)
from steward_notify.application.ports import Person, Row
from steward_service.queries import fetch
from steward_service.roles import shifts


async def erased(pool: asyncpg.Pool) -> list[str]:
    """Name all subjects that were erased."""
    return [row["subject"] for row in await fetch(pool, select(ERASURES.c.subject))]


class PostgresDirectory:
    """`Directory` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def holders(self, project_id: str, role: Role) -> list[Person]:
        """Give those who hold a role at a project, the longest first."""
        held = ROLES.roles.c
        query = (
            select(STAFF)
            .join(ROLES.roles, held.person_id == STAFF.c.person_id)
            .where(held.project_id == project_id, held.role == str(role))
            .order_by(held.since, held.person_id)
        )
        return [_person(row) for row in await fetch(self._pool, query)]

    async def on_duty(self, project_id: str, role: Role, at: datetime) -> list[Person]:
        """Give those who are on duty in a role, the shift that began first in front."""
        on_duty = await shifts(self._pool, ROLES, project_id, at)
        return await self._staff([shift.person_id for shift in on_duty if shift.role is role])

    async def delegates(self, project_id: str, role: Role, at: datetime) -> dict[str, list[Person]]:
        """Give to whom a role is delegated now, by who delegated it."""
        columns = ROLES.delegations.c
        query = select(columns.person_id, columns.delegate_id).where(
            columns.project_id == project_id,
            columns.role == str(role),
            columns.since <= at,
            columns.until > at,
        )
        rows = await fetch(self._pool, query.order_by(columns.since, columns.delegation_id))
        found: dict[str, list[Person]] = {row["person_id"]: [] for row in rows}
        for row in rows:
            found[row["person_id"]] += await self._staff([row["delegate_id"]])
        return found

    async def hands(self, case_id: str) -> Mapping[str, str]:
        """Give who asked in a case or handled it."""
        query = select(HANDS).where(HANDS.c.case_id == case_id).order_by(HANDS.c.what)
        return {row["person_id"]: row["what"] for row in await fetch(self._pool, query)}

    async def household(self, household_id: str) -> list[Person]:
        """Give the people of a household."""
        query = select(PEOPLE).where(PEOPLE.c.household_id == household_id)
        rows = await fetch(self._pool, query.order_by(PEOPLE.c.person_id))
        return [_person(row) for row in rows]

    async def _staff(self, ids: Sequence[str]) -> list[Person]:
        if not ids:
            return []
        rows = await fetch(self._pool, select(STAFF).where(STAFF.c.person_id.in_(ids)))
        found = {row["person_id"]: _person(row) for row in rows}
        return [found[id_] for id_ in dict.fromkeys(ids) if id_ in found]

    async def project_name(self, project_id: str) -> str:
        """Give a project's name, its ID while the name was not heard yet."""
        rows = await fetch(self._pool, select(PROJECTS).where(PROJECTS.c.project_id == project_id))
        return (rows[0]["name"] if rows else "") or project_id


def _person(row: Row) -> Person:
    return Person(row["person_id"], row["language"], _opened(row["phone"]), _opened(row["email"]))


def _opened(box: str | None) -> Sealed | None:
    return Sealed.model_validate_json(box) if box else None
