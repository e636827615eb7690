"""Who is served and who serves, from the group to the household, and the policies.

Unknown --register--> Registered --register with a change--> Registered
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import assert_never

from steward_decider import AnyDecider, Refused, Ring
from steward_events.registry import (
    CalendarPublished,
    CommitteeRegistered,
    DepartmentRegistered,
    DutyRosterPublished,
    GroupRegistered,
    HouseholdRegistered,
    PersonRegistered,
    PolicyPublished,
    ProjectRegistered,
    RoleAssigned,
    RoleDelegated,
    RoleEnded,
    StaffRegistered,
    SuggestionBoxRegistered,
    ZoneAssigned,
)
from steward_events.vocabulary import Role
from steward_intake.domain.erasure import ErasureDecider

Entry = (
    GroupRegistered
    | ProjectRegistered
    | DepartmentRegistered
    | HouseholdRegistered
    | PersonRegistered
    | StaffRegistered
    | ZoneAssigned
    | RoleDelegated
    | DutyRosterPublished
    | CommitteeRegistered
    | SuggestionBoxRegistered
)

_BELONGS = {
    "project_id": "another project",
    "household_id": "another household",
    "group_id": "another group",
}


@dataclass(frozen=True, slots=True)
class Register:
    """Write an entry of the registry, new or changed."""

    at: datetime
    entry: Entry


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody has registered it."""


@dataclass(frozen=True, slots=True)
class Registered:
    """It stands like this."""

    entry: Entry


class RegisterDecider:
    """One group, project, department, household, person, member of staff or zone."""

    initial: Unknown | Registered = Unknown()

    def decide(self, command: Register | Ring, state: Unknown | Registered) -> Sequence[Entry]:
        """Answer a registration; the same entry again is answered with nothing."""
        match command, state:
            case Ring(), _:
                return []
            case Register(entry=entry), Unknown():
                return [entry]
            case Register(entry=entry), Registered(entry=before):
                if entry == before:
                    return []
                for field, elsewhere in _BELONGS.items():
                    if getattr(entry, field, None) != getattr(before, field, None):
                        raise Refused(f"It is registered for {elsewhere} already.")
                return [entry]
            case _:
                return []

    def evolve(self, state: Unknown | Registered, fact: Entry) -> Unknown | Registered:  # noqa: ARG002
        """Take the last entry."""
        return Registered(fact)

    def wake_at(self, state: Unknown | Registered) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings."""
        return None


@dataclass(frozen=True, slots=True)
class AssignRole:
    """Give a person a role at a project."""

    at: datetime
    project_id: str
    role: Role
    person_id: str


@dataclass(frozen=True, slots=True)
class EndRole:
    """Take the role away again; a successor takes it over."""

    at: datetime
    project_id: str
    role: Role
    person_id: str
    successor: str | None = None


Holding = tuple[Role, str]


@dataclass(frozen=True, slots=True)
class Roles:
    """Who holds which role at one project, and who held one and was followed by whom."""

    held: frozenset[Holding] = frozenset()
    ended: Mapping[Holding, str | None] = field(default_factory=dict)


class RolesDecider:
    """Who holds which role at one project; only what is held ends, and it ends once."""

    initial = Roles()

    def decide(
        self, command: AssignRole | EndRole | Ring, state: Roles
    ) -> Sequence[RoleAssigned | RoleEnded]:
        """Answer with the change, if it is one."""
        match command:
            case Ring():
                return []
            case AssignRole(_, project_id, role, person_id):
                if (role, person_id) in state.held:
                    return []
                return [RoleAssigned(project_id=project_id, role=role, person_id=person_id)]
            case EndRole(_, project_id, role, person_id, successor):
                if successor == person_id:
                    raise Refused("Nobody is their own successor.")
                if (role, person_id) not in state.held:
                    _demand_ended(command, state)
                    return []
                ended = RoleEnded(
                    project_id=project_id, role=role, person_id=person_id, successor=successor
                )
                if successor is None or (role, successor) in state.held:
                    return [ended]
                given = RoleAssigned(project_id=project_id, role=role, person_id=successor)
                return [ended, given]
            case _:
                assert_never(command)

    def evolve(self, state: Roles, fact: RoleAssigned | RoleEnded) -> Roles:
        """Give the holders after the change."""
        holding = fact.role, fact.person_id
        match fact:
            case RoleAssigned():
                return replace(state, held=state.held | {holding})
            case RoleEnded():
                ended = {**state.ended, holding: fact.successor}
                return Roles(state.held - {holding}, ended)
            case _:
                assert_never(fact)

    def wake_at(self, state: Roles) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings."""
        return None


