"""Figures that only the database knows, counted again and again without being a burden.

Each replica counts the whole database: of several the greatest holds, not the sum.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import asyncpg
import structlog

from steward_eventstore.port import EVERYWHERE, Clock
from steward_service.queries import DATABASE_FAULTS
from steward_service.telemetry import Metrics

Count = Callable[[asyncpg.Pool, Metrics], Awaitable[None]]
"""Sets a service's own gauges."""

_LOG = structlog.get_logger(__name__)

PAUSE_SECONDS = 5.0
_PAUSE_PER_SECOND = 20.0
"""So long a count of one second is not repeated."""

OLDEST_WRITE = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL
"""
"""Gives how many seconds the oldest open transaction that has written is old.

Of the whole cluster: any of them holds up the relay.
"""

_OVERDUE = "SELECT count(*) FROM timers WHERE partition = ANY($1) AND due_at < $2"


async def keep_counting(
    pool: asyncpg.Pool, metrics: Metrics, clock: Clock, partitions: int, own: Sequence[Count]
) -> None:
    """Set the gauges again and again, until cancelled."""
    while True:
        began = monotonic()
        try:
            await count(pool, metrics, clock, partitions, own)
        except DATABASE_FAULTS as error:
            _LOG.warning("The figures cannot be counted now.", reason=type(error).__name__)
        await asyncio.sleep(max(PAUSE_SECONDS, _PAUSE_PER_SECOND * (monotonic() - began)))


async def count(
    pool: asyncpg.Pool, metrics: Metrics, clock: Clock, partitions: int, own: Sequence[Count]
) -> None:
    """Set the gauges once."""
    metrics.oldest_write_transaction.set(await pool.fetchval(OLDEST_WRITE))
    everywhere = [EVERYWHERE, *range(partitions)]
    metrics.timers_overdue.set(await pool.fetchval(_OVERDUE, everywhere, clock.now()))
    for each in own:
        await each(pool, metrics)
