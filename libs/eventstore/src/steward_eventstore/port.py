"""What an event store must do, whichever way it keeps things: in PostgreSQL or in memory.

A store only reads and commits. What is decided lies in `execute.py`, which is the same for both.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Table

from steward_events.fact import Fact
from steward_events.recorded import Recorded

LONGEST_NAME = 400
"""In characters; PostgreSQL takes at most 2,700 bytes into an index."""
EVERYWHERE = -1
"""The partition of group-wide streams: their facts go to every partition of the topic."""

ALARMS_WAIT = timedelta(minutes=10)
"""How long alarms wait for a parked stream that feeds theirs; then they ring without it."""


class Clock(Protocol):
    """Where Steward's time comes from; aware instants only."""

    def now(self) -> datetime: ...


class Changed(Exception):
    """Somebody else committed first: read again, decide again."""


class BadData(Exception):
    """The database refuses the content itself (classes 22 and 23): trying again will not help."""


class Unavailable(Exception):
    """The store cannot be reached now: back off and try again."""


class FactTooLarge(BadData):
    """A fact would not fit into one Kafka message; it is refused at append, never at the relay."""


class Head(NamedTuple):
    """A stream as it stands: what is needed to append to it.

    `history` is the instant up to which it is imported history; `live` says whether its alarms are
    the ticker's business.
    """

    stream: str
    key: str
    partition: int
    version: int
    recorded_at: datetime
    history: datetime | None = None
    live: bool = True


class OwnMark(NamedTuple):
    """The inbox's place for one stream of Steward's own facts: every version in turn, once."""

    consumer: str
    stream: str
    version: int
    id: UUID


@dataclass(frozen=True, slots=True)
class ForeignMark:
    """The inbox's place for a message from outside, or for a request with an idempotency key."""

    consumer: str
    source: str
    id: str
    stream: str
    """What lines up behind it when it cannot be taken: the foreign subject."""
    fingerprint: str = ""
    """Of the content, so that one key with two contents is found out."""


Mark = OwnMark | ForeignMark


class Parcel(NamedTuple):
    """A message as it came, so that it can be parked and tried again."""

    topic: str
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


@dataclass(frozen=True, slots=True)
class ParkedStream:
    """A stream that waits for one consumer: what is wrong, since when, when it is tried again."""

    consumer: str
    stream: str
    reason: str
    code: str
    since: datetime
    retry_at: datetime
    attempts: int
    waiting: int = 0
    feeds: str = ""
    """The stream whose alarms wait meanwhile."""


@dataclass(frozen=True, slots=True)
class LinedUp:
    """One parked message in its place; of the same `order`, who came first stands in front.

    `order` is the version of an own fact and the source's order of a foreign message; 0 goes to the
    end of the line.
    """

    consumer: str
    stream: str
    order: int
    id: str
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Seen:
    """A foreign message or request that was taken before, and what was answered."""

    fingerprint: str
    result: bytes | None


@dataclass(slots=True)
class View:
    """What one read of the store found."""

    heads: dict[str, Head] = field(default_factory=dict)
    facts: dict[str, list[Fact | None]] = field(default_factory=dict)
    """What was said after the version that the reader had, by stream, in order."""
    own: dict[tuple[str, str], tuple[int, UUID]] = field(default_factory=dict)
    foreign: dict[tuple[str, str, str], Seen] = field(default_factory=dict)
    parked: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read: streams with the version already known (0 for all), and inbox places."""

    streams: Mapping[str, int]
    own: Sequence[tuple[str, str]] = ()
    foreign: Sequence[tuple[str, str, str]] = ()
    parked: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Upsert:
    """Insert a read model's row, or change the named columns of the row with the same key."""

    table: Table
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Increment:
    """Add to counters of a read model's row; `key` names all primary-key columns."""

    table: Table
    key: Mapping[str, Any]
    add: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a read model's row away; `key` names all primary-key columns."""

    table: Table
    key: Mapping[str, Any]


Change = Upsert | Increment | Delete
Projection = Callable[[Recorded], Iterable[Change]]
"""Turns a fact, own or heard, into changes of read models; pure."""


@dataclass(frozen=True, slots=True)
class StreamWrite:
    """Facts for one stream, and the alarm that it wants afterwards."""

    head: Head
    """As it will stand after the append."""
    expected: int
    facts: tuple[Recorded, ...]


@dataclass(frozen=True, slots=True)
class OwnAdvance:
    """Move an inbox place from `expected` to `version`."""

    consumer: str
    stream: str
    expected: int
    version: int
    id: UUID


@dataclass(frozen=True, slots=True)
class ForeignTaken:
    """Remember a foreign message or a request, and what was answered."""

    mark: ForeignMark
    result: bytes | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Park:
    """Let a message wait; it makes the stream parked, or lines up with what parked it.

    One that lines up in front of the head may be what the head lacks: the stream is then due to be
    tried at `at`, as if it had never been tried.
    """

    message: LinedUp
    reason: str
    code: str
    at: datetime
    retry_at: datetime
    feeds: str = ""


