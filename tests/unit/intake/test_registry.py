"""The registry: what is the same is no fact, what has changed is one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from steward_decider import Refused
from steward_events.registry import (
    CalendarPublished,
    HouseholdRegistered,
    PolicyPublished,
    RoleAssigned,
    RoleEnded,
)
from steward_events.vocabulary import Role
from steward_intake.domain.registry import (
    AssignRole,
    CalendarDecider,
    EndRole,
    PolicyDecider,
    PublishCalendar,
    PublishPolicy,
    Register,
    RegisterDecider,
    Roles,
    RolesDecider,
)

AT = datetime(2026, 9, 28, tzinfo=UTC)
TODAY = AT.date()
HOUSEHOLD = HouseholdRegistered(household_id="h", project_id="p")


def test_the_same_entry_again_is_no_fact_and_a_change_is_one() -> None:
    register = RegisterDecider()
    assert register.decide(Register(AT, HOUSEHOLD), register.initial) == [HOUSEHOLD]
    state = register.evolve(register.initial, HOUSEHOLD)
    assert register.decide(Register(AT, HOUSEHOLD), state) == []
    key = HOUSEHOLD.model_copy(update={"key": True})
    assert register.decide(Register(AT, key), state) == [key]


def test_a_household_stays_at_its_project() -> None:
    register = RegisterDecider()
    state = register.evolve(register.initial, HOUSEHOLD)
    moved = HOUSEHOLD.model_copy(update={"project_id": "q"})
    with pytest.raises(Refused, match="another project"):
        register.decide(Register(AT, moved), state)


def test_a_role_is_given_once_and_taken_once() -> None:
    roles = RolesDecider()
    give = AssignRole(AT, "p", Role.CENTRE_MANAGER, "m")
    [given] = roles.decide(give, roles.initial)
    assert isinstance(given, RoleAssigned)
    held = roles.evolve(roles.initial, given)
    assert roles.decide(give, held) == []
    take = EndRole(AT, "p", Role.CENTRE_MANAGER, "m")
    [ended] = roles.decide(take, held)
    assert isinstance(ended, RoleEnded)
    after = roles.evolve(held, ended)
    assert roles.decide(take, after) == []
    with pytest.raises(Refused, match="“n” did not take it over"):
        roles.decide(replace(take, successor="n"), after)
    again = roles.evolve(roles.evolve(after, given), ended)
    assert roles.decide(take, again) == []


def test_only_a_role_that_is_held_ends() -> None:
    roles = RolesDecider()
    held = roles.evolve(
        roles.initial, RoleAssigned(project_id="p", role=Role.FRONTLINE, person_id="m")
    )
    for role, person_id in ((Role.CENTRE_MANAGER, "m"), (Role.FRONTLINE, "n")):
        with pytest.raises(Refused, match=f"“{person_id}” does not hold the role {role} at “p”"):
            roles.decide(EndRole(AT, "p", role, person_id, "o"), held)


def test_a_successor_takes_the_role_over_unless_they_hold_it() -> None:
    roles = RolesDecider()
    held = Roles(
        frozenset({(Role.CENTRE_MANAGER, "m"), (Role.FRONTLINE, "m"), (Role.FRONTLINE, "n")})
    )
    ended = RoleEnded(project_id="p", role=Role.CENTRE_MANAGER, person_id="m", successor="n")
    given = RoleAssigned(project_id="p", role=Role.CENTRE_MANAGER, person_id="n")
    take = EndRole(AT, "p", Role.CENTRE_MANAGER, "m", "n")
    assert roles.decide(take, held) == [ended, given]
    assert roles.decide(take, roles.evolve(held, ended)) == []
    other = EndRole(AT, "p", Role.FRONTLINE, "m", "n")
    assert [type(fact) for fact in roles.decide(other, held)] == [RoleEnded]
    with pytest.raises(Refused, match="their own successor"):
        roles.decide(EndRole(AT, "p", Role.FRONTLINE, "m", "m"), held)


def test_a_published_version_never_changes_its_text() -> None:
    policies = PolicyDecider()
    pack = PolicyPublished(pack="x", version="1", text="a", sha256="1", effective_from=AT)
    [published] = policies.decide(PublishPolicy(AT, pack, TODAY), policies.initial)
    state = policies.evolve(policies.initial, published)
    assert policies.decide(PublishPolicy(AT, pack, TODAY), state) == []
    other = pack.model_copy(update={"text": "b", "sha256": "2"})
    with pytest.raises(Refused, match="new version"):
        policies.decide(PublishPolicy(AT, other, TODAY), state)


def test_of_versions_to_come_only_one_begins_on_a_day() -> None:
    policies = PolicyDecider()
    next_year = AT.replace(year=AT.year + 1)
    pack = PolicyPublished(pack="x", version="1", text="a", sha256="1", effective_from=next_year)
    state = policies.evolve(policies.initial, pack)
    second = pack.model_copy(update={"version": "2"})
    with pytest.raises(Refused, match="x@1 begins on"):
        policies.decide(PublishPolicy(AT, second, TODAY), state)
    theirs = second.model_copy(update={"group_id": "g"})
    assert policies.decide(PublishPolicy(AT, theirs, TODAY), state) == [theirs]
    # Of those that have begun the one published last decides, as ever.
    begins = next_year.date()
    assert policies.decide(PublishPolicy(next_year, second, begins), state) == [second]
    # By the clock of the project, which is ahead of UTC's by hours, or behind it.
    ahead, behind = next_year - timedelta(hours=8), next_year + timedelta(hours=5)
    assert policies.decide(PublishPolicy(ahead, second, begins), state) == [second]
    with pytest.raises(Refused, match="x@1 begins on"):
        policies.decide(PublishPolicy(behind, second, begins - timedelta(days=1)), state)


def test_what_a_version_says_of_a_calendar_never_changes() -> None:
    calendars = CalendarDecider()
    year = CalendarPublished(calendar="cn-office", version="1", year=2027)
    [published] = calendars.decide(PublishCalendar(AT, year), calendars.initial)
    state = calendars.evolve(calendars.initial, published)
    assert calendars.decide(PublishCalendar(AT, year), state) == []
    other = year.model_copy(update={"holidays": (date(2027, 1, 1),)})
    with pytest.raises(Refused, match="a new version"):
        calendars.decide(PublishCalendar(AT, other), state)
    corrected = other.model_copy(update={"version": "2"})
    assert calendars.decide(PublishCalendar(AT, corrected), state) == [corrected]


def test_a_version_is_for_those_for_whom_it_was_published_first() -> None:
    policies = PolicyDecider()
    mine = PolicyPublished(
        pack="x", version="1", text="a", sha256="1", effective_from=AT, group_id="g", project_id="p"
    )
    [published] = policies.decide(PublishPolicy(AT, mine, TODAY), policies.initial)
    state = policies.evolve(policies.initial, published)
    theirs = mine.model_copy(update={"project_id": "q"})
    with pytest.raises(Refused, match="a version of its own"):
        policies.decide(PublishPolicy(AT, theirs, TODAY), state)
