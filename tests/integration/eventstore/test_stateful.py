"""The store in PostgreSQL and the one in memory go the same way, whatever is asked of them.

One machine of rules does each step on both, then compares everything that they keep, and asks what
has to hold of every store: versions without gaps, published as committed, no effect twice, no alarm
early, twice or lost, and nothing before what parked it.

`STEWARD_STEPS=200000` tries other stories, and more of them than an ordinary run.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.integration.eventstore.conftest import InterruptedStore, with_read_models
from tests.support.eventstore import (
    CLOCKS,
    HEARD,
    PARTITIONS,
    START,
    TALLY,
    AskUnheard,
    Meet,
    Note,
    Shop,
    Start,
    StillClock,
    TestCommand,
    at,
    foreign,
    heard,
    id_of,
    job,
    noted,
    project,
)
from tests.support.stack import FreshDatabase
from tests.support.waiting import until

from steward_events.cloudevents import envelope_of, to_kafka
from steward_events.recorded import Recorded
from steward_events.sla import ClockBreached, ClockMet, ClockStarted
from steward_eventstore.execute import Applied, Cause, Job, NotDone, Outcome, Parked, To
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import (
    ALARMS_WAIT,
    Changed,
    EventStore,
    ForeignMark,
    Lease,
    LinedUp,
    OwnMark,
    Park,
    Relayed,
    Sweep,
    SweepStep,
    Unavailable,
    Write,
)
from steward_eventstore.postgres import PostgresStore
from steward_eventstore.restoring import AT_ONCE, OldTail, Restoring, Told
from steward_service.ticker import CONSUMER as ALARMS
from steward_service.ticker import alarm_job, parked_alarm, parked_alarm_job

ORDINARY = 10_000
STEPS = int(os.environ.get("STEWARD_STEPS", ORDINARY))
LONG = STEPS > ORDINARY
STEPS_EACH = 100
STREAMS = ("clock-1", "clock-2", "clock-3", "stuck-1")
SOURCES = ("case-1", "case-2")
QUIET = "case-3"
"""A source of which nothing comes too early."""
ORDERS = (0, 1, 2, 2**50)
TEXTS = ("", "a", "forget", "长\\u0000", "\0")
OVER = timedelta(seconds=-1)
"""The duration of a lease that anybody may take over at once."""

# All that a store keeps, of its log what is new, in one round trip.
EVERYTHING = """
SELECT 'fact' AS what, stream_id AS a, type AS b, meta->>'id' AS c, version::bigint AS n,
       pos AS m, NULL::timestamptz AS t, NULL::timestamptz AS u FROM events WHERE pos > $1
UNION ALL SELECT 'stream', stream_id, key, live::text, version, partition, recorded_at, history
  FROM streams
UNION ALL SELECT 'timer', stream_id, NULL, NULL, partition, NULL, due_at, NULL FROM timers
UNION ALL SELECT 'inbox', consumer, stream_id, event_id::text, version, NULL, NULL, NULL FROM inbox
UNION ALL SELECT 'foreign', consumer, source, id || fingerprint, NULL, NULL, NULL, NULL
  FROM inbox_foreign
UNION ALL SELECT 'parked', consumer, stream_id, code || ' ' || feeds, attempts, NULL, since, retry_at
  FROM parked_streams
UNION ALL SELECT 'line', consumer, stream_id, id, place,
       row_number() OVER (PARTITION BY consumer, stream_id ORDER BY place, came), NULL, NULL
  FROM parked_messages
