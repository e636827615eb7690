"""A small domain and its store, for tests of the event store: a clock with several due times."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zlib import crc32

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from steward_decider import AnyDecider, NotHeardYet, Refused, Ring
from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.sla import CaseNoted, ClockBreached, ClockMet, ClockStarted
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.migrations import upgrade
from steward_eventstore.port import (
    Change,
    Delete,
    EventStore,
    ForeignMark,
    Increment,
    OwnMark,
    Parcel,
    Upsert,
)

START = datetime(2026, 9, 28, 9, 0, tzinfo=UTC)
PARTITIONS = 6
_NAMESPACE = UUID("3a4b4f0e-5f0e-4d6d-9d8f-0f3c2f1d7a10")


def at(minutes: float) -> datetime:
    """Give the instant so many minutes after the tests' first."""
    return START + timedelta(minutes=minutes)


def id_of(text: str) -> UUID:
    """Give the same ID for the same text."""
    return uuid5(_NAMESPACE, text)


def partition_of(key: str) -> int:
    """Give a key's partition."""
    return crc32(key.encode()) % PARTITIONS


@dataclass(slots=True)
class StillClock:
    """Time that moves only when a test says so."""

    instant: datetime = START

    def now(self) -> datetime:
        """Give the instant that was set."""
        return self.instant


@dataclass(frozen=True, slots=True)
class Start:
    """Start clocks with these due times."""

    at: datetime
    due: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """Write something down, whatever it is."""

    at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True)
class Meet:
    """The duty was done; refused where nothing runs."""

    at: datetime


@dataclass(frozen=True, slots=True)
class AskUnheard:
    """Needs what has not been heard, until `heard` contains it."""

    at: datetime
    needs: str


TestCommand = Start | Note | Meet | AskUnheard | Ring


@dataclass(frozen=True, slots=True)
class Running:
    """What runs, and what was written down."""

    due: tuple[datetime, ...] = ()
    breaches: int = 0
    notes: tuple[str, ...] = ()
    met: bool = False


HEARD: set[str] = set()
"""What `AskUnheard` finds."""


ENDLESS = 1_000
"""No test rings an alarm so often that does not move."""


class ClockDecider:
    """Clocks that breach when they ring; `stuck` ones ring and stay, and fail the test in the end."""

    initial = Running()

    def __init__(self, *, stuck: bool = False) -> None:
        self._stuck = stuck
        self._rung = 0

    def decide(self, command: TestCommand, state: Running) -> Sequence[Fact]:
        """Answer a command with facts."""
        match command:
            case Start(_, due):
                return [started(each) for each in due]
            case Note(_, text):
                return [noted(text, command.at)]
            case Meet() if state.due:
                return [met(command.at)]
            case Meet():
                raise Refused("Nothing runs.")
            case AskUnheard(_, needs) if needs not in HEARD:
                raise NotHeardYet(f"{needs} has not been heard.")
            case AskUnheard(_, needs):
                return [noted(needs, command.at)]
            case Ring() if self._stuck:
                self._rung += 1
                if self._rung > ENDLESS:
                    pytest.fail("It rings without end.")  # nothing in between takes it for an error
                return []
            case Ring():
                return [breached(command.at, state.breaches + 1)]

    def evolve(self, state: Running, fact: Fact) -> Running:
        """Give the state after one more fact."""
        match fact:
            case ClockStarted(due_at=due):
                return Running((*state.due, due), state.breaches, state.notes, state.met)
            case ClockBreached(due_at=due):
                left = tuple(d for d in state.due if d != due)
                return Running(left, state.breaches + 1, state.notes, state.met)
            case ClockMet():
                return Running((), state.breaches, state.notes, met=True)
            case CaseNoted(fields=fields):
                return Running(
                    state.due, state.breaches, (*state.notes, str(fields["text"])), state.met
                )
            case _:
                raise AssertionError(fact)

    def wake_at(self, state: Running) -> datetime | None:
        """Give the next due time."""
        return min(state.due, default=None)


_CLOCK: dict[str, Any] = {
    "case_id": "c-1",
    "project_id": "p-1",
    "clock": "minor#1",
    "target": "minor",
    "rule": ("RM-4.5.2c",),
}


def started(due: datetime) -> ClockStarted:
    """Give the fact that a clock started."""
    return ClockStarted(**_CLOCK, started_at=START, due_at=due, policy="residential-cn@2026.1")


def breached(due: datetime, number: int) -> ClockBreached:
    """Give the fact that a clock was breached."""
    return ClockBreached(**_CLOCK, due_at=due, breached_at=due, number=number)


