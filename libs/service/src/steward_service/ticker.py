"""Rings alarms: each at its own time, and never before all that came before it was heard.

The listener to which a partition is assigned also rings its alarms, and only up to what it heard
there. So a service that was down for two hours does not escalate what was handled meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar
from uuid import NAMESPACE_URL

import structlog
from uuid_utils.compat import uuid5

from steward_decider import Refused
from steward_eventstore.execute import Alarms, Applied, Cause, Executor, Job, NotDone, To
from steward_eventstore.port import Clock, ForeignMark, LinedUp, Parcel, Park, Write
from steward_service.batches import run_batch
from steward_service.clocks import ServiceClock
from steward_service.listening import Heard
from steward_service.telemetry import Metrics, named

_LOG = structlog.get_logger(__name__)
_T = TypeVar("_T")

CONSUMER = "alarms"
LANES = 2
"""Parts of the partitions that ring beside each other."""
MAX_RINGS = 100
"""In one pass of a lane: so long others' alarms wait at most while one project has very many."""
PAUSE_SECONDS = 0.02
"""Between passes while something is due and waits to be heard, or will be due at once."""
IDLE_SECONDS = 0.1
"""Between passes while nothing is due; an alarm that this process sets wakes the ticker."""
UNHEARD_AFTER = timedelta(minutes=10)
_READ_PARKED_SECONDS = 20.0
_PARKED_AT_MOST = 10_000
_WORTH_A_FLOOR = MAX_RINGS // 2
_BATCH = 50
"""Of a pass, so many are decided while the database commits others."""
_FIRST_RETRY = timedelta(seconds=1)
_NAMESPACE = uuid5(NAMESPACE_URL, "steward/alarms")
_UNHEARD = ("unheard", b"1")


