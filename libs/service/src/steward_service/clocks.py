"""Where Steward's time comes from: the database's clock, or a clock that a driver steps.

    driver: step or ask --> row `clock` (time, round) --> NOTIFY --> every registered process
    process: takes the time, works off what is due, reads its counters --> row in `processes`
    driver: drained when two rounds in succession say «quiet» with the same counters

A round is answered with work begun after it was seen, so that the second of two equal rounds proves
that nothing was under way between them. Leases, time-outs and back-offs always use `WallClock`.
"""

import asyncio
import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Protocol, Self

import asyncpg
import structlog
from asyncpg import Connection
from pydantic_core import from_json, to_json

from steward_service.queries import DATABASE_FAULTS

_LOG = structlog.get_logger(__name__)

_REFRESH_SECONDS = 20.0
_RECONNECT_SECONDS = 0.5
_ANSWER_SECONDS = 1.0
_STEPS_REMEMBERED = 20_000
NEVER_SET = datetime(2000, 1, 1, tzinfo=UTC)
_CHANNEL = "steward_clock"
_ANSWERS = "steward_clock_answers"

SCHEMA = """
CREATE TABLE IF NOT EXISTS clock (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    now timestamptz NOT NULL,
    round bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS processes (
    name text PRIMARY KEY,
    round bigint NOT NULL,
    reading jsonb NOT NULL
);
"""

# The time as text, for a notification; PostgreSQL's own form depends on the session.
_TOLD = """
SELECT now, round, pg_notify('steward_clock', to_char(now AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') || '|' || round) FROM changed
"""
_STEP = f"""
WITH changed AS (UPDATE clock SET now = greatest(now, $1::timestamptz), round = round + 1
                 RETURNING now, round) {_TOLD}
"""  # noqa: S608 - no input in it
_NEVER = "INSERT INTO clock (now, round) VALUES ($1, 1) ON CONFLICT DO NOTHING"
_REGISTER = """
INSERT INTO processes (name, round, reading) VALUES ($1, 0, '{}')
ON CONFLICT (name) DO UPDATE SET round = 0, reading = '{}'
"""
_ANSWER = """
WITH changed AS (UPDATE processes SET round = $2, reading = $3::text::jsonb WHERE name = $1
                 RETURNING name, round)
SELECT pg_notify('steward_clock_answers', name || '|' || round) FROM changed
"""


class ServiceClock(Protocol):
    """A clock as the shell uses it; deciders see `now` only."""

    def now(self) -> datetime: ...

    def passed(self, at: datetime) -> datetime:
        """Give the wall time at which this clock went past an instant."""
        ...


class SystemClock:
    """The database's time, monotonic between two readings of it; it never runs backwards."""

    def __init__(self) -> None:
        self._base = datetime.min.replace(tzinfo=UTC)
        self._read_at = monotonic()
        self._last = self._base
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, read_time: Callable[[], Awaitable[datetime]]) -> Self:
        """Read the time once and keep it right in the background; `close` it at the end."""
        clock = cls()
        await clock._refresh(read_time)
        clock._task = asyncio.create_task(clock._keep(read_time))
        return clock

    async def close(self) -> None:
        """Stop reading the time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def now(self) -> datetime:
        """Give the time."""
        self._last = max(self._last, self._base + timedelta(seconds=monotonic() - self._read_at))
        return self._last

    def passed(self, at: datetime) -> datetime:
        """Give the instant itself: this clock is wall time."""
        return at

    async def _refresh(self, read_time: Callable[[], Awaitable[datetime]]) -> None:
        before = monotonic()
        told = await read_time()
        # The answer was true somewhere between question and answer.
        self._base, self._read_at = told, (before + monotonic()) / 2

    async def _keep(self, read_time: Callable[[], Awaitable[datetime]]) -> None:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await self._refresh(read_time)
            except Exception as error:
                _LOG.warning("The database's time cannot be read.", reason=type(error).__name__)


WallClock = SystemClock
"""What leases, time-outs, back-offs and lateness go by, whatever the service's own clock is."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What one process says of itself; the counters only grow.

    `lag`: messages that Kafka holds for it and that it has not handled; `backlog`: facts that it
    has stored and not relayed; `http`: requests in flight; `due`: alarms due; `ready`: parked
    streams that will soon be tried again; `sweeps`: sweeps not finished; `outstanding`: sends and
    receipts under way; `next_timer`: its next alarm.
    """

    lag: int = 0
    backlog: int = 0
    http: int = 0
    due: int = 0
    ready: int = 0
    sweeps: int = 0
    outstanding: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    next_timer: datetime | None = None

    @property
    def quiet(self) -> bool:
        """Say whether nothing is under way."""
        return not (
            self.lag
            or self.backlog
            or self.http
            or self.due
            or self.ready
            or self.sweeps
            or self.outstanding
        )


async def prepare(dsn: str) -> None:
    """Make the tables of the stepped clock in its database; the clock stands at `NEVER_SET`."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            # IF NOT EXISTS alone fails when two sessions make the same table.
            await connection.execute("SELECT pg_advisory_xact_lock(7318349002)")
            await connection.execute(SCHEMA)
            await connection.execute(_NEVER, NEVER_SET)
    finally:
        await connection.close()


