"""What may be registered, and the command that each line becomes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import Discriminator, Field, StringConstraints, Tag

from steward_events.registry import (
    CalendarPublished,
    CommitteeRegistered,
    DepartmentRegistered,
    DutyRosterPublished,
    GroupRegistered,
    HouseholdRegistered,
    MakeUpDay,
    PersonRegistered,
    PolicyPublished,
    ProjectRegistered,
    RoleDelegated,
    Shift,
    StaffRegistered,
    SuggestionBoxRegistered,
    ZoneAssigned,
)
from steward_events.sealed import Sealed
from steward_events.tickets import Line, Name
from steward_events.vocabulary import Clear, Day, Language, Moment, Role, Several, Word
from steward_eventstore.execute import To
from steward_intake.application.desk import (
    DEFAULT_PACK,
    DEFAULT_ZONE,
    Desk,
    check_zone,
    invalid,
    unknown,
)
from steward_intake.application.ports import Row
from steward_intake.application.words import OneLine, Said
from steward_intake.domain.commands import HandOver
from steward_intake.domain.registry import (
    AssignRole,
    EndRole,
    PublishCalendar,
    PublishPolicy,
    Register,
)
from steward_policy.calendars import (
    BUILT_IN,
    Calendar,
    CalendarError,
    TimeOfDay,
    built_in,
    clock_face,
)
from steward_policy.ladder import next_above
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

MOST_BUILDINGS, MOST_HOUSEHOLDS = 1_000, 2_000
"""Of one zone."""

PackText = Annotated[
    str, StringConstraints(strip_whitespace=False, max_length=300_000, pattern=r"^[^\x00]*$")
]
"""To the letter: a version is known by its text's checksum."""


Place = TypeVar("Place")


class Registration(Said, ABC):
    """One entry of the registry, as it is told to us; `wave` says what must come before it.

    What a line leaves out stays as it is registered.
    """

    after: ClassVar[int] = 0
    personal: ClassVar[Sequence[str]] = ()
    """Fields that are sealed."""
    occurred_at: Moment | None = None

    @property
    def wave(self) -> int:
        """Give how many waves of a bulk registration go first."""
        return self.after

    @property
    def alone(self) -> bool:
        """Say whether what others of its wave do must be seen before it."""
        return False

    @abstractmethod
    async def to(self, desk: Desk, at: datetime) -> To:
        """Give the command; refuses what names something that is not registered."""

    async def follows(self, desk: Desk, at: datetime) -> Sequence[To]:  # noqa: ARG002
        """Give what happens elsewhere with it, or not at all."""
        return ()

    def kept(self, before: Row) -> Self:
        """Give the entry with what it leaves out as it is registered already; seals keep themselves."""
        plain = {
            name: before[name]
            for name in type(self).model_fields
            if name not in self.model_fields_set and before.get(name) and name not in self.personal
        }
        return type(self).model_validate(self.model_dump(exclude_unset=True) | plain)

    async def sealed(self, desk: Desk, before: Row, subject: str) -> dict[str, Sealed | None]:
        """Seal what is personal; what is left out, or said as before, keeps its seal."""
        found: dict[str, Sealed | None] = {}
        for name in self.personal:
            stands = Sealed.model_validate_json(before[name]) if before.get(name) else None
            if name in self.model_fields_set:
                stands = await desk.seal_again([stands], subject, name, getattr(self, name))
            found[name] = stands
        return found


class Group(Registration):
    """A property group."""

    type: Literal["group"] = "group"
    group_id: Name
    name: Clear

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
    name: Annotated[Clear, OneLine]
    zone: Word = DEFAULT_ZONE
    policy: Word = DEFAULT_PACK
    """The pack by which it is run."""

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; its ID is the key of all that happens there."""
        said = self.kept(await desk.entry("projects", self.project_id) or {})
        check_zone(said.zone)
        await desk.group(self.group_id)
        if not await desk.registers.policies(said.policy):
            raise unknown(f"policy pack “{said.policy}”")
        entry = ProjectRegistered(
            project_id=self.project_id,
            group_id=self.group_id,
            name=self.name,
            zone=said.zone,
            policy=said.policy,
        )
        return To(f"project-{self.project_id}", self.project_id, Register(at, entry))


class Department(Registration):
    """A department of a project, or of a whole group; `head` leads it."""

    after = 2
    type: Literal["department"] = "department"
    department_id: Name
    project_id: Name | None = None
    group_id: Name | None = None
    name: Clear
    calendar: Word = ""
    head: Name | None = None

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; a group's is told to everybody."""
        if (self.project_id is None) == (self.group_id is None):
            raise invalid("A department is a project's or a group's: name one of the two.")
        if self.project_id is not None:
            group_id = str((await desk.project(self.project_id))["group_id"])
        else:
            group_id = str((await desk.group(str(self.group_id)))["group_id"])
        said = self.kept(await desk.entry("departments", self.department_id) or {})
        if said.head is not None and not await desk.works_for(said.head, group_id):
            raise unknown(f"member of staff “{said.head}” of the department's group")
        entry = DepartmentRegistered(**said.model_dump(exclude={"type", "occurred_at"}))
        return To(
            f"department-{self.department_id}",
            self.project_id or str(self.group_id),
            Register(at, entry),
            everywhere=self.project_id is None,
        )


