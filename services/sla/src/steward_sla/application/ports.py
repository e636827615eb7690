"""What sla needs of others: its clocks and escalations as lists."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from steward_service.lists import Cursor

Row = Mapping[str, Any]
ClockStatus = Literal["running", "paused", "met", "met_with_approval", "breached", "cancelled"]
EscalationStatus = Literal["open", "acknowledged", "withdrawn"]


class Lists(Protocol):
    """Clocks and escalations; `projects` None means all of them."""

    async def clocks(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: ClockStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give clocks in the order of their last change."""
        ...

    async def compliance(self, projects: Sequence[str] | None, *, month: str | None) -> list[Row]:
        """Count clocks by target, month of the due day, and status."""
        ...

    async def escalations(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: EscalationStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give escalations in the order of their last change."""
        ...

    async def escalation(self, escalation_id: str) -> Row | None:
        """Give one escalation."""
        ...