class SteppedClock:
    """Stands still until a driver steps it; answers the driver's rounds with this process's readings.

    `wall` is wall time. Nothing is answered before `answer_with` has named what to do in a round.
    """

    def __init__(self, dsn: str, process: str, wall: SystemClock) -> None:
        self._dsn = dsn
        self._process = process
        self._wall = wall
        self._now = datetime.min.replace(tzinfo=UTC)
        self._round = 0
        self._steps: deque[tuple[datetime, datetime]] = deque(maxlen=_STEPS_REMEMBERED)
        self._work: Callable[[], Awaitable[Readings]] | None = None
        self._asked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._connection: Connection | None = None
        self._using = asyncio.Lock()

    @classmethod
    async def connect(cls, dsn: str, process: str, wall: SystemClock) -> Self:
        """Read the time, of a clock that is made if it is not there."""
        await prepare(dsn)
        clock = cls(dsn, process, wall)
        await clock._open()
        clock._tasks = [
            asyncio.create_task(clock._keep_connection()),
            asyncio.create_task(clock._answer()),
        ]
        return clock

    async def register(self, work: Callable[[], Awaitable[Readings]]) -> None:
        """From now on the driver waits for this process; `work` does a round and reads."""
        assert self._connection is not None  # noqa: S101 - opened by connect
        async with self._using:
            await self._connection.execute(_REGISTER, self._process)
        self._work = work
        self._asked.set()

    async def close(self, *, unregister: bool = True) -> None:
        """Stop answering; the driver no longer waits for a process that was stopped on purpose."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        if unregister:
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                await connection.execute("DELETE FROM processes WHERE name = $1", self._process)
                await connection.execute(f"NOTIFY {_ANSWERS}")
        await connection.close()

    def now(self) -> datetime:
        """Give the time that the driver has set."""
        return self._now

    def passed(self, at: datetime) -> datetime:
        """Give the wall time of the step that went past an instant."""
        place = bisect_right(self._steps, at, key=lambda step: step[0])
        return self._steps[place][1] if place < len(self._steps) else self._wall.now()

    async def _open(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            command_timeout=10,
            server_settings={
                "application_name": self._process,
                # A lost answer is asked for again; the driver need not wait for the disk.
                "synchronous_commit": "off",
            },
        )
        await connection.add_listener(_CHANNEL, self._heard)
        row = await connection.fetchrow("SELECT now, round FROM clock")
        assert row is not None  # noqa: S101 - made by prepare
        self._connection = connection
        self._take(row["now"], row["round"])
        if self._work is not None:
            await connection.execute(_REGISTER, self._process)
        self._asked.set()

    def _heard(self, _: object, __: int, ___: str, payload: object) -> None:
        now, _, number = str(payload).partition("|")
        self._take(datetime.fromisoformat(now), int(number))
        self._asked.set()

    def _take(self, now: datetime, number: int) -> None:
        if number < self._round:
            return
        self._round = number
        if now > self._now:
            self._now = now
            self._steps.append((now, self._wall.now()))

    async def _keep_connection(self) -> None:
        while True:
            await asyncio.sleep(_RECONNECT_SECONDS)
            if self._connection is None or self._connection.is_closed():
                with contextlib.suppress(*DATABASE_FAULTS):
                    await self._open()

    async def _answer(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            number, work, connection = self._round, self._work, self._connection
            if work is None or connection is None:
                continue
            try:
                reading = to_json(asdict(await work())).decode()
                async with self._using:
                    await connection.execute(_ANSWER, self._process, number, reading)
            except Exception as error:
                # A process that cannot read itself now does not answer; it is asked again.
                _LOG.warning("A round of the clock failed.", reason=type(error).__name__)
                await asyncio.sleep(0.05)
                self._asked.set()


class NotDrained(Exception):
    """Work went on longer than the driver was willing to wait; the text says where."""


class SteppedDriver:
    """Steps the clock of all registered processes and knows when nothing is under way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._now = datetime.min.replace(tzinfo=UTC)
        self._round = 0
        self._silent: set[str] = set()
        self._answered = asyncio.Event()
        self.readings: dict[str, Readings] = {}

    @classmethod
    async def connect(cls, dsn: str, start: datetime) -> Self:
        """Set the clock to `start`, or leave it where it is if that is later; makes its tables."""
        await prepare(dsn)
        connection = await asyncpg.connect(dsn, server_settings={"synchronous_commit": "off"})
        driver = cls(connection)
        await connection.add_listener(_ANSWERS, driver._heard)
        await driver.step(start)
        return driver

    async def close(self) -> None:
        """Let go of the clock; it keeps standing where it is."""
        await self._connection.close()

    def now(self) -> datetime:
        """Give the time that was set last."""
        return self._now

    async def step(self, to: datetime) -> None:
        """Set the clock; every registered process will take note of it."""
        row = await self._connection.fetchrow(_STEP, to)
        assert row is not None  # noqa: S101 - made by prepare
        self._now, self._round, _ = row

    async def wait_noticed(self, seconds: float = 60.0) -> None:
        """Wait until every process goes by the time that was set; raises `NotDrained`."""
        await self._all_answered(monotonic() + seconds)

    async def wait_drained(self, seconds: float = 60.0) -> None:
        """Wait until nothing is under way anywhere.

        Raises `NotDrained` after so many seconds in which nothing moved.
        """
        deadline = monotonic() + seconds
        before: Mapping[str, Readings] = {}
        moved: dict[str, Mapping[str, int]] = {}
        pause = 0.001
        while True:
            await self._all_answered(deadline + _ANSWER_SECONDS)
            quiet = all(reading.quiet for reading in self.readings.values())
            counters = _counters(self.readings)
            if quiet and before and _counters(before) == counters:
                return
            if counters != moved:
                moved, deadline = counters, monotonic() + seconds
            if not quiet:
                await asyncio.sleep(pause)
                pause = min(0.02, pause * 1.5)
            if monotonic() > deadline:
                raise NotDrained(f"Work is still under way: {self.busy()}.")
            before = self.readings if quiet else {}
            await self.step(self._now)

    def next_timer(self) -> datetime | None:
        """Give the next alarm after now, as of the last round."""
        timers = [r.next_timer for r in self.readings.values() if r.next_timer is not None]
        return min((at for at in timers if at >= self._now), default=None)

    def busy(self) -> str:
        """Say what is under way, as of the last round."""
        if not self.readings:
            return "no process has registered"
        return "; ".join(
            f"{name}: "
            + ", ".join(
                f"{what} {count}"
                for what, count in asdict(reading).items()
                if isinstance(count, int) and count
            )
            for name, reading in sorted(self.readings.items())
            if not reading.quiet
        )

    def _heard(self, _: object, __: int, ___: str, payload: object) -> None:
        name, _, number = str(payload).rpartition("|")
        if not name or int(number) >= self._round:
            self._silent.discard(name)
        if not name or not self._silent:
            self._answered.set()

    async def _all_answered(self, deadline: float) -> None:
        self._silent = set(self.readings)
        while True:
            self._answered.clear()
            rows = await self._connection.fetch("SELECT name, round, reading::text FROM processes")
            self._silent = {row["name"] for row in rows if row["round"] < self._round}
            if not self._silent:
                self.readings = {row["name"]: _reading(row["reading"]) for row in rows}
                return
            left = deadline - monotonic()
            if left <= 0:
                raise NotDrained(f"No answer to the clock from {', '.join(sorted(self._silent))}.")
            with contextlib.suppress(TimeoutError):
                # Now and then without being told: a notification may have come before the question.
                await asyncio.wait_for(self._answered.wait(), min(left, 0.1))


def _reading(text: str) -> Readings:
    said: dict[str, Any] = from_json(text)
    if said.get("next_timer"):
        said["next_timer"] = datetime.fromisoformat(said["next_timer"])
    return Readings(**said)


def _counters(readings: Mapping[str, Readings]) -> dict[str, Mapping[str, int]]:
    return {name: reading.counters for name, reading in readings.items()}
