"""The lists of clocks, escalations and extensions in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import case, func, select, text

from steward_service.lists import Cursor
from steward_service.queries import fetch, page
from steward_service.telemetry import Metrics
from steward_sla.adapters.read_models import CLOCKS, ESCALATIONS, EXTENSIONS, STAFF
from steward_sla.application.ports import ClockStatus, EscalationStatus, ExtensionStatus, Row

STATUS = case(
    (CLOCKS.c.breached_at.is_not(None), "breached"),
    (CLOCKS.c.outcome == "with_approval", "met_with_approval"),
    else_=CLOCKS.c.state,
).label("status")
_CLOCK_ID = (CLOCKS.c.case_id + "/" + CLOCKS.c.clock).label("id")


class PostgresLists:
    """`Lists` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def is_staff(self, person_id: str) -> bool:
        """Say whether a person is registered staff."""
        query = select(STAFF.c.person_id).where(STAFF.c.person_id == person_id)
        return bool(await fetch(self._pool, query))

    async def clocks(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: ClockStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give clocks in the order of their last change."""
        columns = CLOCKS.c
        wanted: list[Any] = []
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if case_id is not None:
            wanted.append(columns.case_id == case_id)
        if status is not None:
            wanted.append(status == STATUS)
        after = None
        if since is not None:
            case_of, _, clock = since.id.partition("/")
            after = (since.changed_at, case_of, clock)
        query = select(CLOCKS, STATUS, _CLOCK_ID).where(*wanted)
        order = (columns.changed_at, columns.case_id, columns.clock)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def compliance(self, projects: Sequence[str] | None, *, month: str | None) -> list[Row]:
        """Count clocks by target, month of the due day, status, and whether it was excused."""
        columns = CLOCKS.c
        wanted: list[Any] = []
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if month is not None:
            wanted.append(columns.month == month)
        line = (columns.month, columns.target, columns.rule, STATUS, columns.excused)
        query = select(*line, func.count().label("n")).where(*wanted).group_by(*line)
        return list(await fetch(self._pool, query))

    async def late(
        self, projects: Sequence[str] | None, *, before: datetime, limit: int
    ) -> list[Row]:
        """Give the clocks that are open and due before an instant, the latest first."""
        columns = CLOCKS.c
        is_open = text("clocks.state IN ('running', 'paused')")
        wanted: list[Any] = [is_open, columns.due_at < before]
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        query = select(CLOCKS, _CLOCK_ID).where(*wanted)
        return list(await fetch(self._pool, query.order_by(columns.due_at, _CLOCK_ID).limit(limit)))

    async def clock(self, case_id: str, clock: str) -> Row | None:
        """Give one clock."""
        columns = CLOCKS.c
        query = select(CLOCKS).where(columns.case_id == case_id, columns.clock == clock)
        rows = await fetch(self._pool, query)
        return rows[0] if rows else None

    async def extensions(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: ExtensionStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give extensions in the order of their last change."""
        columns = EXTENSIONS.c
        wanted: list[Any] = []
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if case_id is not None:
            wanted.append(columns.case_id == case_id)
        if status is not None:
            wanted.append(columns.status == status)
        after = None if since is None else (since.changed_at, since.id)
        query = select(EXTENSIONS, columns.extension_id.label("id")).where(*wanted)
        order = (columns.changed_at, columns.extension_id)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def extension(self, extension_id: str) -> Row | None:
        """Give one extension."""
        query = select(EXTENSIONS).where(EXTENSIONS.c.extension_id == extension_id)
        rows = await fetch(self._pool, query)
        return rows[0] if rows else None

    async def escalations(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: EscalationStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give escalations in the order of their last change."""
        columns = ESCALATIONS.c
        wanted: list[Any] = []
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if case_id is not None:
            wanted.append(columns.case_id == case_id)
        if status is not None:
            wanted.append(columns.status == status)
        after = None if since is None else (since.changed_at, since.id)
        query = select(ESCALATIONS, columns.escalation_id.label("id")).where(*wanted)
        order = (columns.changed_at, columns.escalation_id)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def escalation(self, escalation_id: str) -> Row | None:
        """Give one escalation."""
        rows = await fetch(
            self._pool, select(ESCALATIONS).where(ESCALATIONS.c.escalation_id == escalation_id)
        )
        return rows[0] if rows else None


async def count_running(pool: asyncpg.Pool, metrics: Metrics) -> None:
    """Set how many clocks of each target run."""
    columns = CLOCKS.c
    query = select(columns.target, func.count().label("n")).where(
        columns.state == text("'running'")
    )
    rows = await fetch(pool, query.group_by(columns.target))
    metrics.clocks_running.clear()  # also of targets of which none runs any more
    for row in rows:
        metrics.clocks_running.labels(row["target"]).set(row["n"])


async def count_unacknowledged(pool: asyncpg.Pool, metrics: Metrics) -> None:
    """Set how many escalations nobody has taken over."""
    is_open = ESCALATIONS.c.status == text("'open'")
    [row] = await fetch(pool, select(func.count().label("n")).where(is_open))
    metrics.escalations_unacknowledged.set(row["n"])
