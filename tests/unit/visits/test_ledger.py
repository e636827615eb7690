"""Who visited which household, and how many each person owes a month."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from tests.support.rules import rule

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.visits import (
    LedgerNoted,
    QuotaDue,
    QuotaMissed,
    QuotaMissedWithdrawn,
    QuotaReached,
    QuotaReachedWithdrawn,
    QuotaWaived,
    VisitDone,
    VisitStruck,
)
from steward_events.vocabulary import Mode, Role
from steward_policy import packs
from steward_policy.packs import Rules
from steward_visits.domain.ledger import (
    Command,
    Ledger,
    LedgerDecider,
    LedgerFact,
    Missed,
    NoteProject,
    NoteRole,
    Reached,
    RecordVisit,
    Running,
    State,
    StrikeVisit,
    Unheard,
    end_of,
    month_of,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 10, 1, 9, tzinfo=SHANGHAI)
END = datetime(2026, 11, 1, tzinfo=SHANGHAI)


def in_force(pack: str, day: date, group_id: str | None, project_id: str) -> Rules | None:
    assert (pack, group_id, project_id) == ("residential-cn", "g1", "p1")
    return packs.built_in() if day >= date(2026, 1, 1) else None


class OneProject:
    """A project whose visits are decided about, fact by fact; alarms ring before what is later."""

    def __init__(self, *commands: Command) -> None:
        self.decider = LedgerDecider(in_force)
        self.state: State = self.decider.initial
        for command in commands:
            self.when(command)

    def when(self, command: Command) -> Sequence[LedgerFact]:
        facts = self.decider.decide(command, self.state)
        for fact in facts:
            self.state = self.decider.evolve(self.state, fact)
        return facts

    def visited(
        self, *households: str, person_id: str = "m1", at: datetime = BEGIN
    ) -> list[LedgerFact]:
        """Visit households; give what follows from it beside the visits."""
        facts: list[LedgerFact] = []
        for household_id in households:
            visit_id = f"{household_id}-{person_id}-{at:%m%d%H%M}"
            facts += self.when(visit(visit_id, household_id, person_id, at))
        return [fact for fact in facts if not isinstance(fact, VisitDone)]

    def ring(self) -> Sequence[LedgerFact]:
        alarm = self.decider.wake_at(self.state)
        assert alarm is not None
        return self.when(Ring(alarm))

    @property
    def ledger(self) -> Ledger:
        assert isinstance(self.state, Ledger)
        return self.state


def visit(
    visit_id: str, household_id: str, person_id: str = "m1", at: datetime = BEGIN
) -> RecordVisit:
    done = VisitDone(
        visit_id=visit_id,
        project_id="p1",
        household_id=household_id,
        person_id=person_id,
        month="",
        visited_at=at,
        mode=Mode.ON_SITE,
    )
    return RecordVisit(at, done)


def struck(household_id: str, at: datetime = BEGIN, month: str = "2026-10") -> StrikeVisit:
    visit_id = f"{household_id}-m1-{at:%m%d%H%M}"
    return StrikeVisit(BEGIN, visit_id, "m1", month, "typed twice", "s1")


def project(zone: str = "Asia/Shanghai") -> NoteProject:
    return NoteProject(BEGIN, "p1", zone, "g1", "residential-cn")


def holds(
    role: Role, person_id: str = "m1", at: datetime = BEGIN, *, held: bool = True
) -> NoteRole:
    return NoteRole(at, "p1", role, person_id, held)


def doors(number: int, first: int = 1) -> list[str]:
    return [f"h{door}" for door in range(first, first + number)]


def managed(zone: str = "Asia/Shanghai") -> OneProject:
    return OneProject(project(zone), holds(Role.CENTRE_MANAGER))


@rule("CV-9.1a", "CV-9.1b", "CV-9.1c")
@pytest.mark.parametrize(
    ("role", "rule_id", "required"),
    [
        (Role.CENTRE_MANAGER, "CV-9.1a", 25),
        (Role.DEPARTMENT_HEAD, "CV-9.1b", 10),
        (Role.ENGINEERING_SUPERVISOR, "CV-9.1b", 10),
        (Role.CS_SUPERVISOR, "CV-9.1c", 30),
        (Role.FRONTLINE, "CV-9.1c", 30),
    ],
)
def test_whoever_holds_the_role_owes_its_households_until_the_month_ends(
    role: Role, rule_id: str, required: int
) -> None:
    book = OneProject(project())
    noted, due = book.when(holds(role))
    assert isinstance(noted, LedgerNoted)
    assert isinstance(due, QuotaDue)
    assert (due.person_id, due.month, due.rule, due.role) == ("m1", "2026-10", (rule_id,), role)
    assert (due.required, due.by, due.policy) == (required, END, packs.built_in().version)
    assert book.visited(*doors(required - 1)) == []
    [reached] = book.visited(f"h{required}", at=BEGIN + timedelta(days=3))
    assert isinstance(reached, QuotaReached)
    assert (reached.counted, reached.reached_at) == (required, BEGIN + timedelta(days=3))
    assert book.visited(f"h{required + 1}") == []


@rule("CV-9.1a")
def test_a_month_that_ends_with_too_few_households_is_missed_at_24_00_of_its_last_day() -> None:
    book = managed()
    book.visited(*doors(24))
    assert book.decider.wake_at(book.state) == END
    assert book.when(Ring(END - timedelta(seconds=1))) == []
    missed, noted, due = book.when(Ring(END))
    assert isinstance(missed, QuotaMissed)
    assert (missed.counted, missed.required, missed.by) == (24, 25, END)
    assert missed.rule == ("CV-9.1a",)
    assert isinstance(noted, LedgerNoted)
    assert isinstance(due, QuotaDue)
    assert (noted.month, due.month) == ("2026-11", "2026-11")
    assert book.decider.wake_at(book.state) == datetime(2026, 12, 1, tzinfo=SHANGHAI)


@rule("CV-9.1a")
def test_a_month_that_was_reached_ends_without_a_word_and_the_next_begins_at_nothing() -> None:
    book = managed()
    book.visited(*doors(25))
    noted, due = book.ring()
    assert isinstance(noted, LedgerNoted)
    assert isinstance(due, QuotaDue)
    missed, *_ = book.ring()
    assert isinstance(missed, QuotaMissed)
    assert (missed.month, missed.counted) == ("2026-11", 0)


@rule("CV-9.1a")
def test_a_household_counts_once_a_month_for_each_person() -> None:
    book = managed()
    for day in range(25):
        assert book.visited("h1", at=BEGIN + timedelta(days=day)) == []
    assert book.visited(*doors(24), person_id="m2") == []
    assert len(book.ledger.counted("2026-10", "m1")) == 1


@rule("CV-9.1a")
def test_the_same_visit_told_again_changes_nothing() -> None:
    book = managed()
    assert book.when(visit("v1", "h1"))
    assert book.when(visit("v1", "h1")) == []
    assert book.when(visit("v1", "h2")) == []
    assert len(book.ledger.counted("2026-10", "m1")) == 1


@rule("CV-9.1a")
def test_a_visit_counts_in_the_month_of_the_projects_zone_in_which_it_was_made() -> None:
    last_evening = datetime(2026, 10, 31, 23, 59, tzinfo=SHANGHAI)
    book = managed()
    book.visited(*doors(24))
    [reached] = book.visited("h25", at=last_evening.astimezone(UTC))
    assert isinstance(reached, QuotaReached)
    abroad = managed("America/New_York")  # where BEGIN is still in September
    abroad.ring()
    abroad.visited(*doors(24), at=BEGIN + timedelta(days=3))
    assert abroad.visited("h25", at=datetime(2026, 11, 1, 3, 59, tzinfo=UTC))
    for at in (BEGIN - timedelta(days=1), END):
        elsewhere = managed()
        elsewhere.visited(*doors(24))
        assert elsewhere.visited("h25", at=at) == []
        assert len(elsewhere.ledger.counted("2026-10", "m1")) == 24


@rule("CV-9.1a")
def test_a_visit_at_the_very_end_of_a_month_counts_in_the_next() -> None:
    book = managed()
    book.visited(*doors(25), at=END)
    missed, noted, due, reached = book.ring()
    assert isinstance(missed, QuotaMissed)
    assert missed.counted == 0
    assert isinstance(reached, QuotaReached)
    assert (reached.month, reached.reached_at) == ("2026-11", END)
    assert isinstance(noted, LedgerNoted)
    assert isinstance(due, QuotaDue)


@rule("CV-9.1a")
def test_a_visit_written_down_late_counts_in_its_month_and_takes_back_what_was_missed() -> None:
    book = managed()
    book.visited(*doors(24))
    book.ring()
    withdrawn, reached = book.visited("h25", at=END - timedelta(hours=5))
    assert isinstance(withdrawn, QuotaMissedWithdrawn)
    assert isinstance(reached, QuotaReached)
    assert (withdrawn.month, withdrawn.counted) == ("2026-10", 25)
    assert reached.reached_at == END - timedelta(hours=5)
    assert book.ledger.counted("2026-11", "m1") == []


@rule("CV-9.1a")
def test_a_struck_visit_does_not_count() -> None:
    book = managed()
    book.visited(*doors(25))
    gone, withdrawn = book.when(struck("h25"))
    assert isinstance(gone, VisitStruck)
    assert (gone.reason, gone.struck_by, gone.household_id) == ("typed twice", "s1", "h25")
    assert isinstance(withdrawn, QuotaReachedWithdrawn)
    assert book.when(struck("h25")) == []
    missed, *_ = book.ring()
    assert isinstance(missed, QuotaMissed)
    assert missed.counted == 24


@rule("CV-9.1a")
def test_a_visit_struck_after_its_month_makes_the_month_missed() -> None:
    book = managed()
    book.visited(*doors(25))
    book.ring()
    _, withdrawn, missed = book.when(struck("h3"))
    assert isinstance(withdrawn, QuotaReachedWithdrawn)
    assert isinstance(missed, QuotaMissed)
    assert (missed.month, missed.counted, missed.by) == ("2026-10", 24, END)


@rule("CV-9.1a")
def test_a_household_that_was_visited_twice_still_counts_when_one_of_the_visits_is_struck() -> None:
    book = managed()
    book.visited(*doors(25))
    book.visited("h25", at=BEGIN + timedelta(days=1))
    [gone] = book.when(struck("h25"))
    assert isinstance(gone, VisitStruck)


def test_a_struck_visit_is_not_struck_for_another_reason() -> None:
    book = managed()
    book.visited("h1")
    book.when(struck("h1"))
    for otherwise in (
        replace(struck("h1"), reason="another household"),
        replace(struck("h1"), struck_by="s2"),
    ):
        with pytest.raises(Refused, match="struck already"):
            book.when(otherwise)


def test_a_visit_that_nobody_wrote_down_cannot_be_struck() -> None:
    with pytest.raises(Refused, match="no such visit"):
        managed().when(struck("h1"))


@rule("CV-9.1c")
def test_a_role_that_begins_within_the_month_owes_the_whole_number() -> None:
    book = OneProject(project())
    _, due = book.when(holds(Role.FRONTLINE, at=datetime(2026, 10, 31, 18, tzinfo=SHANGHAI)))
    assert isinstance(due, QuotaDue)
    assert (due.required, due.by) == (30, END)


@rule("CV-9.1a")
def test_a_role_that_ended_before_the_month_did_owes_nothing() -> None:
    book = managed()
    _, waived = book.when(holds(Role.CENTRE_MANAGER, held=False))
    assert isinstance(waived, QuotaWaived)
    [noted] = book.ring()
    assert isinstance(noted, LedgerNoted)
    _, due = book.when(holds(Role.CENTRE_MANAGER, at=END))
    assert isinstance(due, QuotaDue)
    assert due.month == "2026-11"


@rule("CV-9.1a")
def test_a_role_that_comes_back_within_the_month_owes_again_and_finds_its_visits() -> None:
    book = managed()
    book.visited(*doors(24))
    book.when(holds(Role.CENTRE_MANAGER, held=False))
    assert book.visited("h25") == []
    _, due, reached = book.when(holds(Role.CENTRE_MANAGER))
    assert isinstance(due, QuotaDue)
    assert isinstance(reached, QuotaReached)


@rule("CV-9.1c")
def test_two_roles_of_one_entry_owe_its_households_once() -> None:
    book = OneProject(project(), holds(Role.FRONTLINE))
    [noted] = book.when(holds(Role.CS_SUPERVISOR))
    assert isinstance(noted, LedgerNoted)
    [noted] = book.when(holds(Role.FRONTLINE, held=False))
    assert isinstance(noted, LedgerNoted)
    _, waived = book.when(holds(Role.CS_SUPERVISOR, held=False))
    assert isinstance(waived, QuotaWaived)


def test_a_role_without_a_quota_owes_nothing() -> None:
    [noted] = OneProject(project()).when(holds(Role.GENERAL_MANAGER))
    assert isinstance(noted, LedgerNoted)


def test_a_role_heard_before_its_project_owes_when_the_project_is_heard() -> None:
    book = OneProject(holds(Role.CENTRE_MANAGER))
    assert book.decider.wake_at(book.state) is None
    with pytest.raises(NotHeardYet):
        book.when(visit("v1", "h1"))
    noted, due = book.when(project())
    assert isinstance(noted, LedgerNoted)
    assert isinstance(due, QuotaDue)
    assert book.when(project()) == []


def test_where_no_rules_are_in_force_nothing_is_owed() -> None:
    long_ago = datetime(2025, 6, 1, tzinfo=SHANGHAI)
    book = OneProject(project(), holds(Role.CENTRE_MANAGER, at=long_ago))
    assert not book.ledger.quotas


def test_a_policy_that_was_not_heard_yet_makes_the_role_wait() -> None:
    def unheard(pack: str, day: date, group_id: str | None, project_id: str) -> Rules | None:
        raise KeyError(pack)

    decider = LedgerDecider(unheard)
    [noted] = decider.decide(project(), Unheard())
    with pytest.raises(NotHeardYet):
        decider.decide(holds(Role.FRONTLINE), decider.evolve(Unheard(), noted))


def test_how_far_back_a_visit_is_written_down_the_policy_says_by_role() -> None:
    back = "[{within: {days: 2}}, {within: {days: 20}, by: centre_manager}]"
    text = f"overrides: residential-cn\nversion: back\ncases: {{backdating: {back}}}\n"
    rules = packs.load(text)
    book = OneProject(project(), holds(Role.CENTRE_MANAGER), holds(Role.FRONTLINE, "f1"))
    book.decider = LedgerDecider(lambda *_: rules)
    for person_id, days, is_late in [
        ("f1", 2, False),
        ("f1", 3, True),
        ("m1", 20, False),
        ("m1", 21, True),
    ]:
        command = visit(f"{person_id}-{days}", "h1", person_id)
        command = replace(command, said_at=BEGIN + timedelta(days=days))
        if is_late:
            with pytest.raises(Refused, match="Only a visit since 2026-10-"):
                book.when(command)
        else:
            assert book.when(command)


def test_how_far_back_a_visit_is_written_down_is_the_default_where_no_policy_has_begun() -> None:
    book = managed()
    book.decider = LedgerDecider(lambda *_: None)
    command = visit("v1", "h1")
    with pytest.raises(Refused, match="Only a visit since 2026-10-"):
        book.when(replace(command, said_at=BEGIN + timedelta(days=31)))
    assert book.when(replace(command, said_at=BEGIN + timedelta(days=29)))


def test_a_visit_of_some_days_ago_waits_for_a_policy_that_was_not_heard_yet() -> None:
    def unheard(pack: str, day: date, group_id: str | None, project_id: str) -> Rules | None:
        raise KeyError(pack)

    book = managed()
    book.decider = LedgerDecider(unheard)
    with pytest.raises(NotHeardYet):
        book.when(replace(visit("v1", "h1"), said_at=BEGIN + timedelta(days=31)))


def test_what_is_more_than_a_year_ago_is_settled() -> None:
    book = managed()
    book.visited("h1", at=BEGIN)
    for _ in range(12):
        book.ring()
    assert book.ledger.counted("2026-10", "m1") == [BEGIN]
    book.ring()
    assert book.ledger.counted("2026-10", "m1") == []
    with pytest.raises(Refused, match="2026-10"):
        book.visited("h2", at=BEGIN)
    with pytest.raises(Refused, match="2026-10"):
        book.when(struck("h1"))


@pytest.mark.parametrize(
    ("month", "zone", "end"),
    [
        ("2026-12", "Asia/Shanghai", "2027-01-01T00:00:00+08:00"),
        ("2028-02", "Asia/Shanghai", "2028-03-01T00:00:00+08:00"),
        ("2026-10", "Europe/Berlin", "2026-11-01T00:00:00+01:00"),
    ],
)
def test_a_month_ends_at_midnight_of_its_zone(month: str, zone: str, end: str) -> None:
    assert end_of(month, zone) == datetime.fromisoformat(end)
    assert month_of(end_of(month, zone) - timedelta(seconds=1), zone) == month


INSTANTS = st.datetimes(
    datetime(2026, 10, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2026, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
PEOPLE = st.sampled_from(["m1", "m2"])
ROLES = st.sampled_from([Role.DEPARTMENT_HEAD, Role.ENGINEERING_SUPERVISOR, Role.CENTRE_MANAGER])
VISITS = st.builds(
    visit,
    st.integers(1, 40).map(str),
    st.sampled_from(doors(14)),
    PEOPLE,
    INSTANTS,
)
STRIKES = st.builds(
    StrikeVisit,
    INSTANTS,
    st.integers(1, 40).map(str),
    PEOPLE,
    st.sampled_from(["2026-10", "2026-11", "2026-12"]),
    st.just("mistaken"),
    st.none(),
)
CHANGES = st.one_of(
    VISITS,
    VISITS,
    VISITS,
    STRIKES,
    st.builds(holds, ROLES, PEOPLE, INSTANTS, held=st.booleans()),
    st.just("month ends"),
)


@for_all(st.lists(CHANGES, max_size=60))
def test_a_quota_is_reached_exactly_while_enough_households_were_really_visited(
    changes: list[Command | str],
) -> None:
    book = OneProject(project(), holds(Role.DEPARTMENT_HEAD))
    counting: dict[tuple[str, str, str], str] = {}
    for change in changes:
        if isinstance(change, str):
            assert book.ring()
            continue
        if isinstance(change, StrikeVisit):
            page = book.ledger.visits.get((change.month, change.person_id), {})
            if change.visit_id not in page:
                with pytest.raises(Refused, match="no such visit"):
                    book.when(change)
                continue
        book.when(change)
        assert book.when(change) == []
        match change:
            case RecordVisit(visit=done):
                key = (month_of(done.visited_at, "Asia/Shanghai"), done.person_id, done.visit_id)
                counting.setdefault(key, done.household_id)
            case StrikeVisit():
                counting[change.month, change.person_id, change.visit_id] = ""
            case _:
                pass
        for (month, person_id, _), quota in book.ledger.quotas.items():
            households = {
                household
                for (of_month, of_person, _), household in counting.items()
                if (of_month, of_person) == (month, person_id) and household
            }
            enough = len(households) >= quota.due.required
            match quota:
                case Reached():
                    assert enough
                case Missed():
                    assert not enough
                    assert month < book.ledger.noted.month
                case Running():
                    assert not enough
                    assert month == book.ledger.noted.month
                case _:
                    pass
