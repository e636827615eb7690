"""The timers' peers: procrastinate and pgqueuer, as their documentation sets them up.

Each lets the same alarms fall due among as many pending ones. Its job only notes the time, where
ours loads a stream, decides, and appends two facts.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from procrastinate import App, PsycopgConnector
from tests.bench.frame import Bench, Line, Measure, NotMeasuredError, Prepare, percentile
from tests.bench.lines.timers import OFFERED, WARMING

BATCH = 500
LEAST_SECONDS = 10.0
"""procrastinate looks every five seconds."""
PATIENCE = timedelta(minutes=2)
"""How much longer to wait for a first alarm."""
DEFERRED_A_SECOND = 1_500
"""How many alarms are laid out in a second, at least."""

Rang = Callable[[int], None]
Defer = Callable[[Sequence[tuple[int, datetime]]], Awaitable[object]]
Work = Callable[[], Awaitable[object]]
"""Works until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A library that runs jobs at their time: how it is installed, filled, and made to work."""

    name: str
    install: Prepare
    fill: str
    opened: Callable[[str, Rang], AbstractAsyncContextManager[tuple[Defer, Work]]]


def measure_of(queue: Queue) -> Measure:
    """Give the measure of a library: alarms a second, and how late 99 of 100 were."""

    async def measure(bench: Bench) -> Mapping[str, float]:
        dsn = await bench.database(queue.install, queue.fill, bench.pending)
        rang: dict[int, datetime] = {}

        def take_down(number: int) -> None:
            assert number not in rang, "An alarm rang twice."
            rang[number] = datetime.now(UTC)

        seconds = max(bench.seconds, LEAST_SECONDS)
        count = WARMING + round(OFFERED * seconds)
        async with queue.opened(dsn, take_down) as (defer, work):
            begin = datetime.now(UTC) + timedelta(seconds=2 + count / DEFERRED_A_SECOND)
            due = {n: begin + timedelta(seconds=n / OFFERED) for n in range(count)}
            for first in range(0, count, BATCH):
                await defer(list(due.items())[first : first + BATCH])
            if datetime.now(UTC) >= begin:
                raise NotMeasuredError("The first job was due before all were laid out.")
            working = asyncio.ensure_future(work())
            end = due[WARMING] + timedelta(seconds=seconds)
            await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
            wait_until = end + PATIENCE
            while not rang and datetime.now(UTC) < wait_until:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
            end = datetime.now(UTC)
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
        # Who has not come to the end of the first second by then is counted from its beginning.
        counted_from = WARMING if max(rang, default=0) >= WARMING else 0
        counted = {n: at for n, at in due.items() if n >= counted_from}
        in_time = {n: rang[n] for n in counted if n in rang and rang[n] <= end}
        assert in_time, "No alarm rang."
        # What has not rung is as late as it is by now, at least.
        late = [(in_time.get(n, end) - at).total_seconds() for n, at in counted.items()]
        bench.keep("lateness", queue.name, late)
        return {
            queue.name: len(in_time) / (end - due[counted_from]).total_seconds(),
            f"{queue.name}.p99": percentile(late, 0.99) * 1000,
        }

    return measure


async def install_procrastinate(dsn: str) -> None:
    """Apply its schema."""
    async with App(connector=PsycopgConnector(conninfo=dsn)).open_async() as app:
        await app.schema_manager.apply_schema_async()


@asynccontextmanager
async def procrastinate(dsn: str, rang: Rang) -> AsyncIterator[tuple[Defer, Work]]:
    """Open it with the worker's own settings."""
    app = App(connector=PsycopgConnector(conninfo=dsn))

    @app.task(name="ring", pass_context=False)
    async def ring(number: int) -> None:
        rang(number)

    async def defer(alarms: Sequence[tuple[int, datetime]]) -> None:
        jobs = [ring.configure(schedule_at=at).make_new_job(number=n) for n, at in alarms]
        await app.job_manager.batch_defer_jobs_async(jobs)

    async def work() -> None:
        await app.run_worker_async(install_signal_handlers=False)

    async with app.open_async():
        yield defer, work


async def install_pgqueuer(dsn: str) -> None:
    """Apply its schema."""
    connection = await asyncpg.connect(dsn)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()


@asynccontextmanager
async def pgqueuer(dsn: str, rang: Rang) -> AsyncIterator[tuple[Defer, Work]]:
    """Open it with the worker's own settings."""
    async with asyncpg.create_pool(dsn) as pool:
        worker = PgQueuer.from_asyncpg_pool(pool)

        @worker.entrypoint("ring")
        async def ring(job: Job) -> None:
            rang(int(job.payload or b""))

        async def defer(alarms: Sequence[tuple[int, datetime]]) -> None:
            now = datetime.now(UTC)
            await worker.qm.queries.enqueue(
                ["ring"] * len(alarms),
                [str(number).encode() for number, _ in alarms],
                [0] * len(alarms),
                [at - now for _, at in alarms],
            )

        async def work() -> None:
            # Cancelled, it would not give back the connection on which it listens.
            running = asyncio.ensure_future(worker.run())
            try:
                await asyncio.shield(running)
            finally:
                worker.shutdown.set()
                await running

        yield defer, work


# Their triggers tell workers of each new row; there are none yet.
PROCRASTINATE_PENDING = """
SET session_replication_role = replica;
INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)
SELECT 'default', 'ring', jsonb_build_object('number', -n), now() + interval '30 days'
  FROM generate_series(1, {rows}) AS n
"""
PGQUEUER_PENDING = """
SET session_replication_role = replica;
INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after)
SELECT 0, 'ring', convert_to((-n)::text, 'UTF8'), 'queued', now() + interval '30 days'
  FROM generate_series(1, {rows}) AS n
"""

QUEUES = (
    Queue("procrastinate", install_procrastinate, PROCRASTINATE_PENDING, procrastinate),
    Queue("pgqueuer", install_pgqueuer, PGQUEUER_PENDING, pgqueuer),
)
MEASURES = {queue.name: measure_of(queue) for queue in QUEUES}
LINES = [
    line
    for queue in QUEUES
    for line in (
        Line(f"timers ({queue.name})", "timers", "alarms/s", None, queue.name),
        Line(f"timers (lateness p99, {queue.name})", "timers.p99", "ms", None, f"{queue.name}.p99"),
    )
]
