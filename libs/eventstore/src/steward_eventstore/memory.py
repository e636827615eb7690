"""The event store in dictionaries: for stories, simulations and decider tests.

One process, one thread of control; a commit is atomic because nothing awaits inside it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from steward_events.recorded import Recorded
from steward_eventstore.port import (
    ALARMS_WAIT,
    BadData,
    Change,
    Changed,
    Clock,
    Cursor,
    Delete,
    Head,
    Increment,
    Lease,
    LinedUp,
    ParkedStream,
    Reading,
    Relayed,
    Seen,
    Sweep,
    Upsert,
    View,
    Write,
)
from steward_eventstore.read_models import blank, key_of
from steward_eventstore.rows import check, data_of, meta_of


class MemoryStore:
    """An `EventStore` in dictionaries. `clock` is wall time, for leases."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.heads: dict[str, Head] = {}
        self.facts: dict[str, list[Recorded]] = {}
        self.log: list[Recorded] = []
        self.timers: dict[str, tuple[int, datetime]] = {}
        self.tables: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._own: dict[tuple[str, str], tuple[int, Any]] = {}
        self._foreign: dict[tuple[str, str, str], Seen] = {}
        self._parked: dict[tuple[str, str], ParkedStream] = {}
        self._lines: dict[tuple[str, str], list[LinedUp]] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._lease: tuple[str, int, datetime] | None = None
        self._relayed = 0

    restored = False
    """It lies in no back-up."""

    async def appended_again(self, ids: Collection[UUID]) -> set[UUID]:  # noqa: ARG002
        """Give none."""
        return set()

    async def read(self, reading: Reading) -> View:
        """Read in one instant."""
        view = View()
        for stream, known in reading.streams.items():
            if stream in self.heads:
                view.heads[stream] = self.heads[stream]
                view.facts[stream] = [said.fact for said in self.facts[stream][known:]]
        view.own = {place: self._own[place] for place in reading.own if place in self._own}
        view.foreign = {p: self._foreign[p] for p in reading.foreign if p in self._foreign}
        view.parked = {place for place in reading.parked if place in self._parked}
        return view

    async def commit(self, write: Write) -> None:
        """Check everything, then change everything."""
        self._check(write)
        for park in write.park:
            self._park(
                park.message,
                ParkedStream(
                    park.message.consumer,
                    park.message.stream,
                    park.reason,
                    park.code,
                    park.at,
                    park.retry_at,
                    0,
                    0,
                    park.feeds,
                ),
            )
        for unpark in write.unpark:
            place = (unpark.consumer, unpark.stream)
            rest = [m for m in self._lines.get(place, []) if m.id != unpark.id]
            self._lines[place] = rest
            if not rest:
                self._lines.pop(place)
                self._parked.pop(place, None)
        for late in write.postpone:
            place = (late.consumer, late.stream)
            if place in self._parked and late.head in ("", self._lines[place][0].id):
                self._parked[place] = replace(
                    self._parked[place],
                    reason=late.reason,
                    code=late.code,
                    retry_at=late.retry_at,
                    attempts=self._parked[place].attempts + 1,
                )
        for stream in write.streams:
            self.heads[stream.head.stream] = stream.head
            self.facts.setdefault(stream.head.stream, []).extend(stream.facts)
            self.log.extend(stream.facts)
        for mark in write.own:
            self._own[mark.consumer, mark.stream] = (mark.version, mark.id)
        for taken in write.foreign:
            place3 = (taken.mark.consumer, taken.mark.source, taken.mark.id)
            self._foreign[place3] = Seen(taken.mark.fingerprint, taken.result)
        for name, (partition, due) in write.timers.items():
            if due is None:
                self.timers.pop(name, None)
            else:
                self.timers[name] = (partition, due)
        for change in write.changes:
            self._change(change)
        for sweep in write.sweeps:
            self._sweeps.setdefault(sweep.id, sweep)
        for step in write.sweep_steps:
            if step.cursor is None:
                self._sweeps.pop(step.id)
            else:
                self._sweeps[step.id] = replace(self._sweeps[step.id], cursor=step.cursor)

    def _check(self, write: Write) -> None:
        for place, was in write.parked_as_read.items():
            if (place in self._parked) != was:
                raise Changed(f"The stream {place[1]} was parked or freed meanwhile.")
        for stream in write.streams:
            head = self.heads.get(stream.head.stream)
            if (head.version if head else 0) != stream.expected:
                raise Changed(f"The stream {stream.head.stream} has moved on.")
            for fact in stream.facts:
                check(fact.type, data_of(fact), meta_of(fact))
        for mark in write.own:
            if self._own.get((mark.consumer, mark.stream), (0, None))[0] != mark.expected:
                raise Changed(f"The inbox of {mark.stream} has moved on.")
        for taken in write.foreign:
            if (taken.mark.consumer, taken.mark.source, taken.mark.id) in self._foreign:
                raise Changed(f"The message {taken.mark.id} was taken meanwhile.")
        for change in write.changes:
            if isinstance(change, Upsert) and any(
                isinstance(value, str) and "\x00" in value for value in change.values.values()
            ):
                raise BadData("A text contains the character NUL.")
        for step in write.sweep_steps:
            sweep = self._sweeps.get(step.id)
            if sweep is None or sweep.cursor != step.expected:
                raise Changed(f"The sweep {step.id} has moved on.")

    def _park(self, message: LinedUp, parked: ParkedStream) -> None:
        place = (message.consumer, message.stream)
        known = self._parked.setdefault(place, parked)
        line = self._lines.setdefault(place, [])
        if line and 0 < message.order < line[0].order:
            at_once = min(known.retry_at, parked.since)
            self._parked[place] = replace(known, retry_at=at_once, attempts=0)
        if all(waiting.id != message.id for waiting in line):
            order = message.order or max((m.order for m in line), default=0) + 1
            line.append(replace(message, order=order))
            line.sort(key=lambda m: m.order)

    def _change(self, change: Change) -> None:
        rows = self.tables.setdefault(change.table.name, {})
        match change:
            case Upsert(table, values):
                key = key_of(table, values)
                if key not in rows:
                    rows[key] = blank(table)
                rows[key] |= values
            case Increment(table, key_values, add):
                key = key_of(table, key_values)
                row = rows.setdefault(key, blank(table) | dict(key_values))
                for column, amount in add.items():
                    row[column] = (row.get(column) or 0) + amount
            case Delete(table, key_values):
                rows.pop(key_of(table, key_values), None)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Give a read model's rows by key."""
        found = self.tables.get(table.name, {})
        return [found[key] for key in sorted(found)]

    async def due(self, limits: Mapping[int, datetime], at_most: int) -> list[tuple[str, datetime]]:
        """Give due streams, the oldest of each partition; of one that has many its keys in turn."""
        since = self._clock.now() - ALARMS_WAIT
        waiting = {
            p.feeds
            for p in self._parked.values()
            if p.feeds and (p.stream == p.feeds or p.since > since)
        }
        lines: list[list[tuple[datetime, str]]] = [
            sorted(
                (at, name)
                for name, (place, at) in self.timers.items()
                if place == partition and at < limit and name not in waiting
            )
            for partition, limit in limits.items()
        ]
        each = max(1, at_most // max(1, len(lines)))
        left = at_most - sum(min(len(line), each) for line in lines)
        full = [line for line in lines if len(line) >= each]
        more = each + max(0, left) // max(1, len(full))
        cut = [self._in_turn(line)[:more] if len(line) >= each else line for line in lines]
        return [(name, at) for line in cut for at, name in line]

    def _in_turn(self, line: Sequence[tuple[datetime, str]]) -> list[tuple[datetime, str]]:
        """Let each key's oldest go first, then each key's next."""
        came: Counter[str] = Counter()
        turns: list[tuple[int, datetime, str]] = []
        for at, name in line:
            key = self.heads[name].key
            turns.append((came[key], at, name))
            came[key] += 1
        return [(at, name) for _, at, name in sorted(turns)]

    async def next_due(self, partitions: Sequence[int]) -> datetime | None:
        """Give the earliest alarm of these partitions."""
        return min((at for place, at in self.timers.values() if place in partitions), default=None)

    def rang(self, partition: int, at: datetime) -> None:
        """Nothing here is faster for knowing it."""

    async def parked(
        self, *, due_by: datetime | None = None, code: str = "", limit: int = 100
    ) -> list[ParkedStream]:
        """Give parked streams, those to be tried first in front."""
        found = [
            replace(p, waiting=len(self._lines.get(place, [])))
            for place, p in self._parked.items()
            if (due_by is None or p.retry_at <= due_by) and code in ("", p.code)
        ]
        return sorted(found, key=lambda p: (p.retry_at, p.consumer, p.stream))[:limit]

    async def line(self, consumer: str, stream: str, limit: int = 500) -> list[LinedUp]:
        """Give what waits behind a parked stream."""
        return self._lines.get((consumer, stream), [])[:limit]

    async def sweeps(self) -> list[Sweep]:
        """Give the sweeps that are not finished."""
        return list(self._sweeps.values())

    async def streams_after(self, prefix: str, cursor: str, limit: int) -> list[str]:
        """Give the next streams of a kind by name."""
        found = (name for name in self.heads if name.startswith(prefix) and name > cursor)
        return sorted(found)[:limit]

    async def facts_of(self, *streams: str) -> list[Recorded]:
        """Give whole streams one after the other, each in order."""
        return [fact for stream in sorted(streams) for fact in self.facts.get(stream, ())]

    async def take_lease(self, holder: str, duration: timedelta) -> Lease | None:
        """Take or renew the right to relay."""
        now = self._clock.now()
        if self._lease is not None and self._lease[0] != holder and self._lease[2] > now:
            return None
        fence = self._lease[1] if self._lease else 0
        if self._lease is None or self._lease[0] != holder:
            fence += 1
        self._lease = (holder, fence, now + duration)
        return Lease(fence, Cursor(0, 0, self._relayed))

    async def relay_page(
        self,
        cursor: Cursor,
        limit: int,
        *,
        ended: bool = False,  # noqa: ARG002 - nothing is restored
    ) -> list[Relayed]:
        """Give the next facts in the order of their commits."""
        page: Iterable[tuple[int, Recorded]] = enumerate(
            self.log[cursor.pos : cursor.pos + limit], cursor.pos + 1
        )
        return [
            Relayed(
                Cursor(0, 0, pos),
                self.heads[fact.stream].partition,
                fact.stream,
                fact.version,
                fact.type,
                data_of(fact),
                meta_of(fact),
            )
            for pos, fact in page
        ]

    async def backlog(self) -> tuple[int, datetime | None]:
        """Give how many facts are not relayed, and since when the oldest waits."""
        waiting = self.log[self._relayed :]
        return len(waiting), waiting[0].recorded_at if waiting else None

    async def relayed(self, fence: int, cursor: Cursor, facts: int = 0) -> bool:  # noqa: ARG002
        """Move the relay's cursor; False if another holds the lease by now."""
        if self._lease is None or self._lease[1] != fence:
            return False
        self._relayed = cursor.pos
        return True
