"""Timers: full breaches a second with many alarms pending, and a burst due at one instant.

The service's own ticker rings; each alarm is decided from its facts and appends a breach and an
escalation. The streams are sla's clocks under its rules, kept in its lists; or the least that a
stream can be, for what store and ticker take alone. Time is shifted, so that the first alarm is due
when everything has been laid out. Replicas are processes that share the partitions, as a consumer
group does.
"""

import asyncio
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.synchronize import Barrier
from time import monotonic

import asyncpg
import uvloop
from tests.bench.frame import Bench, Line, Prepare, percentile, store_at
from tests.bench.lines.clocks import few, published, received
from tests.support.eventstore import (
    ClockDecider,
    Running,
    Start,
    TestCommand,
    breached,
    job,
)
from tests.support.eventstore import migrated as empty

from steward_decider import AnyDecider, Ring
from steward_events.fact import Fact
from steward_events.intake import CaseAssigned, CaseClassified
from steward_events.recorded import Recorded
from steward_events.sla import ClockBreached, Escalated
from steward_events.vocabulary import Role, Severity, Validity
from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.port import Clock, OwnMark, Projection
from steward_eventstore.postgres import PostgresStore
from steward_service import memory
from steward_service.listening import EverythingHeard
from steward_service.partitions import partition_of
from steward_service.provision import make_tables
from steward_service.telemetry import Metrics
from steward_service.ticker import Ticker
from steward_sla.adapters import read_models
from steward_sla.api import subscribers
from steward_sla.domain.clocks import ClocksDecider

PARTITIONS = 48
OFFERED = 1_520
"""Alarms due a second: some more than the goal, which must be kept up."""
WARMING = OFFERED
"""So many ring before those that are counted: connections open, and plans are made."""
CRON = 300
BURST = 50_000
OTHERS = 100
"""Alarms of other projects due a second while the burst is worked off."""
OTHERS_SECONDS = 30
OTHER_PROJECTS = 479
BEGIN = datetime(2026, 9, 28, 9, 0, tzinfo=UTC)
REPLICAS = 2
"""Processes of sla that keep up the goal; what one does is shown beside."""
_MEET_SECONDS = 120.0
"""So long a replica waits for the others at most before time begins for all."""

PENDING = f"""
INSERT INTO timers
SELECT 'pending-' || n, n % {PARTITIONS},
       '{BEGIN + timedelta(days=30)}'::timestamptz + n % 86400 * interval '1 second',
       'p-' || n % {1 + OTHER_PROJECTS}
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


class Share(EverythingHeard):
    """The partitions of one replica of several."""

    def __init__(self, clock: Clock, replica: int, replicas: int) -> None:
        super().__init__(clock, PARTITIONS)
        # Neighbours ring in different lanes: a replica has some of each.
        self._partitions = tuple(p for p in range(PARTITIONS) if p // 2 % replicas == replica)


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


@dataclass(frozen=True, slots=True)
class Streams:
    """What rings: how it is decided, listed, and laid out so that a breach falls due at an instant."""

    deciders: Mapping[str, AnyDecider]
    project: Projection
    prepare: Prepare
    jobs: Callable[[int, str, datetime], Iterable[Job]]


def started(number: int, key: str, due: datetime) -> Iterator[Job]:
    """Have a stream ask to be woken."""
    yield job(f"clock-{number:06}", Start(BEGIN, (due,)), key=key)


def complained(number: int, key: str, due: datetime) -> Iterator[Job]:
    """Have a complaint heard of that nobody takes over within its hour (RM-4.5.2b)."""
    case = received(number).model_copy(update={"project_id": key})
    told: list[tuple[int, Fact]] = [
        (0, case),
        (1, CaseAssigned(case_id=case.case_id, person_id="s1")),
        (
            5,
            CaseClassified(
                case_id=case.case_id, severity=Severity.IMPORTANT, validity=Validity.VALID
            ),
        ),
    ]
    for version, (minutes, fact) in enumerate(told, start=1):
        stream, at = f"case-{case.case_id}", due - timedelta(minutes=60 - minutes)
        heard = published(stream, version, key, at, fact)
        mark = OwnMark("sla", stream, version, heard.id)
        react = partial(subscribers.on_intake, heard)
        yield Job(Cause(heard.id, "sla", at), react, mark, heard=heard)


async def with_lists(dsn: str) -> None:
    """Fill an empty database with the event store and sla's lists."""
    await empty(dsn)
    await make_tables(dsn, read_models.METADATA)


RULES = few()
OWN = Streams(
    {"clocks": ClocksDecider({RULES.version: RULES}.__getitem__)},
    read_models.project,
    with_lists,
    complained,
)
LEAST = Streams({"clock": Climbing()}, lambda _: (), empty, started)


