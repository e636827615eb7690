"""Facts of the registry: groups, projects, households, people, roles, calendars, policy packs.

Intake owns them and publishes them on its topic; group-wide ones go to every partition.
"""

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import (
    Day,
    ErasureReason,
    Id,
    Instant,
    Language,
    PolicyName,
    Role,
    SaidZone,
    Several,
    Value,
    Word,
)


class GroupRegistered(Fact, name="registry.group_registered"):
    """A property group is served."""

    group_id: Id
    name: Word


class ProjectRegistered(Fact, name="registry.project_registered"):
    """A residential project is served, in this time zone."""

    project_id: Id
    group_id: Id
    name: Word
    zone: SaidZone
    policy: PolicyName = ""


class HouseholdRegistered(Fact, name="registry.household_registered"):
    """A household lives in the project."""

    household_id: Id
    project_id: Id
    address: Sealed | None = None
    key: bool = False


class PersonRegistered(Fact, name="registry.person_registered"):
    """A person of a household, and how to reach them."""

    person_id: Id
    project_id: Id
    household_id: Id
    name: Sealed | None = None
    phone: Sealed | None = None
    email: Sealed | None = None
    language: Language = Language.CHINESE
    moved_in: Day | None = None
    moved_out: Day | None = None


class StaffRegistered(Fact, name="registry.staff_registered"):
    """A member of staff, and how to reach them. Group-wide."""

    person_id: Id
    group_id: Id
    name: Sealed | None = None
    phone: Sealed | None = None
    email: Sealed | None = None
    language: Language = Language.CHINESE


class RoleAssigned(Fact, name="registry.role_assigned"):
    """A person holds a role at a project from now on."""

    project_id: Id
    role: Role
    person_id: Id


class RoleEnded(Fact, name="registry.role_ended"):
    """A person no longer holds the role; the successor takes over their open cases."""

    project_id: Id
    role: Role
    person_id: Id
    successor: Id | None = None


class DepartmentRegistered(Fact, name="registry.department_registered"):
    """A department works at a project, or at all of a group's."""

    department_id: Id
    project_id: Id | None = None
    group_id: Id | None = None
    name: Word
    calendar: Word = ""
    head: Id | None = None


class ZoneAssigned(Fact, name="registry.zone_assigned"):
    """A person looks after these buildings and households of a project."""

    zone_id: Id
    project_id: Id
    person_id: Id
    name: Word = ""
    buildings: Several[tuple[Word, ...]] = ()
    households: Several[tuple[Id, ...]] = ()


class RoleDelegated(Fact, name="registry.role_delegated"):
    """Who holds a role lets somebody else act in it from `since` until `until`.

    Said again under its ID it is another one; one that is taken back ends when it begins.
    """

    delegation_id: Id
    project_id: Id
    role: Role
    person_id: Id
    """Who holds the role, and is not told meanwhile."""
    delegate_id: Id
    since: Instant
    until: Instant


class Shift(Value):
    """Somebody is on duty in a role from `since` until `until`."""

    role: Role
    person_id: Id
    since: Instant
    until: Instant


class DutyRosterPublished(Fact, name="registry.duty_roster_published"):
    """Who stands in at a project when nobody holds a role there, or nobody can be reached.

    It is whole: published again under its ID, it replaces what it was.
    """

    roster_id: Id
    project_id: Id
    shifts: Several[tuple[Shift, ...]] = ()


class CommitteeRegistered(Fact, name="registry.committee_registered"):
    """The owners' committee of a project: who is in it, and how to reach it."""

    rules = ("RM-4.2.9",)

    committee_id: Id
    project_id: Id
    name: Word = ""
    phone: Sealed | None = None
    email: Sealed | None = None
    members: Several[tuple[Id, ...]] = ()
    """Registered people."""
    chair: Id | None = None


class SuggestionBoxRegistered(Fact, name="registry.suggestion_box_registered"):
    """A suggestion box hangs at a project, or was taken away; while it hangs it is opened weekly."""

    rules = ("RM-4.2.8",)

    box_id: Id
    project_id: Id
    place: Word = ""
    removed: bool = False
    zone: SaidZone
    """The project's time zone, in which its weeks end."""
    group_id: Id
    pack: PolicyName
    """The policy pack by which the project is run."""


class PolicyPublished(Fact, name="registry.policy_published"):
    """A policy pack is in force from `effective_from`. Group-wide; the text is whole."""

    pack: PolicyName
    version: PolicyName
    text: str
    sha256: Word
    effective_from: Instant
    group_id: Id | None = None
    project_id: Id | None = None


class MakeUpDay(Value):
    """A working day on a weekend or holiday (调休), with Monday's hours unless it has its own."""

    day: Day
    hours: Several[tuple[tuple[Word, Word], ...]] = ()


class CalendarPublished(Fact, name="registry.calendar_published"):
    """A year of a calendar has become known, or is corrected. Group-wide.

    What was provisional for want of it moves; what is corrected holds for what starts from then.
    """

    calendar: Word
    """Its name in policies: `cn-office`."""
    version: Word
    year: int
    holidays: Several[tuple[Day, ...]] = ()
    working_days: Several[tuple[MakeUpDay, ...]] = ()


class SubjectErased(Fact, name="registry.subject_erased"):
    """A subject's key is destroyed for good: nothing sealed with it can be read any more.

    Kept for good, and done again after a restore. The subject's data is not in it.
    """

    subject: Word
    """As seals name it: `person-…`, `household-…`, `staff-…`, `case-…`, `parked-…`."""
    because_of: Word = ""
    """The subject that was asked for, where this one went with it."""
    reason: ErasureReason
    asked_by: Id | None = None
    """The registered person or member of staff who asked."""
    project_id: Id | None = None
    group_id: Id | None = None
