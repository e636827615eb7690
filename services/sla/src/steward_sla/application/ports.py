"""What sla needs of others: its clocks, escalations and extensions as lists, and who is staff."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from steward_service.lists import Cursor

Row = Mapping[str, Any]
ClockStatus = Literal["running", "paused", "met", "met_with_approval", "breached", "cancelled"]
ExtensionStatus = Literal["asked", "approved", "refused"]
EscalationStatus = Literal["open", "acknowledged", "withdrawn"]


class Lists(Protocol):
    """Clocks, escalations, extensions and staff; `projects` None means all of them."""

    async def is_staff(self, person_id: str) -> bool:
        """Say whether a person is registered staff, as far as it was heard."""
        ...

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
        """Count clocks by target, month of the due day, status, and whether it was excused."""
        ...

    async def late(
        self, projects: Sequence[str] | None, *, before: datetime, limit: int
    ) -> list[Row]:
        """Give the clocks that are open and due before an instant, the latest first."""
        ...

    async def clock(self, case_id: str, clock: str) -> Row | None:
        """Give one clock."""
        ...

    async def extensions(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: ExtensionStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give extensions in the order of their last change."""
        ...

    async def extension(self, extension_id: str) -> Row | None:
        """Give one extension."""
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