@dataclass(frozen=True, slots=True)
class Replica:
    """What one process is to ring: its share of what is due."""

    dsn: str
    streams: str
    due: Mapping[int, tuple[str, datetime]]
    number: int = 0
    replicas: int = 1

    async def ring(self) -> dict[int, float]:
        """Let the ticker ring its share; gives each breach's lateness in seconds."""
        clock, lateness = ShiftedClock(), dict[int, float]()
        facts = 0

        def take_down(appended: Sequence[Recorded]) -> None:
            # Facts that were kept would be what Python's garbage collection stops everything for.
            nonlocal facts
            now = clock.now()
            facts += len(appended)
            for fact in appended:
                if isinstance(fact.fact, ClockBreached):
                    number = int(fact.stream[-6:])
                    lateness[number] = (now - fact.occurred_at).total_seconds()

        store = await store_at(self.dsn)
        shell = executor(store, STREAMS[self.streams], clock, take_down)
        heard = Share(clock, self.number, self.replicas)
        mine = {n for n, (key, _) in self.due.items() if _partition(key) in heard.partitions()}
        ticker = Ticker(shell, clock, clock, heard, Metrics())
        stop = asyncio.Event()
        memory.settle()  # what was laid out is no part of a service
        if self.replicas > 1:
            await asyncio.to_thread(_meet)
        clock.start()
        running = asyncio.create_task(ticker.run(stop))
        latest = max(at for _, at in self.due.values())
        while len(lateness) < len(mine):
            assert clock.now() < latest + timedelta(minutes=5), (
                "Alarms are missing after five minutes."
            )
            await asyncio.sleep(0.1)
        stop.set()
        await running
        await store.close()
        assert lateness.keys() == mine, "An alarm of another replica rang."
        assert facts == 2 * len(mine), "Some alarm rang twice or not at all."
        return lateness

    def run(self) -> dict[int, float]:
        """Ring in a process of its own."""
        return uvloop.run(self.ring())


def _agree_to_meet(together: Barrier) -> None:
    """Have this process wait for the other replicas, before time begins for all."""
    global _meet
    _meet = partial(together.wait, _MEET_SECONDS)


_meet: Callable[[], object]
"""A barrier can be handed on only when a process is made, not with its work."""

STREAMS = {"own": OWN, "least": LEAST}


def executor(
    store: PostgresStore,
    streams: Streams,
    clock: Clock,
    on_facts: Callable[[Sequence[Recorded]], None] = lambda _: None,
) -> Executor:
    """Give an executor that remembers nothing yet."""
    return Executor(
        store,
        clock,
        streams.deciders,
        source="/steward/sla",
        partition_of=_partition,
        project=streams.project,
        on_facts=on_facts,
    )


class Scene:
    """Streams laid out among all the pending alarms, to be rung."""

    def __init__(
        self, dsn: str, streams: str, due: Mapping[int, tuple[str, datetime]], stored: int
    ) -> None:
        self._dsn = dsn
        self._streams = streams
        self._due = due
        self._stored = stored

    @classmethod
    async def laid_out(
        cls, bench: Bench, streams: str, due: Mapping[int, tuple[str, datetime]]
    ) -> "Scene":
        """Lay out breaches, by number: key, due; whatever is due before them has rung."""
        kind = STREAMS[streams]
        dsn = await bench.database(kind.prepare, PENDING, bench.pending)
        clock = ShiftedClock()
        store = await store_at(dsn)
        shell = executor(store, kind, clock)
        jobs = [job for n, (key, at) in due.items() for job in kind.jobs(n, key, at)]
        for first in range(0, len(jobs), 500):
            await shell.execute_batch(jobs[first : first + 500])
        ticker = Ticker(shell, clock, clock, EverythingHeard(clock, PARTITIONS), Metrics())
        await ticker.ring_due()
        await store.pool.execute("VACUUM ANALYZE")
        await store.pool.execute("CHECKPOINT")
        stored = await store.pool.fetchval(_STORED)
        await store.close()
        return cls(dsn, streams, due, stored)

    async def ring(self, replicas: int = 1) -> dict[int, float]:
        """Let so many processes ring everything; gives each breach's lateness in seconds."""
        if replicas == 1:
            lateness = await Replica(self._dsn, self._streams, self._due).ring()
        else:
            lateness = await self._ring_beside(replicas)
        assert len(lateness) == len(self._due), "Some alarm rang in no replica."
        connection = await asyncpg.connect(self._dsn)
        stored = await connection.fetchval(_STORED) - self._stored
        await connection.close()
        assert stored == 2 * len(self._due), "Not all that rang is stored."
        assert min(lateness.values()) > 0, "An alarm rang too early."
        return lateness

    async def _ring_beside(self, replicas: int) -> dict[int, float]:
        loop, context = asyncio.get_running_loop(), multiprocessing.get_context("spawn")
        together = (context.Barrier(replicas),)
        with ProcessPoolExecutor(replicas, context, _agree_to_meet, together) as pool:
            each = [
                Replica(self._dsn, self._streams, self._due, number, replicas)
                for number in range(replicas)
            ]
            rung = await asyncio.gather(*[loop.run_in_executor(pool, one.run) for one in each])
        return {number: late for lateness in rung for number, late in lateness.items()}