class Household(Registration):
    """A household of a project."""

    after = 2
    personal = ("address",)
    type: Literal["household"] = "household"
    household_id: Name
    project_id: Name
    address: Line = ""
    key: bool = False

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; the address is sealed."""
        await desk.project(self.project_id)
        before = await desk.entry("households", self.household_id) or {}
        entry = HouseholdRegistered(
            household_id=self.household_id,
            project_id=self.project_id,
            key=self.kept(before).key,
            **await self.sealed(desk, before, f"household-{self.household_id}"),
        )
        return To(f"household-{self.household_id}", self.project_id, Register(at, entry))


class Person(Registration):
    """A person of a household, how to reach them, and from when until when they live there."""

    after = 3
    personal = ("name", "phone", "email")
    type: Literal["person"] = "person"
    person_id: Name
    household_id: Name
    name: Line = ""
    phone: Line = ""
    email: Line = ""
    language: Language = Language.CHINESE
    moved_in: Day | None = None
    moved_out: Day | None = None

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register at the household's project; what reaches the person is sealed."""
        household = await desk.entry("households", self.household_id)
        if household is None:
            raise unknown(f"household “{self.household_id}”")
        before = await desk.entry("people", self.person_id) or {}
        said = self.kept(before)
        if said.moved_in and said.moved_out and said.moved_out < said.moved_in:
            raise invalid("Nobody moves out before they have moved in.")
        entry = PersonRegistered(
            person_id=self.person_id,
            project_id=household["project_id"],
            household_id=self.household_id,
            language=said.language,
            moved_in=said.moved_in,
            moved_out=said.moved_out,
            **await self.sealed(desk, before, f"person-{self.person_id}"),
        )
        return To(f"person-{self.person_id}", household["project_id"], Register(at, entry))


class Staff(Registration):
    """A member of staff, and how to reach them."""

    after = 1
    personal = ("name", "phone", "email")
    type: Literal["staff"] = "staff"
    person_id: Name
    group_id: Name
    name: Line = ""
    phone: Line = ""
    email: Line = ""
    language: Language = Language.CHINESE

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; told to everybody, since staff may work at any project of the group."""
        await desk.group(self.group_id)
        before = await desk.entry("staff", self.person_id) or {}
        entry = StaffRegistered(
            person_id=self.person_id,
            group_id=self.group_id,
            language=self.kept(before).language,
            **await self.sealed(desk, before, f"staff-{self.person_id}"),
        )
        return To(f"staff-{self.person_id}", self.group_id, Register(at, entry), everywhere=True)


class Holder(Registration):
    """Who holds a role at a project, or no longer does; a successor takes over role and cases."""

    after = 2
    type: Literal["role"] = "role"
    project_id: Name
    role: Role
    person_id: Name
    ended: bool = False
    successor: Name | None = None

    @property
    def alone(self) -> bool:
        """A role ends when it is known who holds which, and what those before have left behind."""
        return self.ended

    async def to(self, desk: Desk, at: datetime) -> To:
        """Give the role to staff of the project's group, or take it from whoever holds it."""
        await desk.project(self.project_id)
        if not self.ended:
            await desk.staff(self.person_id, self.project_id)
        if self.successor is not None:
            if not self.ended:
                raise invalid("A successor is named when a role ends.")
            await desk.staff(self.successor, self.project_id)
        whose = (at, self.project_id, self.role, self.person_id)
        command = EndRole(*whose, self.successor) if self.ended else AssignRole(*whose)
        return To(f"roles-{self.project_id}", self.project_id, command)

    async def follows(self, desk: Desk, at: datetime) -> Sequence[To]:
        """Hand the person's open cases over when the role ends, so that none is without an owner."""
        if not self.ended:
            return ()
        registers = desk.registers
        mine = await registers.roles_of(self.person_id, self.project_id)
        if mine and self.role not in mine:
            return ()  # it ended before, and they are here in another role
        heir = self.successor or await self._next(desk)
        if heir is None:
            return ()
        return [
            To(
                f"case-{case['case_id']}",
                self.project_id,
                HandOver(max(at, case["received_at"]), self.person_id, heir),
            )
            for case in await registers.owned(self.person_id, self.project_id)
        ]

    async def _next(self, desk: Desk) -> str | None:
        role: Role | None = Role.CS_SUPERVISOR
        holders = await desk.registers.holders(self.project_id)
        while role is not None:
            for held, person_id in holders:
                if held == role and (held, person_id) != (self.role, self.person_id):
                    return person_id
            role = next_above(role)
        return None


