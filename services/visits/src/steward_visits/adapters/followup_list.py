"""The list of follow-ups in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import func, select

from steward_service.lists import Cursor
from steward_service.queries import fetch, page
from steward_visits.adapters.read_models import FOLLOWUPS
from steward_visits.application.ports import Row


class PostgresFollowupList:
    """`FollowupList` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def one(self, followup_id: str) -> Row | None:
        """Give one follow-up."""
        rows = await fetch(
            self._pool, select(FOLLOWUPS).where(FOLLOWUPS.c.followup_id == followup_id)
        )
        return rows[0] if rows else None

    async def listed(
        self,
        projects: Sequence[str] | None,
        *,
        status: str | None,
        case_id: str | None,
        due_before: datetime | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give follow-ups in the order of their last change."""
        columns = FOLLOWUPS.c
        wanted: list[Any] = []
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if status is not None:
            wanted.append(columns.status == status)
        if case_id is not None:
            wanted.append(columns.case_id == case_id)
        if due_before is not None:
            wanted.append(columns.by < due_before)
        after = None if since is None else (since.changed_at, since.id)
        order = (columns.changed_at, columns.followup_id)
        query = page(select(FOLLOWUPS).where(*wanted), order, after, limit)
        return list(await fetch(self._pool, query))

    async def counts(self) -> dict[str, int]:
        """Count follow-ups by status."""
        rows = await fetch(
            self._pool,
            select(FOLLOWUPS.c.status, func.count().label("n")).group_by(FOLLOWUPS.c.status),
        )
        return {row["status"]: row["n"] for row in rows}