_STORED = "SELECT count(*) FROM events"


async def sustained(bench: Bench, streams: str, replicas: int = 1) -> tuple[float, list[float]]:
    """Let 1,520 breaches a second fall due, of 480 projects; gives how many rang a second, how late.

    Those of the first second, in which a replica begins, ring too and are not counted.
    """
    due = {
        n: (f"p-{n % 480}", BEGIN + timedelta(seconds=1 + n / OFFERED))
        for n in range(WARMING + round(OFFERED * bench.seconds))
    }
    late = await (await Scene.laid_out(bench, streams, due)).ring(replicas)
    counted = [n for n in due if n >= WARMING]
    ends = [due[n][1].timestamp() + late[n] for n in counted]
    rate = len(counted) / (max(ends) - due[WARMING][1].timestamp())
    return rate, [late[n] for n in counted]


async def timers(bench: Bench) -> Mapping[str, float]:
    """Have sla's clocks breach, one after the other, rung by replicas that share them."""
    rate, late = await sustained(bench, "own", REPLICAS)
    spread = cron(n / OFFERED for n in range(len(late)))
    bench.keep("lateness", "Steward", late)
    bench.keep("lateness", "a cron every five minutes", spread)
    return {
        "timers": rate,
        "timers.p99": percentile(late, 0.99) * 1000,
        "timers.cron": percentile(spread, 0.99) * 1000,
    }


async def timers_alone(bench: Bench) -> Mapping[str, float]:
    """The same with one process that rings all."""
    rate, late = await sustained(bench, "own")
    return {"timers-alone": rate, "timers-alone.p99": percentile(late, 0.99) * 1000}


async def timers_least(bench: Bench) -> Mapping[str, float]:
    """The same with streams of one fact: what store and ticker take alone."""
    rate, late = await sustained(bench, "least")
    return {"timers-least": rate, "timers-least.p99": percentile(late, 0.99) * 1000}


def cron(due: Iterable[float]) -> list[float]:
    """Reckon how late a job that runs every five minutes would be, whichever second it begins in."""
    instants = list(due)
    return [
        (phase - at) % CRON
        for at in instants[:: max(1, len(instants) // 100)]
        for phase in range(CRON)
    ]


async def at_one_instant(bench: Bench, streams: str) -> tuple[float, float]:
    """Let 50,000 breaches of one project fall due at once, and some of all others meanwhile.

    Gives how long it took, and how late 99 of 100 of the others were, in seconds.
    """
    at_once = BEGIN + timedelta(seconds=2)
    storm = dict.fromkeys(range(BURST), ("p-0", at_once))
    others = {
        BURST + n: (
            f"p-{1 + n % OTHER_PROJECTS}",
            at_once + timedelta(seconds=0.5 + n / OTHERS),
        )
        for n in range(OTHERS * OTHERS_SECONDS)
    }
    late = await (await Scene.laid_out(bench, streams, storm | others)).ring()
    done = max(late[n] for n in storm)
    meanwhile = [late[n] for n, (_, at) in others.items() if at < at_once + timedelta(seconds=done)]
    return done, percentile(meanwhile, 0.99)


async def burst(bench: Bench) -> Mapping[str, float]:
    """Have sla's clocks breach at one instant."""
    done, others = await at_one_instant(bench, "own")
    return {"burst": done, "burst.others": others}


async def burst_least(bench: Bench) -> Mapping[str, float]:
    """The same with streams of one fact."""
    done, others = await at_one_instant(bench, "least")
    return {"burst-least": done, "burst-least.others": others}


def _partition(key: str) -> int:
    return partition_of(key, PARTITIONS)


MEASURES = {
    "timers": timers,
    "timers-alone": timers_alone,
    "timers-least": timers_least,
    "burst": burst,
    "burst-least": burst_least,
}
LINES = [
    Line("timers", "timers", "breaches/s", 1_500),
    Line("timers (lateness p99)", "timers.p99", "ms", 50, at_most=True),
    Line("timers (lateness p99, cron)", "timers.p99", "ms", None, "timers.cron"),
    Line("timers (one process)", "timers-alone", "breaches/s", None),
    Line("timers (one process, lateness p99)", "timers-alone.p99", "ms", None, at_most=True),
    Line("timers (50,000 at one instant)", "burst", "s", 35, at_most=True, grows=True),
    Line("timers (others meanwhile, p99)", "burst.others", "s", 1, at_most=True),
    Line("timers (least streams)", "timers-least", "breaches/s", None),
    Line("timers (least streams, lateness p99)", "timers-least.p99", "ms", None, at_most=True),
    Line(
        "timers (least streams, 50,000 at one instant)",
        "burst-least",
        "s",
        None,
        at_most=True,
        grows=True,
    ),
    Line(
        "timers (least streams, others meanwhile, p99)",
        "burst-least.others",
        "s",
        None,
        at_most=True,
    ),
]