UNION ALL SELECT 'sweep', id, cursor, kind, NULL, NULL, NULL, NULL FROM sweeps
UNION ALL SELECT 'clock', stream, status, note, breaches, NULL, NULL, NULL FROM clocks
UNION ALL SELECT 'tally', project, kind, NULL, count, NULL, NULL, NULL FROM tally
"""
TABLES = (
    "streams", "events", "inbox", "inbox_foreign", "timers", "parked_streams", "parked_messages",
    "sweeps", "appended_again", "clocks", "tally",
)  # fmt: skip
ALL_TABLES = (*TABLES, "relay", "log")
EMPTY = f"""
TRUNCATE {", ".join(TABLES)};
UPDATE relay SET holder = NULL, fence = 0, held_until = '-infinity', epoch = 1, xid = '0', pos = 0;
UPDATE log SET epoch = 1;
"""
BACK_UP = ";".join(
    f"DROP TABLE IF EXISTS kept_{name}; CREATE TABLE kept_{name} AS TABLE {name}"
    for name in ALL_TABLES
)
RESTORE = ";".join(
    f"TRUNCATE {name}; INSERT INTO {name} OVERRIDING SYSTEM VALUE TABLE kept_{name}"
    for name in ALL_TABLES
)
PUBLISHED = """
SELECT type, stream_id, version, data::text, meta::text, partition FROM events
 ORDER BY log_epoch, xid, pos
"""
# What a restore does to a store whose facts are all in Kafka.
NEW_NUMBERS = """
UPDATE streams SET last_xid = '0';
UPDATE log SET epoch = epoch + 1;
UPDATE relay SET epoch = log.epoch, xid = '0', pos = 0 FROM log;
"""

STORIES = settings(
    # Some stories end before their last step.
    max_examples=max(1, STEPS * 4 // (3 * STEPS_EACH)),
    stateful_step_count=STEPS_EACH,
    deadline=None,
    derandomize=not LONG,
    database=None,
    # To find a shorter story takes minutes: only where there is time.
    phases=[Phase.generate, *([Phase.shrink] if LONG else [])],
    suppress_health_check=list(HealthCheck),
)

Row = tuple[object, ...]
T = TypeVar("T")
minutes = st.integers(0, 90)
streams = st.sampled_from(STREAMS)
sources = st.sampled_from(SOURCES)


@dataclass
class World:
    """What all stories share: a database, the loop in which it is spoken to, and the wall's time."""

    loop: asyncio.AbstractEventLoop
    store: InterruptedStore
    wall: datetime
    steps: int = 0
    lost: int = 0
    """Facts that a restore lost and a rebase brought back."""

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


@dataclass
class Alarm:
    """What one stream asked for and got: due times that are open, by what its facts say."""

    version: int = 0
    open: Counter[datetime] = field(default_factory=Counter)


@dataclass(frozen=True)
class Held:
    """A lease and a page that a relay holds, in both stores."""

    leases: tuple[Lease, Lease]
    pages: tuple[Sequence[Relayed], Sequence[Relayed]]