def met(when: datetime) -> ClockMet:
    """Give the fact that the duty was done."""
    return ClockMet(**_CLOCK, met_at=when, outcome="in_time")


def noted(text: str, when: datetime) -> CaseNoted:
    """Give the fact that something was written down."""
    return CaseNoted(
        case_id="c-1", project_id="p-1", noted="note", at=when, version=1, fields={"text": text}
    )


METADATA = MetaData()
CLOCKS = Table(
    "clocks",
    METADATA,
    Column("stream", String, primary_key=True),
    Column("status", String, nullable=False, default="new"),
    Column("breaches", Integer, nullable=False, default=0),
    Column("note", String),
)
TALLY = Table(
    "tally",
    METADATA,
    Column("project", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("count", Integer, nullable=False, default=0),
)
CREATE_TABLES = """
CREATE TABLE clocks (stream text PRIMARY KEY, status text NOT NULL, breaches integer NOT NULL,
                     note text);
CREATE TABLE tally (project text, kind text, count integer NOT NULL, PRIMARY KEY (project, kind));
"""


def project(recorded: Recorded) -> Iterable[Change]:
    """Keep a row per clock and a tally per project."""
    stream = recorded.stream
    yield Increment(TALLY, {"project": recorded.key, "kind": recorded.type}, {"count": 1})
    match recorded.fact:
        case ClockStarted():
            yield Upsert(CLOCKS, {"stream": stream, "status": "running"})
        case ClockBreached():
            yield Increment(CLOCKS, {"stream": stream}, {"breaches": 1})
        case CaseNoted(fields=fields) if fields["text"] == "forget":
            yield Delete(CLOCKS, {"stream": stream})
        case CaseNoted(fields=fields):
            yield Upsert(CLOCKS, {"stream": stream, "note": fields["text"]})
        case ClockMet():
            yield Upsert(CLOCKS, {"stream": stream, "status": "met"})
        case _:
            pass


async def migrated(dsn: str) -> None:
    """Fill an empty database with the event store."""
    await upgrade(dsn)


@dataclass(slots=True)
class Shop:
    """A store with deciders and two clocks, as a service would have them."""

    store: EventStore
    clock: StillClock = field(default_factory=StillClock)
    wall: StillClock = field(default_factory=StillClock)
    project: Callable[[Recorded], Iterable[Change]] = lambda _: ()
    deciders: Mapping[str, AnyDecider] = field(
        default_factory=lambda: {"clock": ClockDecider(), "stuck": ClockDecider(stuck=True)}
    )

    def executor(self, *, cached_streams: int = 1000) -> Executor:
        """Give an executor of its own: another process on the same store."""
        return Executor(
            self.store,
            self.clock,
            self.deciders,
            source="test",
            partition_of=partition_of,
            project=self.project,
            cached_streams=cached_streams,
            wall=self.wall,
        )


def job(stream: str, *commands: TestCommand | Any, cause: str = "", **more: Any) -> Job:
    """Give a request for commands to one stream; `more` goes to `Cause`, `Job` or `To`."""
    cause_id = id_of(cause or f"{stream}{commands}")
    of_cause = {k: more.pop(k) for k in ("known_at", "history", "ends_history") if k in more}
    of_to = {k: more.pop(k) for k in ("expected", "everywhere", "aside") if k in more}
    key = more.pop("key", "p-1")
    wanted = [To(stream, key, command, **of_to) for command in commands]
    return Job(Cause(cause_id, "test", **of_cause), lambda: wanted, **more)


def heard(
    source: str, version: int, *to: To, id_: str = "", known_at: datetime | None = None, **more: Any
) -> Job:
    """Give the job of a fact heard from another service."""
    id_ = id_ or f"{source}/{version}"
    return Job(
        Cause(id_of(id_), "listener", known_at),
        lambda: to,
        OwnMark("listener", source, version, id_of(id_)),
        parcel(id_),
        order=version,
        **more,
    )


def foreign(
    subject: str, id_: str, *to: To, fingerprint: str = "", parked: bool = True, **more: Any
) -> Job:
    """Give the job of another system's message, or of a request with an idempotency key."""
    return Job(
        Cause(id_of(f"{subject}/{id_}"), "inbound"),
        lambda: to,
        ForeignMark("inbound", "system", id_, subject, fingerprint),
        parcel(id_) if parked else None,
        **more,
    )


def parcel(content: str) -> Parcel:
    """Give a message as it came."""
    return Parcel("topic", b"p-1", (("ce_id", content.encode()),), content.encode())
