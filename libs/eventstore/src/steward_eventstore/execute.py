"""One way to change anything: read without locks, decide in memory, commit all or nothing.

`execute` is for one request; `execute_batch` for a Kafka batch or for due alarms. Before a fact is
applied, the stream's alarms due before it ring first, each at its own time; at a tie the fact goes
first.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID

from uuid_utils.compat import uuid5

from steward_decider import AnyDecider, Command, Refused, Ring
from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_eventstore.port import (
    EVERYWHERE,
    LONGEST_NAME,
    BadData,
    Changed,
    Clock,
    EventStore,
    ForeignMark,
    ForeignTaken,
    Head,
    LinedUp,
    Mark,
    OwnAdvance,
    OwnMark,
    Parcel,
    Park,
    Postpone,
    Projection,
    Reading,
    Seen,
    StreamWrite,
    Sweep,
    SweepStep,
    Unpark,
    View,
    Write,
)

_NAMESPACE = uuid5(NAMESPACE_URL, "steward")
CACHED_STREAMS = 1_200
"""States that stay in memory; those of a case's clocks, the largest, take 40 kB each."""
_TRIES = 30
_BREATH = 0.05  # seconds of deciding after which others have their turn
_BEHIND = "It waits behind an earlier message."
_RETRY_GAPS = [timedelta(seconds=s) for s in (1, 2, 5, 15, 60, 180, 600)]


class StuckAlarm(Exception):
    """A stream asks to be woken at the same instant again after it rang: a defect, not a loop."""


class Cause(NamedTuple):
    """Why facts are appended: a message, a request or an alarm.

    `id` is a UUIDv7 at the edge, the fact's ID in a reaction. `known_at` is None for what becomes
    known now. `history` is the instant up to which the cause is imported history.
    """

    id: UUID
    consumer: str
    known_at: datetime | None = None
    correlation_id: str = ""
    traceparent: str = ""
    history: datetime | None = None
    ends_history: bool = False


class To(NamedTuple):
    """A command for one stream. `expected` is the version that the sender saw, if it matters.

    `known_at` is of this command alone: one imported record tells what became known at many times.
    `about` names what a foreign message tells anew: when a message of the same source and subject
    with a higher order has told it already, this command is passed over.
    """

    stream: str
    key: str
    command: Command
    everywhere: bool = False
    expected: int | None = None
    known_at: datetime | None = None
    about: str = ""
    aside: bool = False
    """Beside the stream's own story, as a sweep is: it rings no alarm and ends no history."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """Not a command of the domain: ring all alarms of the stream due strictly before `until`."""

    at: datetime
    until: datetime
    unheard: bool = False


class Job(NamedTuple):
    """One message, request or alarm; all that it causes is committed together or not at all.

    `react` is called while deciding and gives the commands; what it raises as `Refused` parks the
    message (if it has a `parcel`) or is answered to the caller.
    """

    cause: Cause
    react: Callable[[], Iterable[To]]
    mark: Mark | None = None
    parcel: Parcel | None = None
    heard: Recorded | None = None
    """Projected into the read models of what others told."""
    order: int = 0
    """Place in the line if it has to wait: the version of Steward's own facts, the source's order of
    a foreign message; 0 is the end."""
    feeds: str = ""
    """The stream whose alarms wait while this message is parked."""
    retry: bool = False
    """It comes out of the line of a parked stream."""
    attempts: int = 0
    answer: Callable[[Sequence[Recorded]], bytes] | None = None
    """What to remember as the answer to an idempotent request."""
    sweeps: tuple[Sweep, ...] = ()
    sweep_step: SweepStep | None = None
    broken: Refused | None = None
    """It could not even be read: park it with this reason."""
    run: "Run | None" = None
    """It stands for several messages, of which it is the last."""

    def place_of(self, to: To) -> tuple[str, str] | None:
        """Give the inbox's place for the newest order in which `to.about` was told, if it has one."""
        if not (to.about and self.order and isinstance(self.mark, ForeignMark)):
            return None
        return self.mark.consumer, f"{self.mark.stream} {to.about}"