class Stores(RuleBasedStateMachine):
    """Both stores, and what is known of them from outside."""

    def __init__(self, world: World) -> None:
        super().__init__()
        HEARD.clear()
        self.world = world
        self.clock, self.wall = StillClock(at(60)), StillClock(world.wall)
        self.memory = MemoryStore(self.wall)
        world.do(self._empty())
        self.model = Shop(self.memory, self.clock, self.wall, project=project)
        self.real = Shop(world.store, self.clock, self.wall, project=project)
        self.executors = [self.model.executor(), self.real.executor()]
        self.numbers = 0
        self.waiting: dict[tuple[str, str, str], Job] = {}
        self.alarms: dict[str, Alarm] = {}
        self.ids: set[str] = set()
        self.applied: dict[tuple[str, str], int] = {}
        self.taken: set[tuple[str, str]] = set()
        self.must_wait: set[int] = set()
        self.last_pos = 0
        self.logged = 0
        self.published = 0
        self.asleep: Held | None = None
        self.steps = -1  # it is asked once before the first

    async def _empty(self) -> None:
        await self.world.store.pool.execute(EMPTY)
        self.world.store.restored = False

    # What is done.

    @rule(stream=streams, what=st.integers(0, 6), when=minutes, more=minutes)
    def append(self, stream: str, what: int, when: int, more: int) -> None:
        self.both([self.request(stream, self.command(what, when, more))])

    @rule(stream=streams, when=minutes, until=minutes, ends=st.booleans())
    def import_history(self, stream: str, when: int, until: int, ends: bool) -> None:
        known = self.past(until)
        note = self.command(0 if when % 3 else 1, when, until)
        asked = self.request(stream, note)
        cause = asked.cause._replace(history=at(until), known_at=known, ends_history=ends)
        self.both([asked._replace(cause=cause)])

    @rule(
        source=sources,
        step=st.sampled_from([0, 0, 0, 0, 1, -1]),
        what=st.integers(0, 6),
        when=minutes,
        stream=streams,
    )
    def consume(self, source: str, step: int, what: int, when: int, stream: str) -> None:
        self.both([self.told(source, step, To(stream, key(stream), self.command(what, when, 9)))])

    @rule(source=sources, stream=streams, whats=st.tuples(*[st.integers(0, 6)] * 3), when=minutes)
    def consume_a_batch(self, source: str, stream: str, whats: tuple[int, ...], when: int) -> None:
        jobs = [
            self.told(source, n, To(stream, key(stream), self.command(what, when, n)))
            for n, what in enumerate(whats)
        ]
        self.both([*jobs, *jobs[:1]])

    @rule(source=sources, lost_before=st.booleans(), what=st.integers(0, 6), when=minutes)
    def crash_while_consuming(self, source: str, lost_before: bool, what: int, when: int) -> None:
        """The commit is lost before it is done, or its answer after it; then it is heard again."""
        batch = [self.told(source, 0, To("clock-1", "p-1", self.command(what, when, 1)))]
        self.world.do(self._crash(batch, lost_before=lost_before))
        self.both(batch)

    @rule(source=sources, stream=streams, what=st.integers(0, 6), when=minutes)
    def be_overtaken(self, source: str, stream: str, what: int, when: int) -> None:
        """Another process commits between the read and the commit of this one."""
        first = [self.request(stream, Note(self.past(when), "first"))]
        batch = [self.told(source, 0, To(stream, key(stream), self.command(what, when, 2)))]
        self.world.do(self._overtaken(first, batch))

    @rule(
        id_=st.sampled_from("abc"),
        two=st.booleans(),
        order=st.sampled_from(ORDERS),
        what=st.integers(0, 6),
        when=minutes,
    )
    def take_foreign(self, id_: str, two: bool, order: int, what: int, when: int) -> None:
        to = To("clock-2", "p-2", self.command(what, when, 5), about="standing" if two else "")
        name = f"{id_}{self.numbers % 7}"
        made = foreign("ticket-1", name, to, fingerprint="xy"[two], order=order)
        self.both([made])

    @rule(lag=st.integers(0, 40), at_most=st.sampled_from([100, 100, 2]))
    def ring(self, lag: int, at_most: int) -> None:
        self.world.do(self._ring(self.clock.instant - timedelta(minutes=lag), at_most))

    @rule(far=st.integers(1, 30))
    def pass_time(self, far: int) -> None:
        self.clock.instant += timedelta(minutes=far)

    @rule(what=st.sampled_from(["policy", "calendar"]))
    def hear(self, what: str) -> None:
        HEARD.add(what)

    @precondition(lambda self: self.memory._parked)
    @rule(tries=st.integers(1, 3))
    def retry(self, tries: int) -> None:
        self.world.do(self._retry(tries))

    @precondition(lambda self: self.memory._parked)
    @rule()
    def give_up(self) -> None:
        """The message in front of the oldest line has no effect any more; its place moves on."""
        self.world.do(self._give_up())

    @precondition(lambda self: self.memory._parked)
    @rule()
    def wait_for_long(self) -> None:
        self.world.do(self._wait_for_long())

    @rule(source=sources, prefix=st.sampled_from(["clock-", "clock-1", "stuck-"]))
    def start_sweep(self, source: str, prefix: str) -> None:
        told = self.told(source, 0)
        assert told.mark is not None
        sweep = Sweep(f"sweep-{source}/{told.order}", "reapply", prefix, "{}")
        self.both([told._replace(sweeps=(sweep,))])

    @precondition(lambda self: self.memory._sweeps)
    @rule(size=st.integers(1, 2), twice=st.booleans())
    def sweep(self, size: int, twice: bool) -> None:
        self.world.do(self._sweep(size, twice=twice))

    @rule(size=st.integers(1, 9), crashes=st.booleans())
    def relay(self, size: int, crashes: bool) -> None:
        self.world.do(self._relay(size, crashes=crashes))

    @precondition(lambda self: self.asleep is not None)
    @rule()
    def wake_a_relay_that_slept(self) -> None:
        self.world.do(self._wake())

    @rule()
    def restart(self) -> None:
        self.executors = [self.model.executor(), self.real.executor()]

    @precondition(lambda self: self.numbers % 5 == 4)
    @rule()
    def begin_numbers_anew(self) -> None:
        self.world.do(self._begin_numbers_anew())

    @precondition(lambda self: self.numbers % 3 == 2)
    @rule(
        told=st.lists(
            st.tuples(
                st.sampled_from([*SOURCES, QUIET, QUIET]), streams, st.sampled_from([0, 1, 2, 4, 5])
            ),
            min_size=1,
            max_size=4,
        ),
        when=minutes,
    )
    def rebase(self, told: list[tuple[str, str, int]], when: int) -> None:
        """More is heard and published after a back-up; then the back-up comes back.

        What is heard begins no clock that is due already: one rings as soon as it is heard of again.
        """
        due = [self.clock.instant + timedelta(hours=n) for n in (1, 2)]

        def command(what: int) -> TestCommand:
            if what < len(due):
                return Start(self.clock.instant, tuple(due[: what + 1]))
            return self.command(what, when, 3)

        self.world.do(
            self._rebase([(source, To(s, key(s), command(what))) for source, s, what in told])
        )

    # How it is done.

    async def _crash(self, batch: list[Job], *, lost_before: bool) -> None:
        async def lose() -> None:
            raise Unavailable("The connection was lost.")

        self.expect_parked(batch)
        store = self.world.store
        if lost_before:
            store.before_commit = lose
        else:
            store.after_commit = lose
        try:
            outcomes = await self.executors[1].execute_batch(batch)
        except Unavailable:
            outcomes = None
        store.before_commit = store.after_commit = None
        if outcomes is not None:  # nothing was to be committed
            self.compare(batch, await self.executors[0].execute_batch(batch), outcomes)
        elif not lost_before:
            self.note(batch, await self.executors[0].execute_batch(batch))

    async def _overtaken(self, first: list[Job], batch: list[Job]) -> None:
        self.expect_parked(batch)
        theirs: list[list[Outcome]] = []

        async def overtake() -> None:
            theirs.append(await self.real.executor().execute_batch(first))

        self.world.store.before_commit = overtake
        second = await self.executors[1].execute_batch(batch)
        if self.world.store.before_commit is not None:  # nothing was to be committed
            self.world.store.before_commit = None
            await overtake()
        self.compare(first, await self.model.executor().execute_batch(first), theirs[0])
        self.compare(batch, await self.executors[0].execute_batch(batch), second)

    async def _ring(self, limit: datetime, at_most: int) -> None:
        limits = dict.fromkeys(range(PARTITIONS), limit)
        due, found = [await store.due(limits, at_most) for store in (self.memory, self.world.store)]
        # Of those due at one instant either may come first where not all are asked for.
        assert sorted(when for _, when in due) == sorted(when for _, when in found)
        assert len(due) == at_most or Counter(due) == Counter(found)
        assert all(when < limit for _, when in due)
        batch = [alarm_job(stream, when) for stream, when in sorted(due, key=lambda d: d[1])]
        if batch:
            for alarm, outcome in zip(batch, await self._both(batch), strict=True):
                if isinstance(outcome, NotDone):
                    await self._park_alarms(alarm)

    async def _park_alarms(self, alarm: Job) -> None:
        [to] = alarm.react()
        now = self.wall.instant
        message = parked_alarm(to.stream, to.command.at, now)
        park = Park(message, "It failed.", "StuckAlarm", now, now, feeds=to.stream)
        for store in (self.memory, self.world.store):
            await store.commit(Write(park=[park]))

    async def _retry(self, tries: int) -> None:
        [parked, *_] = await self.memory.parked()
        line = await self.memory.line(parked.consumer, parked.stream)
        assert line == await self.world.store.line(parked.consumer, parked.stream)
        for message in line[:tries]:
            [outcome] = await self._both([self.from_line(message, parked.attempts)])
            if isinstance(outcome, Parked):
                return

    async def _give_up(self) -> None:
        [parked, *_] = await self.memory.parked()
        [message, *_] = await self.memory.line(parked.consumer, parked.stream)
        given_up = self.from_line(message, parked.attempts)
        await self._both([given_up._replace(react=tuple, broken=None, sweeps=())])

    async def _wait_for_long(self) -> None:
        for place, parked in self.memory._parked.items():
            self.memory._parked[place] = replace(parked, since=parked.since - ALARMS_WAIT)
        await self.world.store.pool.execute(
            "UPDATE parked_streams SET since = since - $1::interval", ALARMS_WAIT
        )

    async def _sweep(self, size: int, *, twice: bool) -> None:
        [sweep, *_] = sorted(await self.memory.sweeps(), key=lambda sweep: sweep.id)
        names, found = [
            await store.streams_after(sweep.prefix, sweep.cursor, size)
            for store in (self.memory, self.world.store)
        ]
        assert names == found
        cause = Cause(id_of(sweep.id), "sweeps")
        swept = Note(self.clock.instant, "swept")
        jobs = [
            Job(cause, lambda name=name: [To(name, key(name), swept)])  # type: ignore[misc]
            for name in names
        ]
        step = SweepStep(sweep.id, sweep.cursor, names[-1] if names else None)
        jobs.append(Job(cause, tuple, sweep_step=step))
        await self._both(jobs)
        if twice:  # as a second worker would: the step has moved on
            again = Write(sweep_steps=[step])
            for store in (self.memory, self.world.store):
                with pytest.raises(Changed):
                    await store.commit(again)

    async def _relay(self, size: int, *, crashes: bool) -> None:
        holder = f"relay-{self.numbers}"
        self.numbers += 1
        taken = [await store.take_lease(holder, OVER) for store in (self.memory, self.world.store)]
        first, second = taken
        assert first is not None
        assert second is not None
        pages = (await self.memory.relay_page(first.cursor, size), list[Relayed]())

        async def all_told() -> bool:
            # Whoever writes in another database of the cluster holds up the last, and skips none.
            pages[1][:] = await self.world.store.relay_page(second.cursor, size)
            told = list(map(told_by, pages[1]))
            assert told == list(map(told_by, pages[0]))[: len(told)]
            return len(told) == len(pages[0])

        await until(all_told, "Some facts were not told.")
        # A page that was told and not noted is told again: first occurrences stay in order.
        assert first.cursor.pos == self.published
        assert [(r.stream, r.version) for r in pages[0]] == [
            (f.stream, f.version) for f in self.memory.log[self.published : self.published + size]
        ]
        held = Held((first, second), pages)
        if crashes:
            self.asleep = held
        elif pages[0]:
            assert await self._relayed(held) == [True, True]
            self.published += len(pages[0])

    async def _relayed(self, held: Held) -> list[bool]:
        stores: tuple[EventStore, ...] = (self.memory, self.world.store)
        return [
            await store.relayed(lease.fence, page[-1].cursor, len(page))
            for store, lease, page in zip(stores, held.leases, held.pages, strict=True)
        ]

    async def _wake(self) -> None:
        held, self.asleep = self.asleep, None
        assert held is not None
        if held.pages[0]:
            moved = await self._relayed(held)
            assert moved[0] == moved[1]
            if moved[0]:
                self.published += len(held.pages[0])

    async def _begin_numbers_anew(self) -> None:
        """The old epoch is told to its end; then transaction numbers begin anew."""
        await self._relay(10_000, crashes=False)
        await self.world.store.pool.execute(NEW_NUMBERS)
        self.asleep = None
        self.executors[1] = self.real.executor()

    async def _rebase(self, told: Sequence[tuple[str, To]]) -> None:
        store = self.world.store
        await store.pool.execute(BACK_UP)
        lost: list[list[Job]] = []
        for source, to in told:
            lost.append([self.told(source, 0, to)])
            await self._both(lost[-1])
        await self._relay(10_000, crashes=False)
        page = [published(*row) for row in await store.pool.fetch(PUBLISHED)]
        await store.pool.execute(RESTORE)
        async with store.pool.acquire() as connection, connection.transaction():
            restoring = Restoring(connection, project)
            await restoring.begin()
            await restoring.take(page)
            await restoring.finish(await self._tell_again(page))
        store.restored = True
        self.world.lost += restoring.appended
        self.asleep = None
        self.executors[1] = self.real.executor()
        # What the listener heard since is heard once more, and the alarms set themselves right.
        for batch in lost:
            await self.executors[1].execute_batch(batch)
        rows = await store.pool.fetch("SELECT stream_id FROM timers WHERE due_at = $1", AT_ONCE)
        await self.executors[1].execute_batch([alarm_job(stream, AT_ONCE) for (stream,) in rows])

    async def _tell_again(self, published: Sequence[Told]) -> int:
        """Publish what the back-up had not; it had been published since, in the same order."""
        tail = OldTail(self.world.store.pool)
        lease = await tail.take_lease("rebase", OVER)
        assert lease is not None
        told = await tail.relay_page(lease.cursor, 10_000)
        known = [(each.envelope.stream, each.envelope.version) for each in published]
        again = [(each.stream, each.version) for each in told]
        assert again == [place for place in known if place in again]
        if told:
            assert await tail.relayed(lease.fence, told[-1].cursor, len(told))
        return len(told)

    # What is asked.

    def request(self, stream: str, *commands: TestCommand) -> Job:
        self.numbers += 1
        return job(stream, *commands, key=key(stream), cause=f"request {self.numbers}")

    def command(self, what: int, when: int, more: int) -> TestCommand:
        instant = self.past(when)
        match what:
            case 0 | 1:
                return Start(instant, (at(more), at(when + 20))[: what + 1])
            case 2:
                return Note(instant, TEXTS[more % len(TEXTS)])
            case 3:
                return Meet(instant)
            case 4:
                return AskUnheard(instant, ("policy", "calendar")[more % 2])
            case _:
                return Note(instant, f"{more}")

    def past(self, minutes: int) -> datetime:
        """Give an instant that is not in the future."""
        return min(at(minutes), self.clock.instant)

    def told(self, source: str, step: int, *to: To) -> Job:
        """Give what a source tells: its next version, a repeat, or one too early."""
        done, _ = self.memory._own.get(("listener", source), (0, None))
        version = max(1, done + 1 + step)
        fact = Recorded(
            id_of(f"{source}/{version}"), "sla.case_noted.v1", source, version, "p-1", "intake",
            START, START, START, noted(f"{version}", START),
        )  # fmt: skip
        feeds = f"clock-{source[-1]}"
        known = self.past(version * 10)
        return heard(source, version, *to, known_at=known, feeds=feeds, heard=fact)

    def from_line(self, message: LinedUp, attempts: int) -> Job:
        if message.consumer == ALARMS:
            made = parked_alarm_job(message)
        else:
            made = self.waiting[message.consumer, message.stream, message.id]
        return made._replace(retry=True, attempts=attempts, order=message.order)

    # Both, compared.

    def both(self, batch: list[Job]) -> None:
        self.world.do(self._both(batch))

    async def _both(self, batch: list[Job]) -> list[Outcome]:
        self.expect_parked(batch)
        first, second = [await executor.execute_batch(batch) for executor in self.executors]
        self.compare(batch, first, second)
        return first

    def expect_parked(self, batch: Sequence[Job]) -> None:
        """Remember which of these have to wait, whatever they say."""
        self.must_wait = {
            id(asked)
            for asked in batch
            if asked.mark and not asked.retry
            if (asked.mark.consumer, asked.mark.stream) in self.memory._parked
        }

    def compare(self, batch: list[Job], first: list[Outcome], second: list[Outcome]) -> None:
        assert list(map(told_of, first)) == list(map(told_of, second))
        self.note(batch, first)

    def note(self, batch: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        """Take note of what is known from outside: what was applied, and what waits."""
        for asked, outcome in zip(batch, outcomes, strict=True):
            match outcome, asked.mark:
                case Applied(), OwnMark(consumer, stream, version):
                    before = self.applied.get((consumer, stream), 0)
                    assert version == before + 1, "twice, or passed over"
                    self.applied[consumer, stream] = version
                case Applied(), ForeignMark(consumer, _, id_):
                    assert (consumer, id_) not in self.taken, "twice"
                    self.taken.add((consumer, id_))
                case Parked(), OwnMark(consumer, stream, _, own_id):
                    self.waiting.setdefault((consumer, stream, str(own_id)), asked)
                case Parked(), ForeignMark(consumer, source, id_, stream):
                    self.waiting.setdefault((consumer, stream, f"{source} {id_}"), asked)
                case _:
                    pass
            if id(asked) in self.must_wait:
                assert isinstance(outcome, Parked), "It overtook what had parked its stream."

    @invariant()
    def both_are_the_same(self) -> None:
        """After each step: what is new in the log is as it must be, and all else is alike."""
        self.world.do(self._check())
        self.steps += 1

    async def _check(self) -> None:
        rows = await self.world.store.pool.fetch(EVERYTHING, self.last_pos)
        ours = self.memory.log[self.logged :]
        self.logged = len(self.memory.log)
        facts = sorted((row for row in rows if row["what"] == "fact"), key=lambda row: row["m"])
        assert [(row["a"], row["n"], row["b"], row["c"]) for row in facts] == [
            (fact.stream, fact.version, fact.type, str(fact.id)) for fact in ours
        ]
        for fact in ours:
            self.take(fact)
        if facts:
            self.last_pos = facts[-1]["m"]
        kept = Counter(tuple(row) for row in rows if row["what"] != "fact")
        assert kept == Counter(self.everything())
        asked = {name: due for name in self.alarms if (due := self.asked(name)) is not None}
        assert {row["a"]: row["t"] for row in rows if row["what"] == "timer"} == asked

    def take(self, recorded: Recorded) -> None:
        """Hold one more fact against what has to be true of every store."""
        alarm = self.alarms.setdefault(recorded.stream, Alarm())
        assert recorded.version == alarm.version + 1
        alarm.version = recorded.version
        assert str(recorded.id) not in self.ids
        self.ids.add(str(recorded.id))
        match recorded.fact:
            case ClockStarted(due_at=due):
                alarm.open[due] += 1
            case ClockBreached(due_at=due):
                assert recorded.occurred_at == due < recorded.recorded_at, "early"
                assert alarm.open.pop(due), "rung twice, or never asked for"
            case ClockMet():
                alarm.open.clear()
            case _:
                pass

    def asked(self, stream: str) -> datetime | None:
        """Give the alarm for which a stream's facts ask, whatever program stored them."""
        live = self.memory.heads[stream].live
        return min(self.alarms[stream].open, default=None) if live else None

    def everything(self) -> Iterator[Row]:
        """Give what the memory keeps as the rows of `EVERYTHING`."""
        memory = self.memory
        for head in memory.heads.values():
            live = str(head.live).lower()
            times = (head.recorded_at, head.history)
            yield ("stream", head.stream, head.key, live, head.version, head.partition, *times)
        for name, (partition, due) in memory.timers.items():
            yield ("timer", name, None, None, partition, None, due, None)
        for (consumer, stream), (version, id_) in memory._own.items():
            yield ("inbox", consumer, stream, str(id_), version, None, None, None)
        for (consumer, source, name), seen in memory._foreign.items():
            yield ("foreign", consumer, source, name + seen.fingerprint, *[None] * 4)
        for (consumer, stream), parked in memory._parked.items():
            code = f"{parked.code} {parked.feeds}"
            times = (parked.since, parked.retry_at)
            yield ("parked", consumer, stream, code, parked.attempts, None, *times)
        for (consumer, stream), line in memory._lines.items():
            for n, message in enumerate(line, 1):
                yield ("line", consumer, stream, message.id, message.order, n, None, None)
        for sweep in memory._sweeps.values():
            yield ("sweep", sweep.id, sweep.cursor, sweep.kind, *[None] * 4)
        for row in memory.rows(CLOCKS):
            yield ("clock", row["stream"], row["status"], row["note"], row["breaches"], *[None] * 3)
        for row in memory.rows(TALLY):
            yield ("tally", row["project"], row["kind"], None, row["count"], *[None] * 3)

    def teardown(self) -> None:
        """In the end every stream is the same to its last letter."""
        self.world.steps += self.steps
        self.world.do(self._same_facts())

    async def _same_facts(self) -> None:
        for stream in self.memory.heads:
            facts = await self.memory.facts_of(stream)
            assert facts == await self.world.store.facts_of(stream)


def key(stream: str) -> str:
    return f"p-{stream[-1]}"


def published(type_: str, stream: str, version: int, data: str, meta: str, partition: int) -> Told:
    """Give a stored fact as it stands on the topic."""
    key, headers, value = to_kafka(type_, stream, version, data, meta)
    return Told(envelope_of(headers, key), partition, value.decode())


def told_by(relayed: Relayed) -> tuple[object, ...]:
    return relayed.stream, relayed.version, relayed.type, relayed.partition


def told_of(outcome: Outcome) -> object:
    """Give what can be compared: databases word their refusals differently."""
    match outcome:
        case Parked():
            return outcome.code
        case NotDone():
            return type(outcome.error)
        case Applied():
            return [fact.id for fact in outcome.facts]
        case _:
            return outcome


@pytest.fixture
async def dsn(fresh_database: FreshDatabase) -> str:
    """The address of one database for all stories; each begins by emptying it."""
    return await fresh_database(with_read_models)


def test_both_stores_go_the_same_way_and_keep_what_is_promised(dsn: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        world = runner.run(opened(runner.get_loop(), dsn))
        try:
            run_state_machine_as_test(partial(Stores, world), settings=STORIES)  # type: ignore[arg-type]
        finally:
            runner.run(world.store.close())
    print(f"{world.steps} steps, {world.lost} facts lost and brought back")
    assert world.steps >= STEPS
    assert world.lost


async def opened(loop: asyncio.AbstractEventLoop, dsn: str) -> World:
    pool = (await PostgresStore.connect(dsn, connections=2)).pool
    # No server is killed here: that each commit waits for the disk would only cost time.
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    await pool.expire_connections()
    wall: datetime = await pool.fetchval("SELECT clock_timestamp()")
    return World(loop, InterruptedStore(pool), wall)