class Zone(Registration):
    """Whom the households of some buildings, or some households, have as their steward."""

    after = 3
    type: Literal["zone"] = "zone"
    zone_id: Name
    project_id: Name
    person_id: Name
    name: Clear = ""
    buildings: Annotated[Several[tuple[Clear, ...]], Field(max_length=MOST_BUILDINGS)] = ()
    households: Annotated[Several[tuple[Name, ...]], Field(max_length=MOST_HOUSEHOLDS)] = ()

    async def to(self, desk: Desk, at: datetime) -> To:
        """Assign the zone to a member of staff."""
        await desk.project(self.project_id)
        await desk.staff(self.person_id, self.project_id)
        said = self.kept(await desk.entry("zones", self.zone_id) or {})
        if not said.buildings and not said.households:
            raise invalid("A zone names its buildings or its households.")
        await desk.look_up("households", said.households)
        for household_id in said.households:
            await desk.household(household_id, self.project_id)
        entry = ZoneAssigned(**said.model_dump(exclude={"type", "occurred_at"}))
        return To(f"zone-{self.zone_id}", self.project_id, Register(at, entry))


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
        """Delegate; one that ends when it begins is taken back, whoever has it."""
        await desk.project(self.project_id)
        if self.until > self.since:
            for person_id in (self.person_id, self.delegate_id):
                await desk.staff(person_id, self.project_id)
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
    shifts: Annotated[Several[tuple[OnDuty, ...]], Field(max_length=1000)]

    async def to(self, desk: Desk, at: datetime) -> To:
        """Publish it whole."""
        await desk.project(self.project_id)
        await desk.look_up("staff", {shift.person_id for shift in self.shifts})
        for number, shift in enumerate(self.shifts, 1):
            await desk.staff(shift.person_id, self.project_id)
            if shift.until <= shift.since:
                raise invalid(f"Shift {number} does not end after it begins.")
        entry = DutyRosterPublished(
            roster_id=self.roster_id,
            project_id=self.project_id,
            shifts=tuple(Shift(**shift.model_dump()) for shift in self.shifts),
        )
        return To(f"roster-{self.roster_id}", self.project_id, Register(at, entry))


