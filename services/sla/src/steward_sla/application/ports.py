"""What sla needs of others: its clocks, escalations and extensions as lists, and who is staff."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from steward_events.vocabulary import Role
from steward_eventstore.port import Sweep
from steward_service.lists import Cursor
from steward_sla.domain.clocks import ReapplyPolicy

Row = Mapping[str, Any]
ClockStatus = Literal["running", "paused", "met", "met_with_approval", "breached", "cancelled"]
ExtensionStatus = Literal["asked", "approved", "refused"]
EscalationStatus = Literal["open", "over", "acknowledged", "withdrawn"]


LateBy = Literal["project", "target", "role", "person", "department"]
Holder = Literal["department", "person"]


class Asked(NamedTuple):
    """Which clocks are asked for; what is None or empty asks for nothing."""

    case_id: str | None = None
    target: str | None = None
    severity: str | None = None
    person_id: str | None = None
    department: str | None = None
    provisional: bool | None = None
    of: Sequence[tuple[str, str]] | None = None
    """Only of these versions and targets."""


class PublishedFor(NamedTuple):
    """For whom a policy was published: a group, or one project of it; everybody if neither."""

    group_id: str | None = None
    project_id: str | None = None

    def __str__(self) -> str:
        """Name them in a sentence."""
        if self.project_id is not None:
            return f"the project {self.project_id}"
        return "everybody" if self.group_id is None else f"the group {self.group_id}"


POLICY = "policy"
"""The kind of the sweep that a reapplied policy begins."""


class Reapplication(BaseModel):
    """Whose clocks go by which version instead; what of all is not named is all."""

    model_config = ConfigDict(frozen=True)

    reapply_id: str
    at: datetime
    policy: str
    instead_of: str = ""
    projects: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()

    @property
    def command(self) -> ReapplyPolicy:
        """What each case is told."""
        return ReapplyPolicy(
            self.at, self.reapply_id, self.policy, self.instead_of, frozenset(self.targets)
        )

    @property
    def sweep(self) -> Sweep:
        """The sweep that carries it out."""
        name = f"{POLICY}-{self.reapply_id}"
        return Sweep(name, POLICY, "clocks-", self.model_dump_json())


class Lists(Protocol):
    """Clocks, escalations, extensions and staff; `projects` None means all of them."""

    async def is_staff(self, person_id: str, projects: Collection[str]) -> bool:
        """Say whether a person is registered staff of the projects' group, as far as it was heard."""
        ...

    async def acting(self, person_id: str, project_id: str, at: datetime) -> frozenset[Role]:
        """Give the roles in which a person may act at a project, as far as it was heard."""
        ...

    async def clocks(
        self,
        projects: Sequence[str] | None,
        *,
        asked: Asked,
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
        self,
        projects: Sequence[str] | None,
        *,
        asked: Asked,
        before: datetime,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give the clocks that are open and due before an instant, the latest first."""
        ...

    async def late_by(
        self, projects: Sequence[str] | None, by: LateBy, *, now: datetime, before: datetime
    ) -> list[Row]:
        """Count the open clocks that are late `now`, or due `before`, by what they have in common.

        By role they come as the policy's `version` and its `target`, which say who is told.
        """
        ...

    async def outcomes(
        self, projects: Sequence[str] | None, holder: Holder, *, month: str | None
    ) -> list[Row]:
        """Count clocks of complaints by who had the case when it was decided, month and status."""
        ...

    async def held(
        self, projects: Sequence[str] | None, holder: Holder, *, month: str | None, now: datetime
    ) -> list[Row]:
        """Add up how long complaints were held, by holder and month in which that began."""
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

    async def projects_of_incident(self, incident: str) -> Sequence[str]:
        """Name the projects of an incident's cases."""
        ...

    async def open_of_incident(
        self,
        incident: str,
        *,
        told: Mapping[str, Collection[Role]],
        target: str | None,
        limit: int,
    ) -> tuple[list[Row], int]:
        """Give the last escalation of each clock of an incident that nobody took over, and how many.

        Of each project those that any of its roles in `told` was told.
        """
        ...

    async def projects_of(self, cases: Sequence[str]) -> Mapping[str, str]:
        """Name the project of each case that is known."""
        ...

    async def published_for(self, version: str) -> PublishedFor:
        """Say for whom a policy was published, as far as it was heard."""
        ...

    async def others(self, whom: PublishedFor, projects: Sequence[str]) -> Sequence[str]:
        """Name those of the projects that are not among these."""
        ...

    async def zones_of(self, projects: Sequence[str], cases: Sequence[str]) -> Sequence[str]:
        """Name the zones in which the days of cases end, of all where none are named."""
        ...

    async def concerned(self, which: Reapplication, after: str, limit: int) -> list[str]:
        """Give the cases that a reapplication is about, by name, those after one."""
        ...

    async def reached(self, which: Reapplication) -> tuple[int, int]:
        """Count the cases that a reapplication is about, and those that it has not reached yet."""
        ...

    async def reapplications(self, since: Cursor | None, limit: int) -> list[Row]:
        """Give reapplications in the order of their last change."""
        ...

    async def reapplication(self, reapply_id: str) -> Row | None:
        """Give one reapplication."""
        ...
