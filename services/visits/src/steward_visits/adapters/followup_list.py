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

    async def rates(self, projects: Sequence[str] | None, month: str) -> list[Row]:
        """Count the follow-ups that fell due in a month, by rule, and how they ended."""
        columns = FOLLOWUPS.c
        # A follow-up that answers two rules counts for each.
        rule = func.regexp_split_to_table(columns.rule, " ").label("rule")
        wanted = [columns.month == month]
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        each = select(rule, columns.status, columns.was_overdue, columns.rate).where(*wanted)
        owed = each.subquery()
        done, count = owed.c.status == "done", func.count()
        query = (
            select(
                owed.c.rule,
                count.label("owed"),
                count.filter(done).label("done"),
                count.filter(done, ~owed.c.was_overdue).label("in_time"),
                count.filter(owed.c.status == "waived").label("waived"),
                count.filter(owed.c.status == "overdue").label("overdue"),
                func.max(owed.c.rate).label("target"),
            )
            .group_by(owed.c.rule)
            .order_by(owed.c.rule)
        )
        return list(await fetch(self._pool, query))
