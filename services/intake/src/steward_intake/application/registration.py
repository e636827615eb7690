"""What may be registered, and the command that each line becomes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from steward_events.registry import (
    DutyRosterPublished,
    GroupRegistered,
    HouseholdRegistered,
    PersonRegistered,
    PolicyPublished,
    ProjectRegistered,
    RoleDelegated,
    Shift,
    StaffRegistered,
)
from steward_events.sealed import Sealed
from steward_events.tickets import Line, Name
from steward_events.vocabulary import Language, Moment, Role, Word
from steward_eventstore.execute import To
from steward_intake.application.desk import DEFAULT_PACK, Desk, check_zone, invalid, unknown
from steward_intake.application.ports import Row
from steward_intake.application.words import Said
from steward_intake.domain.registry import AssignRole, EndRole, PublishPolicy, Register
from steward_policy.packs import (
    Override,
    PackError,
    built_in_text,
    load,
    read_override,
    whole,
)

ALWAYS = datetime(1900, 1, 1, tzinfo=UTC)
"""From when a pack is in force that names no date."""

PackText = Annotated[str, StringConstraints(max_length=300_000, pattern=r"^[^\x00]*$")]


class Registration(Said, ABC):
    """One entry of the registry, as it is told to us; `wave` says what must come before it."""

    after: ClassVar[int] = 0
    occurred_at: Moment | None = None

    @property
    def wave(self) -> int:
        """Give how many waves of a bulk registration go first."""
        return self.after

    @abstractmethod
    async def to(self, desk: Desk, at: datetime) -> To:
        """Give the command; refuses what names something that is not registered."""


class Group(Registration):
    """A property group."""

    type: Literal["group"] = "group"
    group_id: Name
    name: Word

    async def to(self, desk: Desk, at: datetime) -> To:  # noqa: ARG002
        """Register; told to everybody."""
        entry = GroupRegistered(group_id=self.group_id, name=self.name)
        return To(f"group-{self.group_id}", self.group_id, Register(at, entry), everywhere=True)


class Project(Registration):
    """A residential project."""

    after = 1
    type: Literal["project"] = "project"
    project_id: Name
    group_id: Name
    name: Word
    zone: Word = "Asia/Shanghai"
    policy: Word = DEFAULT_PACK
    """The pack by which it is run."""

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; its ID is the key of all that happens there."""
        check_zone(self.zone)
        if await desk.entry("groups", self.group_id) is None:
            raise unknown(f"group “{self.group_id}”")
        if not await desk.registers.policies(self.policy):
            raise unknown(f"policy pack “{self.policy}”")
        entry = ProjectRegistered(
            project_id=self.project_id,
            group_id=self.group_id,
            name=self.name,
            zone=self.zone,
            policy=self.policy,
        )
        return To(f"project-{self.project_id}", self.project_id, Register(at, entry))


class Household(Registration):
    """A household of a project."""

    after = 2
    type: Literal["household"] = "household"
    household_id: Name
    project_id: Name
    address: Line = ""
    key: bool = False

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; the address is sealed."""
        await desk.project(self.project_id)
        before = await desk.entry("households", self.household_id) or {}
        subject = f"household-{self.household_id}"
        entry = HouseholdRegistered(
            household_id=self.household_id,
            project_id=self.project_id,
            address=await desk.seal_again(before.get("address"), subject, "address", self.address),
            key=self.key,
        )
        return To(f"household-{self.household_id}", self.project_id, Register(at, entry))


class Person(Registration):
    """A person of a household, and how to reach them."""

    after = 3
    type: Literal["person"] = "person"
    person_id: Name
    household_id: Name
    name: Line = ""
    phone: Line = ""
    email: Line = ""
    language: Language = Language.CHINESE

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register at the household's project; what reaches the person is sealed."""
        household = await desk.entry("households", self.household_id)
        if household is None:
            raise unknown(f"household “{self.household_id}”")
        before = await desk.entry("people", self.person_id) or {}
        subject = f"person-{self.person_id}"
        entry = PersonRegistered(
            person_id=self.person_id,
            project_id=household["project_id"],
            household_id=self.household_id,
            language=self.language,
            **await _reached(self, desk, before, subject),
        )
        return To(f"person-{self.person_id}", household["project_id"], Register(at, entry))


