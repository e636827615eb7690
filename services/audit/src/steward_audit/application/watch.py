"""The auditor's own round: it looks again and again, and beats its heart only while all is well."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from steward_audit.application.ports import Memory, Peers, PeerSilent
from steward_audit.application.summary import unescalated, without_timer
from steward_policy.packs import Rules
from steward_service.queries import DATABASE_FAULTS
from steward_service.telemetry import Metrics

PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 300.0
"""How long a promise may be under way.

Longer than a storm: of 50,000 clocks that are due at one instant sla rings the last within 35 s,
and notify, at the 1,500 a second that a service has to reach, needs 67 s for their 100,000
messages. Sent and heard by the auditor on the same two processors, that takes three times as long.
"""
OUTCOME_WITHIN = timedelta(hours=48)
"""How long a message may be without its outcome: a receipt takes its time, and while a gateway is
away notify tries again, of which other alerts tell."""

_CANNOT_LOOK: tuple[type[Exception], ...] = (PeerSilent, *DATABASE_FAULTS)

_LOG = structlog.get_logger(__name__)

Counts = Mapping[str, Mapping[str, int]]
"""Facts by service and type."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen at one moment: by check what is broken, each by its name; and all facts.

    What is under way between two services is among it.
    """

    broken: Mapping[str, Set[Hashable]]
    stored: Counts
    heard: Counts


async def look(
    memory: Memory, peers: Peers, rules_of: Callable[[str], Rules], now: datetime
) -> Look:
    """Look once; `rules_of` raises KeyError for a policy that was not heard."""
    # What was stored is asked first: what comes in between is heard more, never less.
    counters = await peers.counters()
    heard = await memory.heard()
    groups = [(row["policy"], row["target"]) for row in await unescalated(memory, rules_of)]
    return Look(
        {
            "clocks_without_timer": await without_timer(memory, peers),
            "breaches_without_escalation": await memory.unescalated_of(groups),
            "escalations_without_message": await memory.untold(),
            "messages_without_outcome": await memory.unchanged_since(now - OUTCOME_WITHIN),
        },
        {service: said.appended for service, said in counters.items()},
        {service: heard.get(service, {}) for service in counters},
    )


class Watch:
    """Remembers since when each promise is seen broken: a disagreement is what stands for long.

    What is under way between two services at one look has arrived soon after, however much else
    is under way then. A look that fails says nothing: what is remembered stays as it is. `wall`
    gives the time in seconds since 1970.
    """

    def __init__(
        self, look: Callable[[], Awaitable[Look]], metrics: Metrics, wall: Callable[[], float]
    ) -> None:
        self._look = look
        self._metrics = metrics
        self._wall = wall
        self._since: Mapping[str, Mapping[Hashable, float]] = {}
        self._stored: deque[tuple[float, Counts]] = deque()
        self._heard: Counts = {}

    async def run(self) -> None:
        """Look until cancelled; without a look there is no heartbeat."""
        while True:
            try:
                await self.turn()
            except _CANNOT_LOOK as error:
                _LOG.warning("The audit cannot look now.", reason=str(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def turn(self) -> None:
        """Look once."""
        seen = await self._look()
        now = self._wall()
        self._since = {
            check: {name: self._since.get(check, {}).get(name, now) for name in names}
            for check, names in seen.broken.items()
        }
        standing = {
            check: sum(now - since >= PATIENCE_SECONDS for since in names.values())
            for check, names in self._since.items()
        }
        standing["unpublished"] = self._unpublished(seen, now)
        for check, n in standing.items():
            self._metrics.audit_disagreements.labels(check).set(n)
        if any(standing.values()):
            _LOG.error("Promises between services are not kept.", **standing)
        else:
            self._metrics.audit_heartbeat.set(now)

    def _unpublished(self, seen: Look, now: float) -> int:
        """Count what was stored long ago and is not heard, and what was heard and is not stored.

        Facts have no names here: of a type that others follow all the time, one that is lost
        shows once fewer have come within the patience than are lost.
        """
        # Heard before, stored now: what comes in between is stored more, never less.
        unknown = _missing(self._heard, seen.stored)
        self._heard = seen.heard
        self._stored.append((now, seen.stored))
        while len(self._stored) > 1 and now - self._stored[1][0] >= PATIENCE_SECONDS:
            self._stored.popleft()
        at, stored = self._stored[0]
        late = _missing(stored, seen.heard) if now - at >= PATIENCE_SECONDS else 0
        return unknown + late


def _missing(these: Counts, those: Counts) -> int:
    """Count the facts of these that are not among those."""
    return sum(
        max(0, n - those.get(service, {}).get(name, 0))
        for service, types in these.items()
        for name, n in types.items()
    )
