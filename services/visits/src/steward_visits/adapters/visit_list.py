"""The lists of visits and quotas in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy import distinct, func, select

from steward_service.lists import Cursor
from steward_service.queries import fetch, page
from steward_visits.adapters.read_models import QUOTAS, VISITS
from steward_visits.application.ports import Row


class PostgresVisitList:
    """`VisitList` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def one(self, visit_id: str) -> Row | None:
        """Give one visit."""
        rows = await fetch(self._pool, select(VISITS).where(VISITS.c.visit_id == visit_id))
        return rows[0] if rows else None

    async def listed(
        self,
        projects: Sequence[str] | None,
        *,
        person_id: str | None,
        household_id: str | None,
        month: str | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give visits in the order of their last change."""
        columns = VISITS.c
        asked = (
            (columns.person_id, person_id),
            (columns.household_id, household_id),
            (columns.month, month),
        )
        wanted: list[Any] = [column == value for column, value in asked if value is not None]
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        after = None if since is None else (since.changed_at, since.id)
        order = (columns.changed_at, columns.visit_id)
        return list(
            await fetch(self._pool, page(select(VISITS).where(*wanted), order, after, limit))
        )

    async def quotas(
        self, projects: Sequence[str] | None, month: str, person_id: str | None
    ) -> list[Row]:
        """Give what each person owes in a month, with `counted`: households visited so far."""
        quota, visit = QUOTAS.c, VISITS.c
        counted = (
            select(func.count(distinct(visit.household_id)))
            .where(
                visit.project_id == quota.project_id,
                visit.month == quota.month,
                visit.person_id == quota.person_id,
                visit.struck_because.is_(None),
            )
            .scalar_subquery()
        )
        wanted: list[Any] = [quota.month == month]
        if projects is not None:
            wanted.append(quota.project_id.in_(projects))
        if person_id is not None:
            wanted.append(quota.person_id == person_id)
        query = select(QUOTAS, counted.label("counted")).where(*wanted)
        return list(
            await fetch(self._pool, query.order_by(quota.project_id, quota.person_id, quota.quota))
        )
