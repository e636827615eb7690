"""What was taken in is remembered for 90 days, so that nothing is taken twice, and then forgotten."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from steward_eventstore.port import Clock
from steward_eventstore.postgres import PostgresStore

KEPT = timedelta(days=90)
"""Much longer than Kafka keeps foreign messages, and than a request is sent again."""
PAUSE_SECONDS = 6 * 3600.0
_AT_ONCE = 1_000


async def keep_forgetting(store: PostgresStore, clock: Clock, for_good: Collection[str]) -> None:
    """Forget what is older, four times a day, until cancelled."""
    while True:
        await forget(store, clock.now() - KEPT, for_good)
        await asyncio.sleep(PAUSE_SECONDS)


async def forget(store: PostgresStore, before: datetime, for_good: Collection[str]) -> None:
    """Forget what was taken in before then, but for what consumers keep `for_good`."""
    while await store.forget_foreign(before, for_good, _AT_ONCE):
        pass
