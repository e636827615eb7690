"""What the application needs of others: the registers, and a sealer."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from steward_events.sealed import Sealed
from steward_service.lists import Cursor

Row = Mapping[str, Any]


class Seals(Protocol):
    """Seals personal data before the domain sees it; unsealing may find it erased."""

    async def seal(self, subject: str, field: str, text: str) -> Sealed: ...

    async def unseal(self, sealed: Sealed) -> object: ...


class SealedTexts(Protocol):
    """The index in which sealed texts are found."""

    async def find(self, project_id: str, text: str, limit: int, after: str = "") -> Sequence[Row]:
        """Give `stream_id`, subject, field and ciphertext of what may contain a text.

        Of so many streams at most, those after a stream.
        """
        ...


class Registers(Protocol):
    """The read models, by ID."""

    async def entries(self, register: str, ids: Sequence[str]) -> dict[str, Row]:
        """Give the rows of `groups`, `projects`, `households`, `people`, `staff` or `cases`."""
        ...

    async def policies(self, pack: str) -> Sequence[Row]:
        """Give the published versions of a pack, in the order of publication."""
        ...

    async def numbers(self, project_id: str, year: int, count: int = 1) -> range:
        """Take the next numbers of a project and year; nobody gets them again."""
        ...

    async def roles_of(self, person_id: str, project_id: str) -> Sequence[str]:
        """Give the roles that a person holds at a project."""
        ...

    async def cases_of(
        self,
        household_id: str,
        topic: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Row]:
        """Give a household's cases, or those on a topic received from `since` to before `until`."""
        ...

    async def without_owner(
        self, projects: Sequence[str] | None, since: Cursor | None, limit: int
    ) -> Sequence[Row]:
        """Give open cases of which nobody who has a role at the project is the owner."""
        ...

    async def erased(self, subjects: Iterable[str]) -> frozenset[str]:
        """Give those of these subjects that were erased."""
        ...

    async def listed(
        self,
        register: str,
        projects: Sequence[str] | None,
        filters: Mapping[str, str],
        since: Cursor | None,
        limit: int,
    ) -> Sequence[Row]:
        """Give rows in the order of their last change; `projects` None for all."""
        ...