class Committee(Registration):
    """The owners' committee of a project, its members and how to reach it (RM-4.2.9)."""

    after = 4
    personal = ("phone", "email")
    type: Literal["committee"] = "committee"
    committee_id: Name
    project_id: Name
    name: Clear = ""
    phone: Line = ""
    email: Line = ""
    members: Annotated[Several[tuple[Name, ...]], Field(max_length=100)] = ()
    chair: Name | None = None

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register; its members are people of the project."""
        await desk.project(self.project_id)
        before = await desk.entry("committees", self.committee_id) or {}
        said = self.kept(before)
        if said.chair is not None and said.chair not in said.members:
            raise invalid("The chair is one of the committee's members.")
        await desk.look_up("people", said.members)
        for person_id in said.members:
            person = await desk.entry("people", person_id)
            if person is None or person["project_id"] != self.project_id:
                raise unknown(f"person “{person_id}” of the project")
        entry = CommitteeRegistered(
            committee_id=self.committee_id,
            project_id=self.project_id,
            name=said.name,
            members=said.members,
            chair=said.chair,
            **await self.sealed(desk, before, f"committee-{self.committee_id}"),
        )
        return To(f"committee-{self.committee_id}", self.project_id, Register(at, entry))


class SuggestionBox(Registration):
    """A suggestion box of a project, or that it was taken away (RM-4.2.8)."""

    after = 2
    type: Literal["suggestion_box"] = "suggestion_box"
    box_id: Name
    project_id: Name
    place: Clear = ""
    removed: bool = False

    async def to(self, desk: Desk, at: datetime) -> To:
        """Register, with what says when its weeks end and by which pack."""
        project = await desk.project(self.project_id)
        place = self.kept(await desk.entry("suggestion_boxes", self.box_id) or {}).place
        entry = SuggestionBoxRegistered(
            box_id=self.box_id,
            project_id=self.project_id,
            place=place,
            removed=self.removed,
            zone=project["zone"],
            group_id=project["group_id"],
            pack=project["policy"] or DEFAULT_PACK,
        )
        return To(f"box-{self.box_id}", self.project_id, Register(at, entry))


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
        today = await desk.day(published.pack, group_id, self.project_id, at)
        command = PublishPolicy(at, published, today)
        return To(f"policy-{published.pack}", published.pack, command, everywhere=True)

    async def _group(self, desk: Desk) -> str | None:
        if self.project_id is not None and self.group_id is not None:
            raise invalid("A policy is a project's or a group's: name one of the two.")
        if self.project_id is None:
            if self.group_id is not None:
                await desk.group(self.group_id)
            return self.group_id
        return str((await desk.project(self.project_id))["group_id"])

    async def _laid(
        self, desk: Desk, override: Override, group_id: str | None, at: datetime
    ) -> str:
        if group_id is None:
            raise invalid("An override is a group's or a project's: name its group or project.")
        day = await desk.day(override.overrides, group_id, self.project_id, at)
        below = await desk.below(override, day, group_id, project=self.project_id is not None)
        return whole(load(below, f"{override.overrides}.yaml", (self.text, "pack.yaml")))


CALENDARS = "calendar-years"
"""The stream of all published years."""


class WorkedDay(Said):
    """A make-up working day with hours of its own."""

    date: Day
    hours: Annotated[
        Several[tuple[tuple[TimeOfDay, TimeOfDay], ...]], Field(min_length=1, max_length=12)
    ]


def _day_or_hours(said: object) -> str:
    return "hours" if isinstance(said, dict | WorkedDay) else "day"


MadeUp = Annotated[
    Annotated[Day, Tag("day")] | Annotated[WorkedDay, Tag("hours")], Discriminator(_day_or_hours)
]


class CalendarYear(Registration):
    """The holidays and make-up days of one year of a calendar."""

    type: Literal["calendar"] = "calendar"
    calendar: Name
    version: Name
    year: Annotated[int, Field(ge=1970, le=2200)]
    holidays: Annotated[Several[tuple[Day, ...]], Field(max_length=366)] = ()
    working_days: Annotated[Several[tuple[MadeUp, ...]], Field(max_length=366)] = ()

    async def to(self, desk: Desk, at: datetime) -> To:
        """Check the days, then publish them to everybody."""
        days = dict(
            (day.date, day.hours) if isinstance(day, WorkedDay) else (day, None)
            for day in self.working_days
        )
        try:
            for below in await self._below(desk):
                if self.version == below.version:
                    raise CalendarError(
                        f"The calendar {self.calendar} came with the version {self.version}: give"
                        " what is published a version of its own."
                    )
                below.with_year(self.year, self.holidays, days, self.version)
        except (CalendarError, ValueError) as error:
            raise invalid(str(error)) from None
        published = CalendarPublished(
            calendar=self.calendar,
            version=self.version,
            year=self.year,
            holidays=tuple(sorted({*self.holidays})),
            working_days=tuple(
                MakeUpDay(
                    day=day,
                    hours=tuple((clock_face(a), clock_face(b)) for a, b in days[day] or ()),
                )
                for day in sorted(days)
            ),
        )
        return To(CALENDARS, "calendars", PublishCalendar(at, published), everywhere=True)

    async def _below(self, desk: Desk) -> Sequence[Calendar]:
        """Give every calendar that has the name: the year counts for whoever brings one."""
        own = await desk.calendars()
        if self.calendar in BUILT_IN:
            return [built_in(self.calendar), *own.get(self.calendar, ())]
        if self.calendar not in own:
            named = ", ".join(sorted({*BUILT_IN, *own}))
            raise unknown(f"calendar “{self.calendar}”; there are {named}")
        return own[self.calendar]


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
    command = PublishPolicy(at, published, at.date())  # it is in force always
    return To(f"policy-{DEFAULT_PACK}", DEFAULT_PACK, command, everywhere=True)


def batches(
    lines: Mapping[Place, Registration], at_once: int = 500
) -> Iterator[dict[Place, Registration]]:
    """Divide lines into what may be registered together, in the order in which that is done."""
    for wave in sorted({line.wave for line in lines.values()}):
        its = {place: line for place, line in lines.items() if line.wave == wave}
        together = [(place, line) for place, line in its.items() if not line.alone]
        for start in range(0, len(together), at_once):
            yield dict(together[start : start + at_once])
        for place, line in its.items():
            if line.alone:
                yield {place: line}


AnyRegistration = Annotated[
    Group
    | Project
    | Department
    | Household
    | Person
    | Staff
    | Holder
    | Zone
    | Delegation
    | DutyRoster
    | Committee
    | SuggestionBox
    | Policy
    | CalendarYear,
    Field(discriminator="type"),
]
