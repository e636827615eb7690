"""Carries erasures out, as often as needed: at once, at every start, and once more where it was late.

A subject's key goes from the owner's store, its texts out of the index, and what other systems have
said and was taken in out of their topics, where it stands in clear.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from time import monotonic

import asyncpg
import structlog
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from steward_intake.adapters.sealed_texts import PostgresSealedTexts
from steward_service.keys import erase_keys
from steward_service.queries import DATABASE_FAULTS
from steward_service.sealing import Sealer

_LOG = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
LATE = timedelta(seconds=60)
"""For so long what was under way at an erasure may still come in: it is carried out again."""

_FAULTS: tuple[type[Exception], ...] = (KafkaError, *DATABASE_FAULTS)
_AT_ONCE = 1_000
_PAGE = """
SELECT subject FROM erasures WHERE subject > $1 ORDER BY subject LIMIT $2
"""
_LATEST = "SELECT subject FROM erasures WHERE changed_at > $1::timestamptz - $2::interval"
_LAST = "SELECT max(changed_at) FROM erasures"


class PostgresErasing:
    """`Erasing` over the service's own database and the keys database."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        keys_pool: asyncpg.Pool,
        sealer: Sealer,
        texts: PostgresSealedTexts,
    ) -> None:
        self._pool = pool
        self._keys_pool = keys_pool
        self._sealer = sealer
        self._texts = texts

    async def carry_out(self, subjects: Iterable[str]) -> None:
        """Destroy the keys and what was derived from clear text."""
        gone = list(subjects)
        await erase_keys(self._keys_pool, gone)
        for subject in gone:
            self._sealer.forget(subject)
        await self._texts.take_out(gone)

    async def carry_all_out(self) -> None:
        """Carry out every erasure there ever was: a key may have come back from a back-up."""
        last = ""
        while rows := await self._pool.fetch(_PAGE, last, _AT_ONCE):
            await self.carry_out(row["subject"] for row in rows)
            last = rows[-1]["subject"]

    async def keep_up(self, bootstrap: Sequence[str], group: str, topics: Collection[str]) -> None:
        """Carry out what was asked for elsewhere or was late, until cancelled."""
        seen, until = None, 0.0
        while True:
            try:
                last = await self._pool.fetchval(_LAST)
                if last is not None and last != seen:
                    seen, until = last, monotonic() + LATE.total_seconds()
                if monotonic() < until:
                    rows = await self._pool.fetch(_LATEST, last, LATE)
                    await self.carry_out(row["subject"] for row in rows)
                    await trim(bootstrap, group, topics)
            except _FAULTS as error:
                until = monotonic() + LATE.total_seconds()
                _LOG.warning("An erasure is carried out again later.", reason=type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)


async def trim(bootstrap: Sequence[str], group: str, topics: Collection[str]) -> None:
    """Delete from topics what the group has taken in. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=list(bootstrap))
    await admin.start()
    try:
        taken = {
            place: RecordsToDelete(committed.offset)
            for place, committed in (await admin.list_consumer_group_offsets(group)).items()
            if place.topic in topics and committed.offset > 0
        }
        if taken:
            await admin.delete_records(taken)
    finally:
        await admin.close()
