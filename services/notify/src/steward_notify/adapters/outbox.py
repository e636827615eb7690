"""The messages in PostgreSQL: as an outbox for the sender, as a list for readers."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic_core import from_json
from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_notify.adapters.read_models import INCIDENT_CASES, INCIDENTS, MESSAGES
from steward_notify.application.ports import Lead, OwedMessage, Row
from steward_notify.domain.message import Channel
from steward_service.lists import Cursor
from steward_service.locks import session_lock
from steward_service.queries import fetch, page

_LEAD_LOCK = 7_311_954_020_101
_EARLIER = MESSAGES.alias("earlier")
_COLUMNS = MESSAGES.c


def _messages() -> Select[Any]:
    before = func.coalesce(_COLUMNS.only_if_sent, _COLUMNS.instead_of)
    of_case, incident = INCIDENT_CASES.c, INCIDENTS.c
    return (
        select(
            MESSAGES,
            _EARLIER.c.status.label("earlier"),
            _EARLIER.c.content.label("before"),
            of_case.incident_id.label("incident"),
            func.coalesce(incident.name, of_case.incident_id).label("incident_name"),
        )
        .outerjoin(_EARLIER, before == _EARLIER.c.message_id)
        .outerjoin(INCIDENT_CASES, of_case.case_id == _COLUMNS.case_id)
        .outerjoin(INCIDENTS, incident.incident_id == of_case.incident_id)
    )


def _due(now: datetime) -> ColumnElement[bool]:
    """What may be sent: a substitute once the first message came to its end, or at its term."""
    ended = _EARLIER.c.status.in_(["delivered", "failed", "suppressed"])
    return or_(
        _COLUMNS.not_before.is_(None),
        _COLUMNS.not_before <= now,
        and_(_COLUMNS.instead_of.is_not(None), ended),
    )


class PostgresOutbox:
    """`Outbox` over the service's own database; the lead is an advisory lock of a session."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @contextlib.asynccontextmanager
    async def lead(self) -> AsyncIterator[Lead | None]:
        """Lead while inside; the lock goes with the connection, also when the process is killed."""
        async with (
            self._pool.acquire() as connection,
            session_lock(connection, _LEAD_LOCK) as held,
        ):
            yield PostgresLead(connection) if held else None


class PostgresLead:
    """Reads over the connection that holds the lock: who has lost it finds nothing to send."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def owed(
        self,
        channel: Channel,
        now: datetime,
        wall: datetime,
        without: Sequence[str],
        limit: int,
    ) -> list[OwedMessage]:
        """Give what may be sent now by a channel, what was asked for first in front."""
        query = _messages().where(
            _COLUMNS.status == "owed",
            _COLUMNS.channel == channel,
            _due(now),
            or_(_COLUMNS.again_at.is_(None), _COLUMNS.again_at <= wall),
            _COLUMNS.message_id.not_in(without),
            # A correction waits until it is known whether there is something to correct.
            or_(
                _EARLIER.c.status.is_(None),
                _EARLIER.c.status.not_in(["owed", "sending"]),
                _COLUMNS.instead_of.is_not(None),
            ),
        )
        query = query.order_by(_COLUMNS.requested_at, _COLUMNS.message_id).limit(limit)
        return [_owed(row) for row in await fetch(self._connection, query)]

    async def left_sending(self, without: Sequence[str]) -> list[OwedMessage]:
        """Give what stands in «sending», without what this process is working on."""
        query = _messages().where(_COLUMNS.status == "sending", _COLUMNS.message_id.not_in(without))
        return [_owed(row) for row in await fetch(self._connection, query)]


class PostgresMessageList:
    """`MessageList` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def sent_as(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Give what was sent under each ID, of a message or a group: messages and their projects."""
        query = select(_COLUMNS.message_id, _COLUMNS.group_id, _COLUMNS.project_id)
        ours = or_(_COLUMNS.message_id.in_(ids), _COLUMNS.group_id.in_(ids))
        wanted, found = set(ids), dict[str, dict[str, str]]()
        for row in await fetch(self._pool, query.where(ours)):
            for id_ in wanted & {row["message_id"], row["group_id"]}:
                found.setdefault(id_, {})[row["message_id"]] = row["project_id"]
        return found

    async def listed(
        self,
        projects: Sequence[str] | None,
        filters: Mapping[str, str],
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give messages in the order of their last change."""
        query = select(MESSAGES).where(*_wanted(projects, filters))
        after = None if since is None else (since.changed_at, since.id)
        order = (_COLUMNS.changed_at, _COLUMNS.message_id)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def counts(
        self, projects: Sequence[str] | None, filters: Mapping[str, str]
    ) -> dict[str, dict[str, int]]:
        """Count the messages that are listed by channel and status."""
        query = select(_COLUMNS.channel, _COLUMNS.status, func.count().label("n"))
        query = query.where(*_wanted(projects, filters))
        found: dict[str, dict[str, int]] = {}
        for row in await fetch(self._pool, query.group_by(_COLUMNS.channel, _COLUMNS.status)):
            found.setdefault(row["channel"], {})[row["status"]] = row["n"]
        return found

    async def outstanding(self, now: datetime, held: Sequence[str] = ()) -> int:
        """Count what is owed and due and not `held` back, under way, or waits for its receipt."""
        due = (_COLUMNS.status == "owed") & _due(now) & _COLUMNS.message_id.not_in(held)
        awaited = (_COLUMNS.status == "sent") & (_COLUMNS.channel == "sms")
        waits = or_(due, _COLUMNS.status == "sending", awaited)
        query = _messages().where(waits).with_only_columns(func.count().label("n"))
        [row] = await fetch(self._pool, query)
        return int(row["n"])


def _wanted(
    projects: Sequence[str] | None, filters: Mapping[str, str]
) -> Iterator[ColumnElement[bool]]:
    yield from (_COLUMNS[name] == value for name, value in filters.items())
    if projects is not None:
        yield _COLUMNS.project_id.in_(projects)


def _owed(row: Row) -> OwedMessage:
    content = from_json(row["content"])
    values = content["values"]
    if row["only_if_sent"] is not None and row["before"] is not None:
        values = from_json(row["before"])["values"] | values
    return OwedMessage(
        row["message_id"],
        row["project_id"],
        row["channel"],
        row["template"],
        Role(row["role"]) if row["role"] else None,
        values,
        row["case_id"],
        row["attempts"],
        row["only_if_sent"],
        row["earlier"],
        row["instead_of"],
        row["household_id"],
        Sealed.model_validate_json(row["address"]) if row["address"] else None,
        {name: Sealed(**box) for name, box in content.get("sealed", {}).items()},
        row["together"],
        row["correlation_id"],
        row["incident"],
        row["incident_name"] or "",
    )
