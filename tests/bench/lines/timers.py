"""Timers: full breaches a second with many alarms pending, and a burst due at one instant.

The service's own ticker rings; each alarm is decided from its facts and appends a breach and an
escalation. Time is shifted, so that the first alarm is due when everything has been laid out.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

from tests.bench.frame import Bench, Line, percentile
from tests.support.eventstore import ClockDecider, Running, Start, TestCommand, breached, job
from tests.support.eventstore import migrated as empty

from steward_decider import Ring
from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.sla import ClockBreached, Escalated
from steward_events.vocabulary import Role
from steward_eventstore.execute import Executor
from steward_eventstore.postgres import PostgresStore
from steward_service import memory
from steward_service.listening import EverythingHeard
from steward_service.partitions import partition_of
from steward_service.telemetry import Metrics
from steward_service.ticker import Ticker

PARTITIONS = 48
OFFERED = 1_600
"""Alarms due a second: some more than the goal, which must be kept up."""
CRON = 300
BURST = 50_000
OTHERS = 100
"""Alarms of other projects due a second while the burst is worked off."""
OTHERS_SECONDS = 30
BEGIN = datetime(2026, 9, 28, 9, 0, tzinfo=UTC)

PENDING = f"""
INSERT INTO timers
SELECT 'pending-' || n, n % {PARTITIONS},
       '{BEGIN + timedelta(days=30)}'::timestamptz + n % 86400 * interval '1 second'
  FROM generate_series(1, {{rows}}) AS n
"""


class ShiftedClock:
    """Time that begins at `BEGIN` when it is started, and runs as fast as real time."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def start(self) -> None:
        """Let time run."""
        self._begun = monotonic()

    def now(self) -> datetime:
        """Give the time."""
        passed = 0.0 if self._begun is None else monotonic() - self._begun
        return BEGIN + timedelta(seconds=passed)

    def passed(self, at: datetime) -> datetime:
        """Give the time at which an instant was passed: the instant itself."""
        return at


class Climbing(ClockDecider):
    """A clock whose breach climbs at once: two facts a ring."""

    def decide(self, command: TestCommand, state: Running) -> Sequence[Fact]:
        """Answer a ring with breach and escalation."""
        if not isinstance(command, Ring):
            return super().decide(command, state)
        late = breached(command.at, state.breaches + 1)
        climbs = Escalated(
            **late.model_dump(include={"case_id", "project_id", "clock", "target", "rule"}),
            escalation_id=f"e-{late.number}",
            breach=late.number,
            step=1,
            to=Role.CS_SUPERVISOR,
            due_at=command.at,
        )
        return [late, climbs]

    def evolve(self, state: Running, fact: Fact) -> Running:
        """Pass over escalations: they change nothing that is due."""
        return state if isinstance(fact, Escalated) else super().evolve(state, fact)


async def laid_out(bench: Bench, due: Mapping[str, tuple[str, datetime]]) -> PostgresStore:
    """Make a store in which these streams (by name: key, due) wait among all the pending ones."""
    store = await PostgresStore.connect(await bench.database(empty, PENDING, bench.pending))
    shell = executor(store, ShiftedClock(), lambda _: None)
    jobs = [job(name, Start(BEGIN, (at,)), key=key) for name, (key, at) in due.items()]
    for first in range(0, len(jobs), 500):
        await shell.execute_batch(jobs[first : first + 500])
    await store.pool.execute("VACUUM ANALYZE")
    await store.pool.execute("CHECKPOINT")
    return store


def executor(
    store: PostgresStore, clock: ShiftedClock, on_facts: Callable[[Sequence[Recorded]], None]
) -> Executor:
    """Give an executor that remembers nothing yet."""
    return Executor(
        store,
        clock,
        {"clock": Climbing()},
        source="bench",
        partition_of=lambda key: partition_of(key, PARTITIONS),
        on_facts=on_facts,
    )


