"""Who works and lives where, in PostgreSQL."""

import asyncpg
from sqlalchemy import exists, select

from steward_events.vocabulary import Role
from steward_service.queries import fetch
from steward_visits.adapters.read_models import HOUSEHOLDS, PROJECTS, ROLES, STAFF


class PostgresRegisters:
    """`Registers` over what the service heard of the registry."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def is_staff(self, person_id: str, project_id: str) -> bool:
        """Say whether a person is registered staff of the project's group, as far as it was heard."""
        elsewhere = exists().where(
            PROJECTS.c.project_id == project_id, PROJECTS.c.group_id != STAFF.c.group_id
        )
        query = select(STAFF.c.person_id).where(STAFF.c.person_id == person_id, ~elsewhere)
        return bool(await fetch(self._pool, query))

    async def roles_of(self, person_id: str, project_id: str) -> frozenset[Role]:
        """Give the roles that a person holds at a project."""
        query = select(ROLES.c.role).where(
            ROLES.c.person_id == person_id, ROLES.c.project_id == project_id
        )
        return frozenset(Role(row["role"]) for row in await fetch(self._pool, query))

    async def project_of(self, household_id: str) -> str | None:
        """Give the project in which a household lives."""
        columns = HOUSEHOLDS.c
        query = select(columns.project_id).where(columns.household_id == household_id)
        rows = await fetch(self._pool, query)
        return str(rows[0]["project_id"]) if rows else None
