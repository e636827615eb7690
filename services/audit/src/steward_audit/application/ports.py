"""What audit asks: its own tables, and each service for what it has stored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

Row = Mapping[str, Any]

Clock = tuple[str, str]
"""A clock's case and its name there."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What a service says of itself: facts stored by type, facts to relay, messages to handle."""

    appended: Mapping[str, int]
    unrelayed: int
    unhandled: int = 0


class Timers(NamedTuple):
    """Some of the streams that have an alarm: all up to a name, or up to the last of all (None)."""

    streams: frozenset[str]
    upto: str | None


class PeerSilent(Exception):
    """A service does not answer; the message is a sentence."""


class Peers(Protocol):
    """The services that are audited."""

    async def counters(self) -> Mapping[str, Counters]:
        """Ask each service; raises `PeerSilent`."""
        ...

    async def timers(self, service: str, after: str, /) -> Timers:
        """Ask a service which of its streams behind a name have an alarm; raises `PeerSilent`."""
        ...


class Memory(Protocol):
    """What was heard."""

    async def heard(self) -> Mapping[str, Mapping[str, int]]:
        """Count facts by service and type."""
        ...

    async def history(self) -> Mapping[str, int]:
        """Count by type the facts that were history when they were taken in."""
        ...

    async def rules(self) -> Mapping[str, int]:
        """Count the facts that carry each rule."""
        ...

    async def cases(self) -> Sequence[Row]:
        """Count cases: `kind`, `status`, `n`."""
        ...

    async def clocks(self) -> Sequence[Row]:
        """Count clocks: `rule` (IDs, spaces between), `status`, `outcome`, `breached`, `n`."""
        ...

    async def running(self, after: str, upto: str | None) -> Mapping[Clock, str]:
        """Name the stream of every clock that must have an alarm, of the streams between these."""
        ...

    async def unescalated(self) -> Sequence[Row]:
        """Count standing breaches without an escalation: `policy`, `target`, `n`."""
        ...

    async def unescalated_of(
        self, groups: Collection[tuple[str, str]], /
    ) -> set[tuple[str, str, int]]:
        """Name those of these policies and targets: case, clock, number of the breach."""
        ...

    async def escalations(self) -> Sequence[Row]:
        """Count escalations: `role`, `withdrawn`, `silent`, `untold`, `n`.

        Of history, which is silent, nobody is told; `untold` are the others without a message.
        """
        ...

    async def untold(self) -> set[str]:
        """Name the escalations of which somebody has to be told and that have no message."""
        ...

    async def followups(self) -> Sequence[Row]:
        """Count follow-ups: `rule`, `status`, `n`."""
        ...

    async def messages(self) -> Sequence[Row]:
        """Count messages: `channel`, `status`, `n`."""
        ...

    async def messages_without_outcome(self, now: datetime) -> int:
        """Count messages that should have come to their end by now."""
        ...

    async def unchanged_since(self, at: datetime) -> set[str]:
        """Name the messages without an end that had their last fact, and were due, by then."""
        ...
