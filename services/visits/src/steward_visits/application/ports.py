"""What visits needs of others: the list of its follow-ups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: what comes after it is asked for."""

    changed_at: datetime
    id: str


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
