"""The auditor's own round: it looks again and again, and beats its heart only while all is well."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from steward_audit.application.ports import PeerSilent
from steward_service.queries import DATABASE_FAULTS
from steward_service.telemetry import Metrics

PAUSE_SECONDS = 15.0
_CANNOT_LOOK: tuple[type[Exception], ...] = (PeerSilent, *DATABASE_FAULTS)

_LOG = structlog.get_logger(__name__)

Look = Callable[[], Awaitable[Mapping[str, int]]]
"""Counts, by check, the promises that are not kept at this moment."""


class Watch:
    """Compares each look with the one before: a disagreement is what both have seen.

    What was under way between two services at one look has arrived by the next. `wall` gives the
    time of a heartbeat in seconds since 1970.
    """

    def __init__(self, look: Look, metrics: Metrics, wall: Callable[[], float]) -> None:
        self._look = look
        self._metrics = metrics
        self._wall = wall
        self._before: Mapping[str, int] | None = None

    async def run(self) -> None:
        """Look until cancelled; without a look there is no heartbeat."""
        while True:
            try:
                await self.turn()
            except _CANNOT_LOOK as error:
                self._before = None
                _LOG.warning("The audit cannot look now.", reason=str(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def turn(self) -> None:
        """Look once."""
        now = await self._look()
        before, self._before = self._before, now
        if before is None:
            return
        standing = {check: min(n, before[check]) for check, n in now.items()}
        for check, n in standing.items():
            self._metrics.audit_disagreements.labels(check).set(n)
        if any(standing.values()):
            _LOG.error("Promises between services are not kept.", **standing)
        else:
            self._metrics.audit_heartbeat.set(self._wall())