class Ticker:
    """Rings the alarms of the partitions that are this process's business.

    `unheard_after` is wall time: so long an alarm waits for what others know, then it rings with
    `unheard=True` and an alert goes with it.
    """

    def __init__(
        self,
        executor: Executor,
        clock: ServiceClock,
        wall: Clock,
        heard: Heard,
        metrics: Metrics,
        *,
        unheard_after: timedelta = UNHEARD_AFTER,
    ) -> None:
        self._executor = executor
        self._store = executor.store
        self._clock = clock
        self._wall = wall
        self._heard = heard
        self._metrics = metrics
        self._unheard_after = unheard_after
        self._one_pass = asyncio.Lock()
        self._blocked: dict[int, tuple[datetime, float]] = {}
        self.next: datetime | None = None
        """The next alarm, as of the last pass."""
        self._all_rung: tuple[datetime, datetime] | None = None
        self._parked: dict[str, str] = {}
        self._parked_read_at = -_READ_PARKED_SECONDS
        self._changed = asyncio.Event()
        self.rung = 0

    def wake(self) -> None:
        """Say that alarms may have changed: the next pass need not wait."""
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Ring until told to stop."""
        while not stop.is_set():
            self._changed.clear()
            try:
                await self.ring_due()
                pause = self._until_next()
            except Exception as error:
                _LOG.warning("Alarms cannot be rung now.", reason=named(error))
                pause = 0.5
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        until = monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
            # Many appends are one reason to look, and what is due meanwhile is not late for it.
            await asyncio.sleep(max(0.0, min(PAUSE_SECONDS, until - monotonic())))

    async def ring_due(self) -> int:
        """Ring everything that is due and heard; gives how many streams rang.

        Raises `Unavailable` or `GivenUp` without a store.
        """
        async with self._one_pass:
            rung = 0
            while await self._anything() and (streams := await self._ring_lanes()):
                rung += streams
            return rung

    async def due(self) -> int:
        """Say whether alarms are due by the clock (1) or not (0), those that wait left aside.

        It goes by what the last pass found next, as of that pass.
        """
        now = self._clock.now()
        if self.next is None or self.next >= now:
            return 0
        return int(bool(await self._store.due(dict.fromkeys(self._heard.partitions(), now), 1)))

    async def next_alarm(self) -> datetime | None:
        """Give the next alarm of this process's partitions."""
        partitions = sorted(self._heard.partitions())
        return await self._store.next_due(partitions) if partitions else None

    async def _anything(self) -> bool:
        now, wall = self._clock.now(), self._wall.now()
        self.next = await self.next_alarm()
        if self.next is not None and self.next < now:
            return True
        self._blocked.clear()
        self._all_rung = (now, wall)
        return False

    def _until_next(self) -> float:
        if self.next is None:
            return IDLE_SECONDS
        left = (self.next - self._clock.now()).total_seconds()
        # What is due and did not ring waits for something to be heard.
        return min(IDLE_SECONDS, left) if left > 0 else PAUSE_SECONDS / 2

    async def _ring_lanes(self) -> int:
        """Ring in all lanes until none has found anything: while one waits, another decides.

        A lane that has nothing looks again while others are busy, so that what falls due in it
        meanwhile waits for no other lane's storm.
        """
        busy, over = set(range(LANES)), asyncio.Event()

        async def ring(lane: int) -> int:
            rung = 0
            while not over.is_set():
                try:
                    streams = await self._ring_pass(lane)
                except BaseException:
                    over.set()
                    raise
                rung += streams
                if streams:
                    busy.add(lane)
                    continue
                busy.discard(lane)
                if not busy:
                    over.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), PAUSE_SECONDS)
            return rung

        return sum(await _all(map(ring, range(LANES))))

    async def _ring_pass(self, lane: int) -> int:
        mine = sorted(self._heard.partitions())
        partitions = [partition for partition in mine if partition % LANES == lane]
        due = await self._due_of(partitions)
        await _all(self._ring(due[first : first + _BATCH]) for first in range(0, len(due), _BATCH))
        for partition in partitions if len(due) >= _WORTH_A_FLOOR else ():
            self._store.rang(partition, due[0][0])
        return len(due)

    async def _due_of(self, partitions: Sequence[int]) -> list[tuple[datetime, str, bool]]:
        if not partitions:
            return []
        now = self._clock.now()
        limits = dict(await self._heard.heard(partitions))
        due = [(at, stream, False) for stream, at in await self._store.due(limits, MAX_RINGS)]
        if given_up := self._given_up(limits, now):
            late = await self._store.due(dict.fromkeys(given_up, now), MAX_RINGS)
            known = {stream for _, stream, _ in due}
            due += [(at, stream, True) for stream, at in late if stream not in known]
        return await self._with_parked(sorted(due))

    def _given_up(self, limits: Mapping[int, datetime], now: datetime) -> list[int]:
        """Name the partitions where nothing more was heard for too long."""
        found = []
        for partition, limit in limits.items():
            before, since = self._blocked.get(partition, (None, 0.0))
            if limit >= now:
                self._blocked.pop(partition, None)
            elif before != limit:
                self._blocked[partition] = (limit, monotonic())
            elif monotonic() - since >= self._unheard_after.total_seconds():
                found.append(partition)
        if found:
            _LOG.error("Alarms ring without what others know: nothing was heard.", count=len(found))
        return found

    async def _with_parked(
        self, due: list[tuple[datetime, str, bool]]
    ) -> list[tuple[datetime, str, bool]]:
        """Ring without what others know where a source stream is parked for too long.

        The store leaves such alarms out for the first ten minutes. Alarms that failed themselves
        are the business of the retries alone.
        """
        if monotonic() - self._parked_read_at > _READ_PARKED_SECONDS or any(
            stream in self._parked for _, stream, _ in due
        ):
            found = await self._store.parked(limit=_PARKED_AT_MOST)
            self._parked = {parked.feeds: parked.consumer for parked in found if parked.feeds}
            self._parked_read_at = monotonic()
        return [
            (at, stream, unheard or stream in self._parked)
            for at, stream, unheard in due
            if self._parked.get(stream) != CONSUMER
        ]

    async def _ring(self, due: Sequence[tuple[datetime, str, bool]]) -> None:
        jobs = [alarm_job(stream, at, unheard=unheard) for at, stream, unheard in due]
        outcomes = await run_batch(self._executor, jobs, lambda: True)
        done = self._wall.now()
        self.rung += len(due)
        for (at, stream, unheard), outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, NotDone):
                await self._park(stream, at, outcome.error, unheard=unheard)
            elif isinstance(outcome, Applied) and outcome.facts:
                self._metrics.timer_lateness.observe(self._lateness(at, done))

    def _lateness(self, at: datetime, done: datetime) -> float:
        passed = self._clock.passed(at)
        if self._all_rung is not None and at < self._all_rung[0]:
            # All that was due then had rung: this alarm was set later, for an instant gone by.
            passed = max(passed, self._all_rung[1])
        return max(0.0, (done - passed).total_seconds())

    async def _park(self, stream: str, at: datetime, error: Exception, *, unheard: bool) -> None:
        """Let a stream's alarms wait for the retries; the rest goes on."""
        code = error.code if isinstance(error, Refused) else type(error).__name__
        _LOG.error("An alarm failed; its stream's alarms wait.", stream=stream, code=code)
        now = self._wall.now()
        message = parked_alarm(stream, at, now, unheard=unheard)
        park = Park(message, str(error), code, now, now + _FIRST_RETRY, feeds=stream)
        await self._store.commit(Write(park=[park]))
        self._parked[stream] = CONSUMER


async def _all(each: Iterable[Awaitable[_T]]) -> list[_T]:
    """Let all come to their end; then raises what one of them raised."""
    ended = await asyncio.gather(*each, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if not isinstance(one, BaseException)]


def alarm_job(stream: str, at: datetime, *, unheard: bool = False) -> Job:
    """Make the job that rings one stream's alarm of one instant, if it still stands."""
    cause = Cause(uuid5(_NAMESPACE, f"{stream}|{at.isoformat()}"), CONSUMER)
    # Only this instant: what is due later rings in its turn, after other streams' earlier alarms.
    alarms = Alarms(at=at, until=at + timedelta(microseconds=1), unheard=unheard)
    return Job(cause, lambda: [To(stream, "", alarms)])


def parked_alarm(stream: str, at: datetime, now: datetime, *, unheard: bool = False) -> LinedUp:
    """Make what waits in the line of a stream whose alarm failed."""
    # With when it failed: an alarm of the same instant may come again and fail again.
    id_ = f"{stream} {at.isoformat()} {now.isoformat()}"
    parcel = Parcel(CONSUMER, b"", (_UNHEARD,) if unheard else (), at.isoformat().encode())
    return LinedUp(CONSUMER, stream, 1, id_, parcel)


def parked_alarm_job(message: LinedUp) -> Job:
    """Make the job that rings an alarm which failed before."""
    stream, parcel = message.stream, message.parcel
    at = datetime.fromisoformat(parcel.value.decode())
    job = alarm_job(stream, at, unheard=_UNHEARD in parcel.headers)
    mark = ForeignMark(CONSUMER, stream, message.id.removeprefix(f"{stream} "), stream)
    return job._replace(mark=mark, parcel=parcel, feeds=stream)
