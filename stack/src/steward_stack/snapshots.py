"""The services' databases, read by whoever looks at the whole from outside."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg

from steward_events import intake, notify, registry, sla, visits  # noqa: F401 - declare all facts
from steward_events.recorded import Recorded
from steward_eventstore.rows import recorded_of
from steward_stack.supervisor import Endpoints

_TOGETHER = 2_000


_PATIENT = {"timezone": "UTC", "idle_in_transaction_session_timeout": "0"}
"""Of a snapshot nothing may be read for minutes, while other databases are."""


@asynccontextmanager
async def connected(endpoints: Endpoints, service: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a service's database."""
    dsn = endpoints.database(service)
    connection = await asyncpg.connect(dsn, server_settings=_PATIENT)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def snapshot(endpoints: Endpoints, service: str) -> AsyncIterator[asyncpg.Connection]:
    """Read a database as it is at one instant; nothing is written, so no relay waits for it."""
    async with (
        connected(endpoints, service) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def facts_of(
    owner: asyncpg.Connection, query: str, heard: Mapping[str, int] | None = None
) -> AsyncIterator[Recorded]:
    """Read facts one after the other: `query` gives stream, version, type, data and meta as texts.

    `heard` leaves out those of a stream that stand behind its version there.
    """
    async for row in owner.cursor(query, prefetch=_TOGETHER):
        stream, version, *_ = row
        if heard is None or version <= heard.get(stream, 0):
            yield recorded_of(*row)
