"""Publishes what the event store holds: in its order, each fact at least once.

lease (wall time, fence) --> page --> send all --> all acknowledged --> cursor, if the fence holds
        ^                                                                       |
        +---------------------------- next page --------------------------------+

A relay that lost its lease changes nothing: it can only repeat what the next one sends anyway, and
the first occurrences stay in order.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from steward_events.cloudevents import to_kafka
from steward_eventstore.port import (
    EVERYWHERE,
    Clock,
    Cursor,
    EventStore,
    Lease,
    Relayed,
    Unavailable,
)
from steward_service.telemetry import Metrics, named

_LOG = structlog.get_logger(__name__)

PAGE = 2_000
POLL_SECONDS = 0.01
"""Between polls while something that was appended here is not published, or others append."""
IDLE_SECONDS = 0.05
"""Between polls otherwise; what this process appends wakes the relay."""
LEASE = timedelta(seconds=3)
_RENEW_SECONDS = 1.0
_BUSY_SECONDS = 1.0
_BACKLOG_SECONDS = 5.0
_BATCH_BYTES = 512 * 1024
_REQUEST_BYTES = 1024 * 1024
_BUILT_AT_ONCE = 200
_AFTER_ERROR_SECONDS = 0.2
_CLOSE_SECONDS = 2.0


class Relay:
    """Relays one database's facts to one topic; `holder` names this process in the lease."""

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        bootstrap: Sequence[str],
        topic: str,
        partitions: int,
        metrics: Metrics,
        *,
        holder: str,
        page: int = PAGE,
        lease: timedelta = LEASE,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bootstrap = list(bootstrap)
        self._topic = topic
        self._partitions = range(partitions)
        self._metrics = metrics
        self._holder = holder
        self._page = page
        self._lease_time = lease
        self._lease: Lease | None = None
        self._renewed_at = 0.0
        self._cursor = Cursor(0, 0, 0)
        self._producer: AIOKafkaProducer | None = None
        self._measured_at = 0.0
        self._appended = asyncio.Event()
        self._owed = 0
        self.relayed_facts = 0
        self.failure = ""

    def wake(self, facts: int = 1) -> None:
        """Say that so many facts were appended: the next poll need not wait."""
        self._owed += facts
        self._appended.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until told to stop; the page in hand is finished."""
        try:
            busy_until = 0.0
            while not stop.is_set():
                self._appended.clear()
                published = await self._turn()
                if published > self._owed:
                    busy_until = monotonic() + _BUSY_SECONDS  # others append as well
                self._owed = max(0, self._owed - published)
                if not published:
                    await self._rest(busy_until)
        finally:
            await self.close()
            if self._lease is not None:
                with contextlib.suppress(Unavailable):
                    # For no time at all: the next relay need not wait until it runs out.
                    await self._store.take_lease(self._holder, timedelta(0))

    async def _rest(self, busy_until: float) -> None:
        # Whatever writes in the whole cluster may hold what was appended back for a moment.
        soon = self._owed or monotonic() < busy_until
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._appended.wait(), POLL_SECONDS if soon else IDLE_SECONDS)

    async def _turn(self) -> int:
        try:
            published = await self.publish_page()
        except (KafkaError, Unavailable) as error:
            self.failure = f"The relay cannot publish: {type(error).__name__}."
            _LOG.warning("The relay starts again from its cursor.", reason=named(error))
        except Exception:
            self.failure = "The relay met a defect; its log says where."
            _LOG.exception("The relay starts again from its cursor.")
        else:
            self.failure = ""
            return published
        # A failed idempotent batch has used up its number: this producer would fail for ever.
        self._lease = None
        await self.close()
        await asyncio.sleep(_AFTER_ERROR_SECONDS)
        return 0

    async def publish_page(self) -> int:
        """Publish the next page, if the lease is ours; gives how many facts it had.

        Raises KafkaError and `Unavailable`; the producer must not be used again after them.
        """
        lease = await self._hold_lease()
        if lease is None:
            self._owed = 0  # whoever holds it owes it
            return 0
        page = await self._store.relay_page(self._cursor, self._page)
        await self._measure()
        if not page:
            return 0
        await self._send(page)
        cursor = page[-1].cursor
        if not await self._store.relayed(lease.fence, cursor, len(page)):
            _LOG.warning("Another relay holds the lease by now; this one changes nothing.")
            self._lease = None
            return 0
        self._cursor = cursor
        self.relayed_facts += len(page)
        return len(page)

    async def _hold_lease(self) -> Lease | None:
        since = monotonic() - self._renewed_at
        if self._lease is None and since < _RENEW_SECONDS / 4:
            return None
        if self._lease is None or since > _RENEW_SECONDS:
            before = self._lease
            asked_at = monotonic()
            self._lease = await self._store.take_lease(self._holder, self._lease_time)
            self._renewed_at = asked_at
            if self._lease is not None and (before is None or before.fence != self._lease.fence):
                self._cursor = self._lease.cursor
        return self._lease

    async def _send(self, page: Sequence[Relayed]) -> None:
        producer = await self._started()
        batches: dict[int, Any] = {}
        for number, row in enumerate(page):
            key, headers, value = to_kafka(row.type, row.stream, row.version, row.data, row.meta)
            places = self._partitions if row.partition == EVERYWHERE else (row.partition,)
            for place in places:
                batch = batches.get(place) or producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    # Never two batches of a partition under way: if the first failed, the second
                    # would stand before it.
                    await self._acknowledged(producer, batches)
                    batches.clear()
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None, headers=headers)
                batches[place] = batch
            if number % _BUILT_AT_ONCE == _BUILT_AT_ONCE - 1:
                await asyncio.sleep(0)  # others run between
        await self._acknowledged(producer, batches)

    async def _acknowledged(self, producer: AIOKafkaProducer, batches: dict[int, Any]) -> None:
        sent = [
            await producer.send_batch(batch, self._topic, partition=place)
            for place, batch in batches.items()
        ]
        # All have ended, well or not, before anything is sent again.
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                client_id=f"steward-relay-{self._topic}",
                enable_idempotence=True,
                acks="all",
                max_batch_size=_BATCH_BYTES,
                max_request_size=_REQUEST_BYTES,
                request_timeout_ms=10_000,
            )
            await producer.start()
            self._producer = producer
        return self._producer

    async def close(self) -> None:
        """Throw the producer away; the next page would start a new one."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            await asyncio.wait_for(producer.stop(), _CLOSE_SECONDS)
        except (KafkaError, TimeoutError):
            await producer.client.close()

    async def _measure(self) -> None:
        if monotonic() - self._measured_at < _BACKLOG_SECONDS:
            return
        self._measured_at = monotonic()
        backlog, oldest = await self._store.backlog()
        self._metrics.relay_backlog.set(backlog)
        age = (self._clock.now() - oldest).total_seconds() if oldest else 0.0
        self._metrics.relay_lag.set(max(0.0, age))
