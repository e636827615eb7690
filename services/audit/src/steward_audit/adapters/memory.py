"""What was heard, counted in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import exists, func, literal_column, or_, select, tuple_
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
from steward_audit.application.ports import Clock, Row
from steward_service.queries import fetch

_RUNS = CLOCKS.c.status == literal_column("'running'")
"""In words, as its index has it."""
_STANDS = BREACHES.c.breached & ~BREACHES.c.withdrawn
_OF_CLOCK = (BREACHES.c.case_id == CLOCKS.c.case_id) & (BREACHES.c.clock == CLOCKS.c.clock)
_BREACHED = exists().where(_OF_CLOCK, _STANDS)
_TOLD = ESCALATIONS.c.history | (ESCALATIONS.c.sms & ESCALATIONS.c.email)


def _without_end(at: datetime) -> ColumnElement[bool]:
    """Say of a message that it should have come to its end by then."""
    due = or_(MESSAGES.c.not_before.is_(None), MESSAGES.c.not_before <= at)
    # A mail's outcome is that the server took it; a text's comes with its receipt.
    return or_(
        (MESSAGES.c.status == "owed") & due,
        MESSAGES.c.status == "sending",
        (MESSAGES.c.status == "sent") & (MESSAGES.c.channel == "sms"),
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

    async def running(self, after: str, upto: str | None) -> Mapping[Clock, str]:
        """Name the streams of clocks that must have an alarm: unbreached, and their cases live.

        Names are compared as sla's database does: those of one server are made alike.
        """
        query = (
            select(CLOCKS.c.case_id, CLOCKS.c.clock, CLOCKS.c.stream)
            .join(CASES, CASES.c.case_id == CLOCKS.c.case_id)
            .where(_RUNS, CASES.c.live, ~_BREACHED, CLOCKS.c.stream > after)
        )
        if upto is not None:
            query = query.where(CLOCKS.c.stream <= upto)
        rows = await fetch(self._pool, query)
        return {(row["case_id"], row["clock"]): row["stream"] for row in rows}

    async def unescalated(self) -> Sequence[Row]:
        """Count standing breaches without an escalation by policy and target."""
        query = (
            select(CLOCKS.c.policy, CLOCKS.c.target, func.count().label("n"))
            .join(BREACHES, _OF_CLOCK)
            .where(_STANDS, ~BREACHES.c.escalated)
            .group_by(CLOCKS.c.policy, CLOCKS.c.target)
        )
        return await fetch(self._pool, query)

    async def unescalated_of(
        self, groups: Collection[tuple[str, str]]
    ) -> set[tuple[str, str, int]]:
        """Name those of these policies and targets; without any, nothing is asked."""
        if not groups:
            return set()
        query = (
            select(BREACHES.c.case_id, BREACHES.c.clock, BREACHES.c.number)
            .join(CLOCKS, _OF_CLOCK)
            .where(_STANDS, ~BREACHES.c.escalated)
            .where(tuple_(CLOCKS.c.policy, CLOCKS.c.target).in_(groups))
        )
        rows = await fetch(self._pool, query)
        return {(row["case_id"], row["clock"], row["number"]) for row in rows}

    async def escalations(self) -> Sequence[Row]:
        """Count escalations by role and how they stand."""
        return await self._counted(
            ESCALATIONS.c.role,
            ESCALATIONS.c.withdrawn,
            ESCALATIONS.c.history.label("silent"),
            (~_TOLD).label("untold"),
            where=ESCALATIONS.c.raised,
        )

    async def untold(self) -> set[str]:
        """Name the escalations of which somebody has to be told and that have no message."""
        query = select(ESCALATIONS.c.escalation_id).where(ESCALATIONS.c.raised, ~_TOLD)
        return {row["escalation_id"] for row in await fetch(self._pool, query)}

    async def followups(self) -> Sequence[Row]:
        """Count follow-ups by rule and status."""
        return await self._counted(FOLLOWUPS.c.rule, FOLLOWUPS.c.status)

    async def messages(self) -> Sequence[Row]:
        """Count messages by channel and status."""
        return await self._counted(MESSAGES.c.channel, MESSAGES.c.status)

    async def messages_without_outcome(self, now: datetime) -> int:
        """Count messages that should have come to their end by now."""
        query = select(func.count().label("n")).where(_without_end(now))
        [row] = await fetch(self._pool, query)
        return int(row["n"])

    async def unchanged_since(self, at: datetime) -> set[str]:
        """Name the messages without an end that had their last fact, and were due, by then."""
        query = select(MESSAGES.c.message_id).where(_without_end(at), MESSAGES.c.changed_at <= at)
        return {row["message_id"] for row in await fetch(self._pool, query)}

    async def _counted(
        self, *columns: ColumnElement[Any], where: ColumnElement[bool] | None = None
    ) -> list[dict[str, Any]]:
        query = select(*columns, func.count().label("n")).group_by(*columns)
        return await fetch(self._pool, query if where is None else query.where(where))
