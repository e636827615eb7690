"""Parked streams are tried again by themselves, with growing gaps; people may help.

parked --retry--> free          (all of its line was taken, in order)
^        |
+--------+ refused again: later next time
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog

from steward_decider import Refused
from steward_events.cloudevents import place_of
from steward_events.recorded import Recorded
from steward_eventstore.execute import Executor, Job, NotDone, Parked
from steward_eventstore.port import (
    Clock,
    EventStore,
    LinedUp,
    OwnAdvance,
    ParkedStream,
    Postpone,
    Reading,
    Unpark,
    Write,
)
from steward_service.batches import run_batch
from steward_service.hearing import ALONE, Hearing
from steward_service.telemetry import Metrics, named
from steward_service.ticker import CONSUMER as ALARMS
from steward_service.ticker import parked_alarm_job

_LOG = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.25
_STREAMS_AT_ONCE = 100
_METRICS_EVERY = 20
_ALL = 10_000
_NAMESPACE = uuid5(NAMESPACE_URL, "steward/discarded")
SOON_ATTEMPTS = 4
"""So often a stream is expected to mend itself: what it lacked may be on its way."""


class NotParked(Exception):
    """There is no such parked stream; a sentence for a person."""


class Retries:
    """Tries what is parked again when its time has come."""

    def __init__(
        self,
        executor: Executor,
        wall: Clock,
        hearing: Hearing,
        metrics: Metrics | None = None,
        on_heard: Callable[[Sequence[Recorded]], Awaitable[None]] | None = None,
    ) -> None:
        self._executor = executor
        self._store = executor.store
        self._wall = wall
        self._hearing = hearing
        self._metrics = metrics
        self._on_heard = on_heard
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Something was heard that others may have waited for: try them now."""
        self._hurry.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Retry until told to stop."""
        turn = 0
        while not stop.is_set():
            hurried = self._hurry.is_set()
            self._hurry.clear()
            try:
                await self.retry_due(hurried=hurried, stopped=stop.is_set)
                if turn % _METRICS_EVERY == 0:
                    await self._measure()
            except Exception as error:
                _LOG.warning("Parked streams cannot be tried now.", reason=named(error))
            turn += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)

    async def retry_due(
        self, *, hurried: bool = False, stopped: Callable[[], bool] = lambda: False
    ) -> int:
        """Try all whose time has come; gives how many streams are free again."""
        now = self._wall.now()
        freed = 0
        due = await self._store.parked(due_by=now, limit=_STREAMS_AT_ONCE)
        if hurried:
            waiting = await self._store.parked(code="not_heard_yet", limit=_STREAMS_AT_ONCE)
            due += [parked for parked in waiting if parked.retry_at > now]
        for parked in due:
            if stopped():
                break
            try:
                freed += await self.retry(parked)
            except Exception:
                _LOG.exception("A parked stream could not be tried.", stream=parked.stream)
                await self._postpone(
                    parked, Refused("The program failed on it; its log says where.", code="defect")
                )
        return freed

    async def retry(self, parked: ParkedStream) -> bool:
        """Try one stream's line in order, up to the first that is refused again."""
        while line := await self._store.line(parked.consumer, parked.stream):
            for message in line:
                try:
                    job = await self._job(message, parked.attempts)
                except Refused as refusal:
                    await self._postpone(parked, refusal, message.id)
                    return False
                [outcome] = await run_batch(self._executor, [job], lambda: True)
                waits = isinstance(outcome, Parked)
                if isinstance(outcome, NotDone) or (waits and job.retry):
                    return False
                if not job.retry:
                    await self._leave(message)
                if self._on_heard is not None and job.heard is not None and not waits:
                    await self._on_heard([job.heard])
        return True

    async def _job(self, message: LinedUp, attempts: int) -> Job:
        if message.consumer == ALARMS:
            job = parked_alarm_job(message)
        elif message.consumer == self._hearing.consumer:
            place = message.stream.removeprefix(ALONE)
            job = await self._hearing.job_from_line(message.parcel, place)
            stream = job.mark.stream if job.mark is not None else ""
            if message.stream.startswith(ALONE) and stream != message.stream:
                return job  # it can be read by now, and is taken as if it had just come
        else:
            raise Refused(f"Nobody here listens as {message.consumer}.", code="no_consumer")
        return job._replace(retry=True, attempts=attempts, order=message.order)

    async def _leave(self, message: LinedUp) -> None:
        place = (message.consumer, message.stream)
        leave = Unpark(*place, message.id)
        await self._store.commit(Write(parked_as_read={place: True}, unpark=[leave]))

    async def _postpone(self, parked: ParkedStream, refusal: Refused, head: str = "") -> None:
        later = self._wall.now() + timedelta(minutes=10)
        late = Postpone(parked.consumer, parked.stream, refusal.reason, refusal.code, later, head)
        await self._store.commit(Write(postpone=[late]))

    async def _measure(self) -> None:
        if self._metrics is None:
            return
        found = Counter(parked.code for parked in await self._store.parked(limit=_ALL))
        self._metrics.parked_streams.clear()
        for code, count in found.items():
            self._metrics.parked_streams.labels(code).set(count)


# What `steward parked retry | discard` do: they need the store only; the service does the rest.


async def find_parked(store: EventStore, stream: str, consumer: str = "") -> ParkedStream:
    """Find a parked stream; raises `NotParked`."""
    for parked in await store.parked(limit=_ALL):
        if parked.stream == stream and consumer in ("", parked.consumer):
            return parked
    raise NotParked(f"The stream {stream} is not parked.")


async def retry_now(store: EventStore, parked: ParkedStream, wall: Clock) -> None:
    """Let the running service try a parked stream at once."""
    at_once = Postpone(parked.consumer, parked.stream, parked.reason, parked.code, wall.now())
    await store.commit(Write(postpone=[at_once]))


async def discard(store: EventStore, parked: ParkedStream, wall: Clock) -> LinedUp | None:
    """Give up the message at the head of a parked stream's line, and let the rest be tried.

    The inbox moves on past it. Where a version is missing, it is the missing one that is given up,
    and nothing leaves the line (None). Raises `NotParked`.
    """
    line = await store.line(parked.consumer, parked.stream, 1)
    if not line:
        raise NotParked(f"Nothing waits any more in the line of {parked.stream}.")
    [head] = line
    place = (parked.consumer, parked.stream)
    write = Write(parked_as_read={place: True})
    found = place_of(head.parcel.headers)
    missing = False
    if found is not None and found[0] == parked.stream:
        view = await store.read(Reading({}, own=[place]))
        done, _ = view.own.get(place, (0, None))
        missing = parked.code == "gap" and head.order > done + 1
        version = head.order - 1 if missing else head.order
        id_ = uuid5(_NAMESPACE, f"{parked.stream}|{version}") if missing else UUID(head.id)
        if version > done:
            write.own.append(OwnAdvance(*place, done, version, id_))
    if not missing:
        write.unpark.append(Unpark(*place, head.id))
    await store.commit(write)
    await retry_now(store, parked, wall)
    return None if missing else head