class Staff(Registration):
    """A member of staff, and how to reach them."""

    after = 1
    type: Literal["staff"] = "staff"
    person_id: Name
    group_id: Name
    name: Line = ""
    phone: Line = ""
    email: Line = ""
    language: Language = Language.CHINESE

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; told to everybody, since staff may work at any project of the group."""
        if await desk.entry("groups", self.group_id) is None:
            raise unknown(f"group “{self.group_id}”")
        before = await desk.entry("staff", self.person_id) or {}
        subject = f"staff-{self.person_id}"
        entry = StaffRegistered(
            person_id=self.person_id,
            group_id=self.group_id,
            language=self.language,
            **await _reached(self, desk, before, subject),
        )
        return To(f"staff-{self.person_id}", self.group_id, Register(at, entry), everywhere=True)


async def _reached(
    said: Person | Staff, desk: Desk, before: Row, subject: str
) -> dict[str, Sealed | None]:
    """Seal what reaches a person; what has not changed keeps its seal."""
    return {
        name: await desk.seal_again(before.get(name), subject, name, text)
        for name, text in (("name", said.name), ("phone", said.phone), ("email", said.email))
    }


class Holder(Registration):
    """Who holds a role at a project, or no longer does."""

    after = 2
    type: Literal["role"] = "role"
    project_id: Name
    role: Role
    person_id: Name
    ended: bool = False

    async def to(self, desk: Desk, at: datetime) -> To:
        """Give or take the role."""
        await desk.project(self.project_id)
        await desk.staff(self.person_id)
        change = EndRole if self.ended else AssignRole
        command = change(at, self.project_id, self.role, self.person_id)
        return To(f"roles-{self.project_id}", self.project_id, command)


class Delegation(Registration):
    """Who holds a role lets somebody else act in it for a time (READINGS 1)."""

    after = 3
    type: Literal["delegation"] = "delegation"
    delegation_id: Name
    project_id: Name
    role: Role
    person_id: Name
    delegate_id: Name
    since: Moment
    until: Moment

    async def to(self, desk: Desk, at: datetime) -> To:
        """Delegate; one that ends when it begins is taken back."""
        await desk.project(self.project_id)
        for person_id in (self.person_id, self.delegate_id):
            await desk.staff(person_id)
        if self.person_id == self.delegate_id:
            raise invalid("A role is delegated to somebody else.")
        if self.until < self.since:
            raise invalid("A delegation ends after it begins.")
        if self.role not in await desk.registers.roles_of(self.person_id, self.project_id):
            raise invalid(
                f"“{self.person_id}” does not hold the role {self.role} at “{self.project_id}”."
            )
        entry = RoleDelegated(**self.model_dump(exclude={"type", "occurred_at"}))
        return To(f"delegation-{self.delegation_id}", self.project_id, Register(at, entry))


class OnDuty(Said):
    """Who is on duty in a role, and when."""

    role: Role
    person_id: Name
    since: Moment
    until: Moment


class DutyRoster(Registration):
    """Who stands in at a project when nobody holds a role there (READINGS 1)."""

    after = 2
    type: Literal["duty_roster"] = "duty_roster"
    roster_id: Name
    project_id: Name
    shifts: Annotated[tuple[OnDuty, ...], Field(max_length=1000)]

    async def to(self, desk: Desk, at: datetime) -> To:
        """Publish it whole."""
        await desk.project(self.project_id)
        await desk.look_up("staff", {shift.person_id for shift in self.shifts})
        for number, shift in enumerate(self.shifts, 1):
            await desk.staff(shift.person_id)
            if shift.until <= shift.since:
                raise invalid(f"Shift {number} does not end after it begins.")
        entry = DutyRosterPublished(
            roster_id=self.roster_id,
            project_id=self.project_id,
            shifts=tuple(Shift(**shift.model_dump()) for shift in self.shifts),
        )
        return To(f"roster-{self.roster_id}", self.project_id, Register(at, entry))


class Policy(Registration):
    """A policy pack, whole, or an override of one for a group or a project."""

    type: Literal["policy"] = "policy"
    text: PackText
    group_id: Name | None = None
    project_id: Name | None = None

    @property
    def wave(self) -> int:
        """A pack for everybody goes before the projects that name it, all else after them."""
        return 0 if self.group_id is None and self.project_id is None else 2

    async def to(self, desk: Desk, at: datetime) -> To:
        """Check every entry, then publish the whole to everybody.

        All versions of a pack stand in one stream, so that none means two texts.
        """
        group_id = await self._group(desk)
        with refusing():
            override = read_override(self.text, "pack.yaml")
            text = self.text if override is None else await self._laid(desk, override, group_id, at)
        published = policy(text, group_id, self.project_id)
        if self.project_id is not None:
            run_by = (await desk.project(self.project_id))["policy"] or DEFAULT_PACK
            if run_by != published.pack:
                raise invalid(f"The project “{self.project_id}” is run by the pack “{run_by}”.")
        stream = f"policy-{published.pack}"
        return To(stream, published.pack, PublishPolicy(at, published), everywhere=True)

    async def _group(self, desk: Desk) -> str | None:
        if self.project_id is None:
            if self.group_id is not None and await desk.entry("groups", self.group_id) is None:
                raise unknown(f"group “{self.group_id}”")
            return self.group_id
        group_id = str((await desk.project(self.project_id))["group_id"])
        if self.group_id not in (None, group_id):
            raise invalid(
                f"The project “{self.project_id}” does not belong to the group “{self.group_id}”."
            )
        return group_id

    async def _laid(
        self, desk: Desk, override: Override, group_id: str | None, at: datetime
    ) -> str:
        if group_id is None:
            raise invalid("An override is a group's or a project's: name its group or project.")
        below = await desk.below(override, at.date(), group_id, project=self.project_id is not None)
        return whole(load(below, f"{override.overrides}.yaml", (self.text, "pack.yaml")))


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse a pack that is wrong, with every problem."""
    try:
        yield
    except PackError as error:
        raise invalid(" ".join(error.problems)) from None


def policy(
    text: str, group_id: str | None = None, project_id: str | None = None
) -> PolicyPublished:
    """Give the fact of a pack's text; refuses a pack that is wrong."""
    with refusing():
        rules = load(text)
    day: date | None = rules.effective_from
    return PolicyPublished(
        pack=rules.pack.pack,
        version=rules.pack.version,
        text=text,
        sha256=rules.sha256,
        effective_from=datetime.combine(day, time(), UTC) if day else ALWAYS,
        group_id=group_id,
        project_id=project_id,
    )


def built_in_policy(at: datetime) -> To:
    """Publish the built-in pack; what was published already is answered with nothing."""
    published = policy(built_in_text(DEFAULT_PACK))
    return To(f"policy-{DEFAULT_PACK}", DEFAULT_PACK, PublishPolicy(at, published), everywhere=True)


AnyRegistration = Annotated[
    Group | Project | Household | Person | Staff | Holder | Delegation | DutyRoster | Policy,
    Field(discriminator="type"),
]