def _demand_ended(command: EndRole, state: Roles) -> None:
    """Refuse to end what was never held, or was followed by somebody else."""
    holding = command.role, command.person_id
    if holding not in state.ended:
        raise Refused(
            f"“{command.person_id}” does not hold the role {command.role} at “{command.project_id}”."
        )
    if command.successor not in (None, state.ended[holding]):
        raise Refused(
            f"This role of “{command.person_id}” ended before, and “{command.successor}” did not take"
            " it over: give it to them by itself, and the cases by assign."
        )


@dataclass(frozen=True, slots=True)
class PublishPolicy:
    """Put a version of a policy pack into force; `today` is the local day for whom it is meant."""

    at: datetime
    published: PolicyPublished
    today: date


Versions = Mapping[str, PolicyPublished]


class PolicyDecider:
    """The published versions of one policy pack."""

    initial: Versions = MappingProxyType({})

    def decide(self, command: PublishPolicy | Ring, state: Versions) -> Sequence[PolicyPublished]:
        """Answer with the publication; neither a version's text nor whom it is for ever changes."""
        if isinstance(command, Ring):
            return []
        published = command.published
        before = state.get(published.version)
        if before is None:
            if published.effective_from.astimezone(UTC).date() > command.today:
                _refuse_two_at_once(published, state.values())
            return [published]
        name = f"{published.pack}@{published.version}"
        if before.sha256 != published.sha256:
            raise Refused(
                f"{name} was published before with another text: "
                "give the changed pack a new version."
            )
        if _whom(before) != _whom(published):
            raise Refused(
                f"{name} was published before for another group or project: "
                "give this one a version of its own."
            )
        return []

    def evolve(self, state: Versions, fact: PolicyPublished) -> Versions:
        """Remember the version, without its text."""
        return {**state, fact.version: fact.model_copy(update={"text": ""})}

    def wake_at(self, state: Versions) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings."""
        return None


def _refuse_two_at_once(published: PolicyPublished, others: Iterable[PolicyPublished]) -> None:
    """Refuse a version to come that would begin together with another one for the same."""
    begins = published.effective_from
    for other in others:
        if (begins, _whom(published)) == (other.effective_from, _whom(other)):
            raise Refused(
                f"{other.pack}@{other.version} begins on {begins.date().isoformat()} as well:"
                " of two versions that begin together nobody could say which decides."
            )


def _whom(published: PolicyPublished) -> tuple[str | None, str | None]:
    return published.group_id, published.project_id


@dataclass(frozen=True, slots=True)
class PublishCalendar:
    """Make a year of a calendar known, or correct it."""

    at: datetime
    published: CalendarPublished


Years = tuple[CalendarPublished, ...]


class CalendarDecider:
    """The published years of all calendars: which came when is told by their places in one stream."""

    initial: Years = ()

    def decide(self, command: PublishCalendar | Ring, state: Years) -> Sequence[CalendarPublished]:
        """Answer with the publication; what a version says of a calendar never changes."""
        if isinstance(command, Ring):
            return []
        published = command.published
        for before in state:
            if (before.calendar, before.version) == (published.calendar, published.version):
                if before == published:
                    return []
                raise Refused(
                    f"The version {published.version} of {published.calendar} was published before"
                    " with other days: give the correction a new version."
                )
        return [published]

    def evolve(self, state: Years, fact: CalendarPublished) -> Years:
        """Remember it."""
        return (*state, fact)

    def wake_at(self, state: Years) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings."""
        return None


DECIDERS: dict[str, AnyDecider] = {
    "group": RegisterDecider(),
    "project": RegisterDecider(),
    "department": RegisterDecider(),
    "household": RegisterDecider(),
    "person": RegisterDecider(),
    "staff": RegisterDecider(),
    "delegation": RegisterDecider(),
    "roster": RegisterDecider(),
    "roles": RolesDecider(),
    "zone": RegisterDecider(),
    "committee": RegisterDecider(),
    "policy": PolicyDecider(),
    "calendar": CalendarDecider(),
    "erasure": ErasureDecider(),
}
"""By the kind of stream."""