@dataclass(frozen=True, slots=True)
class Unpark:
    """Take a message out of its line; the stream is free again when it was the last."""

    consumer: str
    stream: str
    id: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """A parked stream was tried in vain: try again later."""

    consumer: str
    stream: str
    reason: str
    code: str
    retry_at: datetime
    head: str = ""
    """The message that was tried; if another stands in front of it by now, nothing is put off."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One cause that touches many streams, 500 at a time; `cursor` is the last stream done."""

    id: str
    kind: str
    prefix: str
    payload: str
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class SweepStep:
    """Move a sweep on; `cursor` None ends it."""

    id: str
    expected: str
    cursor: str | None


@dataclass(slots=True)
class Write:
    """Everything that one commit changes, or nothing of it."""

    parked_as_read: dict[tuple[str, str], bool] = field(default_factory=dict)
    park: list[Park] = field(default_factory=list)
    unpark: list[Unpark] = field(default_factory=list)
    postpone: list[Postpone] = field(default_factory=list)
    streams: list[StreamWrite] = field(default_factory=list)
    own: list[OwnAdvance] = field(default_factory=list)
    foreign: list[ForeignTaken] = field(default_factory=list)
    timers: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    """By stream: partition and next alarm, None for none."""
    changes: list[Change] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    sweep_steps: list[SweepStep] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Say whether there is nothing to commit."""
        return not (
            self.park
            or self.unpark
            or self.postpone
            or self.streams
            or self.own
            or self.foreign
            or self.timers
            or self.changes
            or self.sweeps
            or self.sweep_steps
        )


class Cursor(NamedTuple):
    """How far the relay has come: `(epoch, xid, pos)` of the last fact acknowledged by Kafka."""

    epoch: int
    xid: int
    pos: int


class Relayed(NamedTuple):
    """A stored fact as the relay reads it; `data` is the JSON that goes out as it is."""

    cursor: Cursor
    partition: int
    stream: str
    version: int
    type: str
    data: str
    meta: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to relay; `fence` grows with each holder, and an old one can change nothing."""

    fence: int
    cursor: Cursor


class EventStore(Protocol):
    """Streams, inbox, parking, timers, sweeps and the relay's page, behind one port.

    One contract suite runs against every implementation.
    """

    @property
    def restored(self) -> bool:
        """Whether it came back from a back-up once, so that causes may be heard a second time."""
        ...

    async def appended_again(self, ids: Collection[UUID]) -> set[UUID]:
        """Give those of these facts that a restore has appended again, verbatim."""
        ...

    async def read(self, reading: Reading) -> View:
        """Read without locks, in one snapshot."""
        ...

    async def commit(self, write: Write) -> None:
        """Commit all or nothing. Raises `Changed`, `BadData`, `Unavailable`."""
        ...

    async def due(self, limits: Mapping[int, datetime], at_most: int) -> list[tuple[str, datetime]]:
        """Give streams with an alarm strictly before the limit of their partition.

        The oldest of each partition; where there are more than `at_most`, equal parts of each, and
        what one partition leaves is for the others. No partition with an alarm is left out. Where a
        partition has more than its part, its keys come in turn, the oldest of each first.
        What a parked stream feeds waits `ALARMS_WAIT`; a stream whose own alarm is parked, for ever.
        """
        ...

    async def next_due(self, partitions: Sequence[int]) -> datetime | None:
        """Give the earliest alarm of these partitions."""
        ...

    def rang(self, partition: int, at: datetime) -> None:
        """Take note that the alarms of a partition up to `at` rang; it may speed up `due`."""
        ...

    async def parked(
        self, *, due_by: datetime | None = None, code: str = "", limit: int = 100
    ) -> list[ParkedStream]:
        """Give parked streams, those to be tried first in front.

        With `due_by` only those to be tried again by then, with `code` only those that wait for that.
        """
        ...

    async def line(self, consumer: str, stream: str, limit: int = 500) -> list[LinedUp]:
        """Give what waits behind a parked stream, in order."""
        ...

    async def sweeps(self) -> list[Sweep]:
        """Give the sweeps that are not finished."""
        ...

    async def streams_after(self, prefix: str, cursor: str, limit: int) -> list[str]:
        """Give the next streams of a kind by name."""
        ...

    async def facts_of(self, *streams: str) -> list[Recorded]:
        """Give whole streams one after the other, each in order."""
        ...

    async def take_lease(self, holder: str, duration: timedelta) -> Lease | None:
        """Take or renew the right to relay, None while another holds it; wall time."""
        ...

    async def relay_page(self, cursor: Cursor, limit: int, *, ended: bool = False) -> list[Relayed]:
        """Give the next facts in an order in which none comes before one its transaction read.

        In an epoch that a restore has `ended`, no open transaction is waited for.
        """
        ...

    async def relayed(self, fence: int, cursor: Cursor, facts: int = 0) -> bool:
        """Move the relay's cursor past so many facts; False if another holds the lease by now."""
        ...

    async def backlog(self) -> tuple[int, datetime | None]:
        """Give how many facts are stored and not relayed, and since when the oldest waits."""
        ...
