"""What visits needs of others: the list of its follow-ups."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from steward_service.lists import Cursor

Row = Mapping[str, Any]


class FollowupList(Protocol):
    """The follow-ups as a list."""

    async def one(self, followup_id: str) -> Row | None:
        """Give one follow-up."""
        ...

    async def listed(
        self,
        projects: Sequence[str] | None,
        *,
        status: str | None,
        case_id: str | None,
        due_before: datetime | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give follow-ups in the order of their last change; `projects` None for all."""
        ...
