"""Who holds which role, as heard from the registry."""

import asyncpg
from sqlalchemy import select

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_notify.adapters.read_models import ERASURES, PROJECTS, ROLES, STAFF
from steward_notify.application.ports import Person
from steward_service.queries import fetch


async def erased(pool: asyncpg.Pool) -> list[str]:
    """Name all subjects that were erased."""
    return [row["subject"] for row in await fetch(pool, select(ERASURES.c.subject))]


class PostgresDirectory:
    """`Directory` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def holders(self, project_id: str, role: Role) -> list[Person]:
        """Give those who hold a role at a project, the longest first."""
        query = (
            select(STAFF)
            .join(ROLES, ROLES.c.person_id == STAFF.c.person_id)
            .where(ROLES.c.project_id == project_id, ROLES.c.role == str(role))
            .order_by(ROLES.c.since, ROLES.c.person_id)
        )
        return [
            Person(row["person_id"], row["language"], _opened(row["phone"]), _opened(row["email"]))
            for row in await fetch(self._pool, query)
        ]

    async def project_name(self, project_id: str) -> str:
        """Give a project's name, its ID while the name was not heard yet."""
        rows = await fetch(self._pool, select(PROJECTS).where(PROJECTS.c.project_id == project_id))
        return (rows[0]["name"] if rows else "") or project_id


def _opened(box: str | None) -> Sealed | None:
    return Sealed.model_validate_json(box) if box else None
