"""What visits needs of others: the list of its follow-ups, visits and quotas, and who is where."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from steward_events.vocabulary import Role
from steward_service.lists import Cursor

Row = Mapping[str, Any]


class Registers(Protocol):
    """Who works and lives where, as it was heard of."""

    async def is_staff(self, person_id: str, project_id: str) -> bool:
        """Say whether a person is registered staff of the project's group, as far as it was heard."""
        ...

    async def roles_of(self, person_id: str, project_id: str) -> frozenset[Role]:
        """Give the roles that a person holds at a project."""
        ...

    async def project_of(self, household_id: str) -> str | None:
        """Give the project in which a household lives."""
        ...


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

    async def rates(self, projects: Sequence[str] | None, month: str) -> list[Row]:
        """Count the follow-ups that fell due in a month, by `rule`, and how they ended."""
        ...


class VisitList(Protocol):
    """The visits and what is owed of them, as lists."""

    async def one(self, visit_id: str) -> Row | None:
        """Give one visit."""
        ...

    async def listed(
        self,
        projects: Sequence[str] | None,
        *,
        person_id: str | None,
        household_id: str | None,
        month: str | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give visits in the order of their last change; `projects` None for all."""
        ...

    async def quotas(
        self, projects: Sequence[str] | None, month: str, person_id: str | None
    ) -> list[Row]:
        """Give what each person owes in a month, with `counted`: households visited so far."""
        ...