class Run(NamedTuple):
    """Facts of one stream, version after version from the `first`, that mean nothing here.

    They are passed over at once where they follow on what was heard; otherwise one by one, as the
    `jobs` that are made only then.
    """

    first: int
    jobs: Callable[[], Sequence[Job]]


@dataclass(frozen=True, slots=True)
class Applied:
    """The job's facts were committed (there may be none)."""

    facts: tuple[Recorded, ...]
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Repeated:
    """It was taken before; `answer` is what was answered then."""

    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """It waits in line, and why."""

    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class NotDone:
    """It was refused and has no line to wait in."""

    error: Exception


_NOTHING = Applied(())

Outcome = Applied | Repeated | Parked | NotDone
_Wanted = tuple[To, ...] | Refused


@dataclass(frozen=True, slots=True)
class _Known:
    """A stream's state as remembered from an earlier commit."""

    version: int
    state: Any


@dataclass(slots=True)
class _Stream:
    head: Head
    state: Any
    stored: Head | None
    added: list[Recorded] = field(default_factory=list)
    wake_stored: datetime | None = None
    rung: bool = False


class Executor:
    """Runs jobs against a store with the deciders of one service.

    `deciders` is by the stream's kind, the part of its name before the first "-"; `partition_of`
    gives a key's Kafka partition; `project` gives the read-model changes of a fact; `wall` is the
    time by which parked messages wait, where `clock` may be stepped; `pack` gives a message as it may
    lie in a line.
    """

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        deciders: Mapping[str, AnyDecider],
        *,
        source: str,
        partition_of: Callable[[str], int],
        project: Projection = lambda _: (),
        cached_streams: int = CACHED_STREAMS,
        on_facts: Callable[[Sequence[Recorded]], None] = lambda _: None,
        wall: Clock | None = None,
        pack: Callable[[Parcel], Awaitable[Parcel]] | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.deciders = deciders
        self.source = source
        self.wall = wall or clock
        self.partition_of = partition_of
        self.project = project
        self._cache: OrderedDict[str, _Known] = OrderedDict()
        self._cached_streams = cached_streams
        self._on_facts = on_facts
        self._pack = pack

    def decider_of(self, stream: str) -> AnyDecider:
        """Give the decider of a stream's kind."""
        return self.deciders[stream.partition("-")[0]]

    async def execute(self, job: Job) -> Applied | Repeated:
        """Run one job; raises what refuses it."""
        [outcome] = await self.execute_batch([job])
        match outcome:
            case Applied() | Repeated():
                return outcome
            case NotDone(error):
                raise error
            case Parked(reason, code):
                raise Refused(reason, code=code)

    async def execute_batch(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run jobs in order in one transaction; one that cannot be done does not stop the rest.

        Raises `Unavailable` when the store cannot be reached, and `Changed` when others kept
        winning.
        """
        if not jobs:
            return []
        jobs = [_addressable(job) for job in jobs]
        for tried in range(_TRIES):
            try:
                wanted = [_wanted(job) for job in jobs]
                work = await self._read(jobs, wanted)
                outcomes = [outcome async for outcome in _each(work, jobs, wanted)]
                write = work.write()
                if self._pack is not None:
                    write.park = [await _packed(park, self._pack) for park in write.park]
                if not write.is_empty():
                    await self.store.commit(write)
            except Changed:
                await asyncio.sleep(random.uniform(0, min(0.2, 0.002 * 2**tried)))  # noqa: S311
                continue
            except BadData as error:
                return await self._bisect(jobs, error)
            self._remember(work)
            self._on_facts(work.appended)
            return outcomes
        raise Changed(f"Others kept changing the same streams, {_TRIES} times in a row.")

    async def _bisect(self, jobs: Sequence[Job], error: BadData) -> list[Outcome]:
        if len(jobs) > 1:
            half = len(jobs) // 2
            return [
                *await self.execute_batch(jobs[:half]),
                *await self.execute_batch(jobs[half:]),
            ]
        job = jobs[0]
        refusal = Refused(f"The content cannot be stored: {error}", code="bad_data")
        if job.parcel is None or job.broken is not None:
            return [NotDone(refusal)]
        return await self.execute_batch([job._replace(broken=refusal)])

    async def _read(self, jobs: Sequence[Job], wanted: Sequence[_Wanted]) -> "_Work":
        own: set[tuple[str, str]] = set()
        foreign: set[tuple[str, str, str]] = set()
        parked: set[tuple[str, str]] = set()
        for job, commands in zip(jobs, wanted, strict=True):
            own.update(told for told in map(job.place_of, _commands(commands)) if told)
            match job.mark:
                case OwnMark() as mark:
                    own.add((mark.consumer, mark.stream))
                    parked.add((mark.consumer, mark.stream))
                case ForeignMark() as mark:
                    foreign.add((mark.consumer, mark.source, mark.id))
                    parked.add((mark.consumer, mark.stream))
                case None:
                    pass
        # Taken before the read: what another task remembers meanwhile does not fit what is read.
        known: dict[str, _Known] = {}
        streams: dict[str, int] = {}
        for commands in wanted:
            for to in _commands(commands):
                remembered = self._cache.get(to.stream)
                if remembered is not None:
                    known[to.stream] = remembered
                    self._cache.move_to_end(to.stream)
                streams[to.stream] = remembered.version if remembered else 0
        view = await self.store.read(Reading(streams, sorted(own), sorted(foreign), sorted(parked)))
        for name, remembered in known.items():
            head = view.heads.get(name)
            if head is None or head.version < remembered.version:
                self._cache.clear()
                raise Changed(f"The stream {name} is shorter than it was: the store was restored.")
        again: set[UUID] = set()
        if self.store.restored:
            # What was heard between back-up and loss is heard once more: its facts are there already.
            again = await self.store.appended_again(
                [
                    _fact_id(_scope(job.cause, to, ordinal), 0)
                    for job, commands in zip(jobs, wanted, strict=True)
                    for ordinal, to in enumerate(_commands(commands))
                ]
            )
        return _Work(self, view, known, again)

    def _remember(self, work: "_Work") -> None:
        for name, stream in work.streams.items():
            # Alarms come hours apart: what only rang would push out what is heard now.
            if stream.head.version and (not stream.rung or name in self._cache):
                self._cache[name] = _Known(stream.head.version, stream.state)
                self._cache.move_to_end(name)
        while len(self._cache) > self._cached_streams:
            self._cache.popitem(last=False)


def _addressable(job: Job) -> Job:
    """Give a job whose place in the inbox can be written down, so that it can at least be parked."""
    match job.mark:
        case OwnMark() as mark if not _is_name(mark.stream):
            mended: Mark = mark._replace(stream=_name(mark.stream))
        case ForeignMark() as mark if not all(map(_is_name, (mark.source, mark.id, mark.stream))):
            mended = replace(
                mark, source=_name(mark.source), id=_name(mark.id), stream=_name(mark.stream)
            )
        case _:
            return job
    refusal = Refused("Its address is too long or contains the character NUL.", code="bad_data")
    return job._replace(mark=mended, broken=job.broken or refusal)


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST_NAME and "\x00" not in text


def _name(text: str) -> str:
    if _is_name(text):
        return text
    # Two long names must stay two: the digest tells them apart.
    return f"{text[:100]}-{uuid5(_NAMESPACE, text)}".replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _wanted(job: Job) -> _Wanted:
    """Ask what a job wants: its commands, or why it wants none."""
    if job.broken is not None:
        return job.broken
    try:
        return tuple(job.react())
    except Refused as refused:
        return refused


def _covers(known: datetime | None, history: datetime | None) -> bool:
    return known is not None and history is not None and history <= known


def _commands(wanted: _Wanted) -> tuple[To, ...]:
    return () if isinstance(wanted, Refused) else wanted


def _scope(cause: Cause, to: To, ordinal: int) -> str:
    return f"{cause.id}|{cause.consumer}|{to.stream}|{ordinal}"


def _fact_id(scope: str, number: int) -> UUID:
    return uuid5(_NAMESPACE, f"{scope}|{number}")


class _Work:
    """One attempt at a batch: everything is decided here, in memory."""

    def __init__(
        self,
        shell: Executor,
        view: View,
        known: Mapping[str, _Known],
        again: Collection[UUID],
    ) -> None:
        self._shell = shell
        self._view = view
        self._known = known
        self._again = again
        self._now = shell.clock.now()
        self._wall = shell.wall.now()
        self.streams: dict[str, _Stream] = {}
        self.appended: list[Recorded] = []
        self._own: dict[tuple[str, str], tuple[int, UUID]] = {}
        self._foreign: dict[tuple[str, str, str], Seen] = {}
        self._parked = set(view.parked)
        self._write = Write()

    def run(self, job: Job, wanted: _Wanted) -> Outcome:
        """Decide one job on top of those before it; keep nothing of one that cannot be done."""
        if job.run is not None and isinstance(job.mark, OwnMark):
            return self._pass_over_all(job, job.run, job.mark)
        if job.mark is not None:
            place = (job.mark.consumer, job.mark.stream)
            self._write.parked_as_read[place] = place in self._view.parked
            if place in self._parked and not job.retry:
                return self._wait(job, _BEHIND, "behind")
        try:
            return self._apply(job, wanted)
        except (Refused, StuckAlarm, BadData) as error:
            return self._give_up(job, error)

    def _apply(self, job: Job, wanted: _Wanted) -> Outcome:
        repeat = self._repeat(job.mark)
        if repeat is not None:
            self._leave_line(job)
            return repeat
        if isinstance(wanted, Refused):
            raise wanted
        if isinstance(job.mark, OwnMark) and not (wanted or job.heard or job.sweeps):
            return self._pass_over(job, job.mark)
        touched: dict[str, _Stream] = {}
        facts: list[Recorded] = []
        told: set[tuple[str, str]] = set()
        for ordinal, to in enumerate(wanted):
            place = job.place_of(to)
            if place is not None:
                if job.order < self._heard(place)[0]:
                    continue
                told.add(place)
            facts += self._command(job.cause, to, touched, ordinal)
        answer = job.answer(facts) if job.answer else None
        heard = [] if job.heard is None else [job.heard]
        changes = [change for fact in (*heard, *facts) for change in self._shell.project(fact)]
        # Nothing below can fail: from here the job counts.
        self.streams.update(touched)
        self.appended += facts
        self._own.update(dict.fromkeys(told, (job.order, job.cause.id)))
        match job.mark:
            case OwnMark(consumer, stream, version, id_):
                self._own[consumer, stream] = (version, id_)
            case ForeignMark() as mark:
                taken = ForeignTaken(mark, answer, self._now)
                self._foreign[mark.consumer, mark.source, mark.id] = Seen(mark.fingerprint, answer)
                self._write.foreign.append(taken)
            case None:
                pass
        self._write.changes += changes
        self._write.sweeps += job.sweeps
        if job.sweep_step is not None:
            self._write.sweep_steps.append(job.sweep_step)
        self._leave_line(job)
        return Applied(tuple(facts), answer)

    def _pass_over(self, job: Job, mark: OwnMark) -> Outcome:
        """Let the inbox advance by a fact that means nothing here, as most do that are heard."""
        self._own[mark.consumer, mark.stream] = (mark.version, mark.id)
        self._leave_line(job)
        return _NOTHING

    def _pass_over_all(self, last: Job, run: Run, mark: OwnMark) -> Outcome:
        place = (mark.consumer, mark.stream)
        if place in self._parked or run.first != self._heard(place)[0] + 1:
            return [self.run(job, _wanted(job)) for job in run.jobs()][-1]
        self._write.parked_as_read[place] = False
        return self._pass_over(last, mark)

    def _heard(self, place: tuple[str, str]) -> tuple[int, UUID | None]:
        return self._own.get(place) or self._view.own.get(place) or (0, None)

    def _repeat(self, mark: Mark | None) -> Repeated | None:
        match mark:
            case OwnMark(consumer, stream, version, id_):
                done, last = self._heard((consumer, stream))
                if version == done and last != id_:
                    raise Refused(
                        f"Version {version} came twice with different IDs.",
                        code="conflict",
                    )
                if version <= done:
                    return Repeated()
                if version > done + 1:
                    raise Refused(
                        f"Version {version} came after version {done}: one is missing.",
                        code="gap",
                    )
                return None
            case ForeignMark() as mark:
                known = (mark.consumer, mark.source, mark.id)
                seen = self._foreign.get(known) or self._view.foreign.get(known)
                if seen is None:
                    return None
                if seen.fingerprint != mark.fingerprint:
                    raise Refused(
                        "This ID was used before with another content.", code="key_reused"
                    )
                return Repeated(seen.result)
            case None:
                return None

    def _command(
        self, cause: Cause, to: To, touched: dict[str, _Stream], ordinal: int
    ) -> list[Recorded]:
        stream = touched.get(to.stream) or self._copy(to)
        touched[to.stream] = stream
        if to.expected is not None and to.expected != stream.head.version:
            raise Refused(
                "It was changed by somebody else meanwhile: read it again.", code="precondition"
            )
        decider = self._shell.decider_of(to.stream)
        before = len(stream.added)
        # What comes back late of a past that has ended takes no live stream out of the ticker.
        over = stream.head.live and _covers(stream.head.history, cause.history)
        if cause.history is not None and not _covers(stream.head.history, cause.history):
            stream.head = stream.head._replace(history=cause.history)
        command = to.command
        if isinstance(command, Alarms):
            stream.rung = True
            self._ring(cause, decider, stream, command.until, unheard=command.unheard)
        else:
            known = to.known_at or cause.known_at or self._now
            if stream.head.version and not to.aside:
                self._ring(cause, decider, stream, known, unheard=False)
            scope = _scope(cause, to, ordinal)
            done = _fact_id(scope, 0) in self._again if self._again else False
            facts = () if done else decider.decide(command, stream.state)
            self._add(cause, decider, stream, facts, command.at, scope, known)
            live = cause.history is None or cause.ends_history or over
            if to.aside:
                live = stream.head.live
            if live != stream.head.live and (live or stream.added[before:]):
                stream.head = stream.head._replace(live=live)
        return stream.added[before:]

    def _copy(self, to: To) -> _Stream:
        found = self.streams.get(to.stream)
        if found is not None:
            return replace(found, added=list(found.added))
        decider = self._shell.decider_of(to.stream)
        head = self._view.heads.get(to.stream)
        if head is None:
            partition = EVERYWHERE if to.everywhere else self._shell.partition_of(to.key)
            return _Stream(Head(to.stream, to.key, partition, 0, self._now), decider.initial, None)
        known = self._known.get(to.stream)
        state = known.state if known else decider.initial
        for fact in self._view.facts.get(to.stream, ()):
            state = decider.evolve(state, fact)
        wake = decider.wake_at(state) if head.live else None
        return _Stream(head, state, head, wake_stored=wake)

    def _ring(
        self, cause: Cause, decider: AnyDecider, stream: _Stream, until: datetime, *, unheard: bool
    ) -> None:
        due = decider.wake_at(stream.state)
        while due is not None and due < until:
            facts = decider.decide(Ring(due, unheard), stream.state)
            # With the version: a breach that was withdrawn may come again at the same instant.
            scope = f"{stream.head.stream}|{due.isoformat()}|ring|{stream.head.version}"
            self._add(cause, decider, stream, facts, due, scope, due)
            after = decider.wake_at(stream.state)
            if after is not None and after <= due:
                raise StuckAlarm(
                    f"The alarm of {stream.head.stream} for {due.isoformat()} rang and did not move."
                )
            due = after

    def _add(
        self,
        cause: Cause,
        decider: AnyDecider,
        stream: _Stream,
        facts: Sequence[Fact],
        at: datetime,
        scope: str,
        known_at: datetime,
    ) -> None:
        head, version = stream.head, stream.head.version
        recorded_at = max(self._now, head.recorded_at)
        history = head.history if head.history is not None and at < head.history else None
        known_at = known_at if history is not None else recorded_at
        causation = str(cause.id)
        correlation = cause.correlation_id or causation
        for number, fact in enumerate(facts):
            version += 1
            recorded = Recorded(
                id=_fact_id(scope, number),
                type=fact.wire_type,
                stream=head.stream,
                version=version,
                key=head.key,
                source=self._shell.source,
                occurred_at=at,
                recorded_at=recorded_at,
                known_at=known_at,
                fact=fact,
                correlation_id=correlation,
                causation_id=causation,
                history=history,
                traceparent=cause.traceparent,
                everywhere=head.partition == EVERYWHERE,
            )
            stream.added.append(recorded)
            stream.state = decider.evolve(stream.state, fact)
        if facts:
            stream.head = head._replace(version=version, recorded_at=recorded_at)

    def _give_up(self, job: Job, error: Exception) -> Outcome:
        code = error.code if isinstance(error, Refused) else type(error).__name__
        if job.parcel is None or job.mark is None:
            return NotDone(error)
        place = (job.mark.consumer, job.mark.stream)
        if job.retry and place in self._parked:
            gap = _RETRY_GAPS[min(job.attempts, len(_RETRY_GAPS) - 1)]
            self._write.postpone.append(
                Postpone(*place, str(error), code, self._wall + gap, _line_id(job.mark))
            )
            return Parked(str(error), code)
        return self._wait(job, str(error), code)

    def _wait(self, job: Job, reason: str, code: str) -> Outcome:
        if job.mark is None or job.parcel is None:
            return NotDone(Refused(reason, code=code))
        mark = job.mark
        self._parked.add((mark.consumer, mark.stream))
        self._write.park.append(
            Park(
                LinedUp(mark.consumer, mark.stream, job.order, _line_id(mark), job.parcel),
                reason,
                code,
                self._wall,
                self._wall + _RETRY_GAPS[0],
                job.feeds,
            )
        )
        return Parked(reason, code)

    def _leave_line(self, job: Job) -> None:
        if job.retry and job.mark is not None:
            self._write.unpark.append(
                Unpark(job.mark.consumer, job.mark.stream, _line_id(job.mark))
            )

    def write(self) -> Write:
        """Give what is to be committed."""
        for name in sorted(self.streams):
            stream = self.streams[name]
            if not stream.head.version:
                continue
            decider = self._shell.decider_of(name)
            wake = decider.wake_at(stream.state) if stream.head.live else None
            timer = wake != stream.wake_stored or stream.rung
            # An alarm is written only together with its stream, whose check then covers it too.
            if timer or stream.head != stream.stored:
                expected = stream.stored.version if stream.stored else 0
                self._write.streams.append(StreamWrite(stream.head, expected, tuple(stream.added)))
            if timer:
                self._write.timers[name] = (stream.head.partition, wake)
        for (consumer, stream_id), (version, id_) in sorted(self._own.items()):
            expected, _ = self._view.own.get((consumer, stream_id), (0, None))
            self._write.own.append(OwnAdvance(consumer, stream_id, expected, version, id_))
        return self._write


async def _each(
    work: _Work, jobs: Sequence[Job], wanted: Sequence[_Wanted]
) -> AsyncIterator[Outcome]:
    """Run each job; where they take long, whoever else has something to do does it in between."""
    since = time.monotonic()
    for job, commands in zip(jobs, wanted, strict=True):
        yield work.run(job, commands)
        if time.monotonic() - since > _BREATH:
            await asyncio.sleep(0)
            since = time.monotonic()


async def _packed(park: Park, pack: Callable[[Parcel], Awaitable[Parcel]]) -> Park:
    message = park.message
    return replace(park, message=replace(message, parcel=await pack(message.parcel)))


def _line_id(mark: Mark) -> str:
    match mark:
        case OwnMark():
            return str(mark.id)
        case ForeignMark():
            return f"{mark.source} {mark.id}"