async def ring(store: PostgresStore, due: Mapping[str, tuple[str, datetime]]) -> dict[str, float]:
    """Let the ticker ring everything; gives each stream's lateness in seconds."""
    clock, lateness = ShiftedClock(), dict[str, float]()
    facts: list[Recorded] = []

    def take_down(appended: Sequence[Recorded]) -> None:
        now = clock.now()
        facts.extend(appended)
        for fact in appended:
            if isinstance(fact.fact, ClockBreached):
                lateness[fact.stream] = (now - fact.occurred_at).total_seconds()

    shell = executor(store, clock, take_down)
    ticker = Ticker(shell, clock, clock, EverythingHeard(clock, PARTITIONS), Metrics())
    stop = asyncio.Event()
    memory.settle()  # what was laid out is no part of a service
    clock.start()
    running = asyncio.create_task(ticker.run(stop))
    latest = max(at for _, at in due.values())
    while len(lateness) < len(due):
        assert clock.now() < latest + timedelta(minutes=5), "Alarms are missing after five minutes."
        await asyncio.sleep(0.1)
    stop.set()
    await running
    assert len(facts) == 2 * len(due), "Some alarm rang twice or not at all."
    stored = await store.pool.fetchval("SELECT count(*) FROM events WHERE version > 1")
    assert stored == 2 * len(due), "Not all that rang is stored."
    assert min(lateness.values()) > 0, "An alarm rang too early."
    await store.close()
    return lateness


async def timers(bench: Bench) -> Mapping[str, float]:
    """Let 1,600 alarms a second fall due, of 480 projects."""
    due = {
        f"clock-{n:06}": (f"p-{n % 480}", BEGIN + timedelta(seconds=1 + n / OFFERED))
        for n in range(round(OFFERED * bench.seconds))
    }
    late = await ring(await laid_out(bench, due), due)
    bench.keep("lateness", "Steward", list(late.values()))
    bench.keep("lateness", "a cron every five minutes", cron(at for _, at in due.values()))
    ends = [at.timestamp() + late[name] for name, (_, at) in due.items()]
    begin = min(at for _, at in due.values()).timestamp()
    return {
        "timers": len(due) / (max(ends) - begin),
        "timers.p99": percentile(list(late.values()), 0.99) * 1000,
        "timers.cron": percentile(cron(at for _, at in due.values()), 0.99) * 1000,
    }


def cron(due: Iterable[datetime]) -> list[float]:
    """Reckon how late a job that runs every five minutes would be, whichever second it begins in."""
    instants = [at.timestamp() for at in due]
    return [
        (phase - at) % CRON
        for at in instants[:: max(1, len(instants) // 100)]
        for phase in range(CRON)
    ]


async def burst(bench: Bench) -> Mapping[str, float]:
    """Let 50,000 alarms of one project fall due at once, and some of others meanwhile."""
    at_once = BEGIN + timedelta(seconds=2)
    storm = {f"clock-s{n:06}": ("p-0", at_once) for n in range(BURST)}
    elsewhere = [
        key for key in (f"p-{n}" for n in range(480)) if _partition(key) != _partition("p-0")
    ]
    others = {
        f"clock-o{n:06}": (
            elsewhere[n % len(elsewhere)],
            at_once + timedelta(seconds=0.5 + n / OTHERS),
        )
        for n in range(OTHERS * OTHERS_SECONDS)
    }
    late = await ring(await laid_out(bench, storm | others), storm | others)
    done = max(late[name] for name in storm)
    meanwhile = [
        late[name] for name, (_, at) in others.items() if at < at_once + timedelta(seconds=done)
    ]
    return {"burst": done, "burst.others": percentile(meanwhile, 0.99)}


def _partition(key: str) -> int:
    return partition_of(key, PARTITIONS)


MEASURES = {"timers": timers, "burst": burst}
LINES = [
    Line("timers", "timers", "breaches/s", 1_500, grows=True),
    Line("timers (lateness p99)", "timers.p99", "ms", 50, at_most=True),
    Line("timers (lateness p99, cron)", "timers.p99", "ms", None, "timers.cron"),
    Line("timers (50,000 at one instant)", "burst", "s", 35, at_most=True, grows=True),
    Line("timers (others meanwhile, p99)", "burst.others", "s", 1, at_most=True),
]
