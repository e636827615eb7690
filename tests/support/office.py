"""As much of a service as its routes need, for tests that ask it over HTTP in one process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from tests.support.eventstore import StillClock

from steward_eventstore.execute import Executor
from steward_service.auth import Authenticator
from steward_service.sealing import Sealer
from steward_service.telemetry import Metrics


@dataclass(slots=True)
class Office:
    """What the HTTP shell asks of a service."""

    name: str
    executor: Executor
    authenticator: Authenticator
    sealer: Sealer
    clock: StillClock
    routers: Sequence[APIRouter]
    foreign: Mapping[str, Any] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def topic(self) -> str:
        """Name the topic of its facts."""
        return f"steward.{self.name}"

    async def reasons_not_ready(self) -> Sequence[str]:
        """It is ready."""
        return ()
