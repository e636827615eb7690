"""What the application needs of others: the registers, and a sealer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_service.lists import Cursor

Row = Mapping[str, Any]


class Seals(Protocol):
    """Seals personal data before the domain sees it; unsealing may find it erased."""

    def digest(self, text: str) -> str: ...

    async def seal(self, subject: str, field: str, text: str) -> Sealed: ...

    async def unseal(self, sealed: Sealed) -> object: ...


class KeyRing(Seals, Protocol):
    """Has the keys of many subjects at hand at once."""

    async def hold(self, subjects: Iterable[str]) -> None: ...


class FileSeals(KeyRing, Protocol):
    """Seals what is no text, too."""

    async def seal_bytes(
        self, subject: str, field: str, value_id: str, content: bytes
    ) -> bytes: ...

    async def unseal_bytes(self, subject: str, field: str, value_id: str, box: bytes) -> object: ...


@dataclass(frozen=True, slots=True)
class Blob:
    """A file as it lies sealed: `subject` is whose key opens the box."""

    case_id: str
    sha256: str
    subject: str
    media_type: str
    box: bytes


class Blobs(Protocol):
    """Where the files of cases lie."""

    async def keep(self, blob: Blob) -> None:
        """Keep a file; the same again changes nothing."""
        ...

    async def find(self, case_id: str, sha256: str) -> Blob | None:
        """Give a case's file by its digest."""
        ...

    async def forget(self, subject: str) -> None:
        """Delete every file that the subject's key opened."""
        ...


@dataclass(frozen=True, slots=True)
class Sought:
    """What is asked of cases: columns as they stand, when they were received, by which rule."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    received_from: datetime | None = None
    received_to: datetime | None = None
    rule: str | None = None

    def __bool__(self) -> bool:
        """Say whether anything is asked."""
        return bool(self.columns or self.received_from or self.received_to or self.rule)


NOTHING = Sought()

NAMED = ("number", "topic", "place", "asset")
"""In what of a case words are found by who may not search what is sealed."""


class SealedTexts(Protocol):
    """The index in which sealed texts are found."""

    async def find(
        self, project_id: str, text: str, limit: int, after: str = "", sought: Sought = NOTHING
    ) -> Sequence[Row]:
        """Give `stream_id`, subject, field and ciphertext of what may contain a text.

        Of so many streams at most, those after a stream; where something is sought of cases, of
        such cases alone.
        """
        ...


class Registers(Protocol):
    """The read models, by ID."""

    async def entries(self, register: str, ids: Sequence[str]) -> dict[str, Row]:
        """Give the rows of a register with an ID of its own, or of `cases`."""
        ...

    async def policies(self, pack: str | None) -> Sequence[Row]:
        """Give the published versions of a pack, or of all, in the order of publication."""
        ...

    async def policy_text(self, pack: str, version: str) -> str | None:
        """Give the text of one published version."""
        ...

    async def zones(self, pack: str, group_id: str | None, project_id: str | None) -> Sequence[str]:
        """Give the zones of a project, or of the projects of a group, or of all, that a pack runs."""
        ...

    async def numbers(self, project_id: str, year: int, count: int = 1) -> range:
        """Take the next numbers of a project and year; nobody gets them again."""
        ...

    async def roles_of(self, person_id: str, project_id: str) -> Sequence[str]:
        """Give the roles that a person holds at a project."""
        ...

    async def acting(self, person_id: str, project_id: str, at: datetime) -> frozenset[Role]:
        """Give the roles in which a person may act at a project: held, on duty in, lent to them."""
        ...

    async def holders(self, project_id: str) -> Sequence[tuple[str, str]]:
        """Give each role that is held at a project, with its holder; the longest held first."""
        ...

    async def departments(self, project_id: str, group_id: str) -> Sequence[Row]:
        """Give the departments of a project, its own before its group's."""
        ...

    async def owned(self, person_id: str, project_id: str) -> Sequence[Row]:
        """Give the cases at a project that go on and are this person's."""
        ...

    async def cases_of(
        self,
        household_id: str,
        topic: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Row]:
        """Give a household's cases, or those received from `since` to before `until` on a topic.

        Those of which nobody has named the topic may be on it too.
        """
        ...

    async def cases_concerning(self, household_id: str) -> Sequence[Row]:
        """Give the cases of others that concern a household, each with its `part` in it."""
        ...

    async def concerned(self, *case_ids: str) -> Sequence[Row]:
        """Give `case_id`, `household_id` and `part` of the other households that cases concern."""
        ...

    async def cases_at(
        self,
        project_id: str,
        at: Mapping[str, str],
        topic: str,
        since: datetime,
        until: datetime,
    ) -> Sequence[Row]:
        """Give the same of the cases at a `place` or about an `asset`: `at` says one or both."""
        ...

    async def archived(
        self, projects: Sequence[str] | None, sought: Sought, since: Cursor | None, limit: int
    ) -> Sequence[Row]:
        """Give such cases in the order of their last change; `projects` None for all."""
        ...

    async def named(
        self, project_id: str, words: str, sought: Sought, limit: int, after: str
    ) -> Sequence[Row]:
        """Give such cases that have these words in one of `NAMED`, those after a stream."""
        ...

    async def named_incidents(
        self, project_id: str, words: str, limit: int, after: str
    ) -> Sequence[Row]:
        """Give incidents that have these words in title or cause, those after a stream."""
        ...

    async def heard_of(
        self, household_id: str, cases: Sequence[str]
    ) -> Sequence[tuple[str | None, Recorded]]:
        """Give what the others have told of a household and of its cases, each with its case."""
        ...

    async def notes_of(self, household_id: str) -> Sequence[Row]:
        """Give the notes about a household that were not retired, the newest first."""
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
        filters: Mapping[str, Any],
        since: Cursor | None,
        limit: int,
    ) -> Sequence[Row]:
        """Give rows in the order of their last change; `projects` None for all."""
        ...
