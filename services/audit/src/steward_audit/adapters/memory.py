"""What was heard, counted in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import exists, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from steward_audit.adapters.read_models import (
    BREACHES,
    CASES,
    CLOCKS,
    ESCALATIONS,
    FOLLOWUPS,
    HEARD,
    MESSAGES,
    RULES,
)
from steward_audit.application.ports import Row
from steward_service.queries import fetch

_STANDS = BREACHES.c.breached & ~BREACHES.c.withdrawn
_BREACHED = exists().where(
    BREACHES.c.case_id == CLOCKS.c.case_id, BREACHES.c.clock == CLOCKS.c.clock, _STANDS
)


class PostgresMemory:
    """`Memory` over audit's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def heard(self) -> Mapping[str, Mapping[str, int]]:
        """Count facts by service and type."""
        found: dict[str, dict[str, int]] = {}
        for row in await fetch(self._pool, select(HEARD)):
            found.setdefault(row["service"], {})[row["type"]] = row["facts"]
        return found

    async def history(self) -> Mapping[str, int]:
        """Count by type the facts that were history when they were taken in."""
        query = select(HEARD.c.type, HEARD.c.history).where(HEARD.c.history > 0)
        return {row["type"]: row["history"] for row in await fetch(self._pool, query)}

    async def rules(self) -> Mapping[str, int]:
        """Count the facts that carry each rule."""
        query = select(RULES).order_by(RULES.c.rule)
        return {row["rule"]: row["facts"] for row in await fetch(self._pool, query)}

    async def cases(self) -> Sequence[Row]:
        """Count cases by kind and status."""
        return await self._counted(CASES.c.kind, CASES.c.status)

    async def clocks(self) -> Sequence[Row]:
        """Count clocks by rule and how they stand."""
        columns = (CLOCKS.c.rule, CLOCKS.c.status, CLOCKS.c.outcome, _BREACHED.label("breached"))
        return await self._counted(*columns)

    async def running(self) -> Iterable[str]:
        """Name the stream of every clock that must have an alarm: unbreached, and its case live."""
        query = (
            select(CLOCKS.c.stream)
            .join(CASES, CASES.c.case_id == CLOCKS.c.case_id)
            .where(CLOCKS.c.status == "running", CASES.c.live, ~_BREACHED)
        )
        return [row["stream"] for row in await fetch(self._pool, query)]

    async def unescalated(self) -> Sequence[Row]:
        """Count standing breaches without an escalation by policy and target."""
        query = (
            select(CLOCKS.c.policy, CLOCKS.c.target, func.count().label("n"))
            .join(
                BREACHES,
                (BREACHES.c.case_id == CLOCKS.c.case_id) & (BREACHES.c.clock == CLOCKS.c.clock),
            )
            .where(_STANDS, ~BREACHES.c.escalated)
            .group_by(CLOCKS.c.policy, CLOCKS.c.target)
        )
        return await fetch(self._pool, query)

    async def escalations(self) -> Sequence[Row]:
        """Count escalations by role and how they stand."""
        told = ESCALATIONS.c.history | (ESCALATIONS.c.sms & ESCALATIONS.c.email)
        return await self._counted(
            ESCALATIONS.c.role,
            ESCALATIONS.c.withdrawn,
            ESCALATIONS.c.history.label("silent"),
            (~told).label("untold"),
            where=ESCALATIONS.c.raised,
        )

    async def followups(self) -> Sequence[Row]:
        """Count follow-ups by rule and status."""
        return await self._counted(FOLLOWUPS.c.rule, FOLLOWUPS.c.status)

    async def messages(self) -> Sequence[Row]:
        """Count messages by channel and status."""
        return await self._counted(MESSAGES.c.channel, MESSAGES.c.status)

    async def messages_without_outcome(self, now: datetime) -> int:
        """Count messages that should have come to their end by now."""
        due = or_(MESSAGES.c.not_before.is_(None), MESSAGES.c.not_before <= now)
        # A mail's outcome is that the server took it; a text's comes with its receipt.
        open_ = or_(
            (MESSAGES.c.status == "owed") & due,
            MESSAGES.c.status == "sending",
            (MESSAGES.c.status == "sent") & (MESSAGES.c.channel == "sms"),
        )
        [row] = await fetch(self._pool, select(func.count().label("n")).where(open_))
        return int(row["n"])

    async def _counted(
        self, *columns: ColumnElement[Any], where: ColumnElement[bool] | None = None
    ) -> list[dict[str, Any]]:
        query = select(*columns, func.count().label("n")).group_by(*columns)
        return await fetch(self._pool, query if where is None else query.where(where))
