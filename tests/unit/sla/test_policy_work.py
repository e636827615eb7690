"""What runs when a year is published or another version is reapplied: what moves, and what never."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.given import Answer, Given, given
from tests.support.rules import rule

from steward_decider import NotHeardYet, Ring
from steward_events.fact import Fact
from steward_events.sla import (
    CaseNoted,
    ClockBreached,
    ClockCancelled,
    ClockMet,
    ClockRescheduled,
    ClockStarted,
)
from steward_policy import packs
from steward_policy.almanac import Almanac, PublishedYear
from steward_policy.packs import Rules
from steward_sla.domain.clocks import ClocksDecider, HearCaseFact, NoteCalendars, ReapplyPolicy

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
RECEIVED = datetime(2026, 12, 29, 10, tzinfo=SHANGHAI)
PUBLISHED = datetime(2026, 12, 30, 12, tzinfo=SHANGHAI)

PACK = """
pack: house
version: "{version}"
calendar: cn-office
targets:
  - id: answer
    rule: [RM-4.5.2c]
    basis: rule
    when: {{kind: complaint}}
    starts: case_received
    met_by: case_handled
    within: {{days: {days}, counting: working}}
    warn_before: [{{hours: 4, counting: working}}]
    escalate: [{{at: breach, to: cs_supervisor}}]
  - id: accept
    rule: [RM-4.5.2b]
    basis: rule
    starts: case_received
    met_by: case_accepted
    within: {{hours: 1}}
    escalate: [{{at: breach, to: cs_supervisor}}]
{more}"""
CALL_BACK = """  - id: call-back
    rule: [RM-4.6.3]
    basis: rule
    starts: case_received
    met_by: result_told
    within: {hours: 2}
    escalate: [{at: breach, to: cs_supervisor}]
"""


def version(name: str, days: int = 5, more: str = "") -> Rules:
    return packs.load(PACK.format(version=name, days=days, more=more))


RULES = {
    rules.version: rules
    for rules in (
        version("1"),
        version("2", days=2),
        version("3", days=9, more=CALL_BACK),
        packs.load(PACK.format(version="4", days=5, more="").replace("id: answer", "id: reply")),
        packs.load(PACK.format(version="6", days=5, more="").replace("id: accept", "id: take")),
    )
}


def end_of(month: int, day: int, year: int = 2027) -> datetime:
    return datetime(year, month, day, tzinfo=SHANGHAI) + DAY


class Office:
    """A decider, and the publications of calendars that have been heard."""

    def __init__(self) -> None:
        self.almanac = Almanac()
        self.decider = ClocksDecider(RULES.__getitem__, lambda: self.almanac)

    def publish(self, *holidays: date, at: datetime = PUBLISHED, year: int = 2027) -> NoteCalendars:
        edition = self.almanac.edition + 1
        days = frozenset(holidays)
        published = PublishedYear(edition, "cn-office", f"v{edition}", year, days, {}, at)
        self.almanac = self.almanac.with_year(published)
        return NoteCalendars(at, edition)

    def case(self, *more: HearCaseFact, received: datetime = RECEIVED) -> Given:
        first = heard("case_received", 1, received, kind="complaint", policy="house@1")
        return given(first, *more, by=self.decider)


@pytest.fixture
def office() -> Office:
    return Office()


def heard(name: str, place: int, at: datetime, **fields: Any) -> HearCaseFact:
    return HearCaseFact(at, "c1", "p1", name, place, fields)


def accepted(at: datetime = RECEIVED + timedelta(minutes=9)) -> HearCaseFact:
    return heard("case_accepted", 2, at, role="cs_supervisor")


def dues(stream: Given | Answer) -> Mapping[str, datetime]:
    return {clock.target.id: clock.limit for clock in stream.state.plan}


def reapplied(name: str, at: datetime, *targets: str) -> ReapplyPolicy:
    return ReapplyPolicy(at, f"r-{name}", f"house@{name}", targets=frozenset(targets))


def moved(cause: str, old: datetime, new: datetime) -> Any:
    def meets(fact: Fact) -> bool:
        return isinstance(fact, ClockRescheduled) and (fact.old_due, fact.new_due, fact.cause) == (
            old,
            new,
            cause,
        )

    return meets


# A year is published.


def test_what_waited_for_a_year_moves_when_it_is_published(office: Office) -> None:
    stream = office.case(accepted())
    # 30 and 31 December, 1, 4 and 5 January: nobody knows of New Year's holidays yet.
    [clock] = [clock for clock in stream.state.plan if clock.target.id == "answer"]
    assert (clock.limit, clock.provisional) == (end_of(1, 5), True)
    news = office.publish(date(2027, 1, 1), date(2027, 1, 4))
    after = stream.when(news).then(
        CaseNoted, moved("calendar_published", end_of(1, 5), end_of(1, 7))
    )
    [clock] = [clock for clock in after.state.plan if clock.target.id == "answer"]
    assert (clock.limit, clock.provisional) == (end_of(1, 7), False)
    after.when(news).then()


def test_what_does_not_move_is_told_to_be_sure_once_its_year_is_known(office: Office) -> None:
    stream = office.case(accepted())
    after = stream.when(office.publish()).then(
        CaseNoted, moved("calendar_published", end_of(1, 5), end_of(1, 5))
    )
    assert not after.facts[1].provisional  # type: ignore[attr-defined]


def test_what_waits_for_no_year_hears_nothing_of_it(office: Office) -> None:
    summer = office.case(accepted(), received=datetime(2026, 7, 1, 10, tzinfo=SHANGHAI))
    summer.when(office.publish(date(2027, 1, 1))).then()


def test_a_correction_of_a_year_that_was_known_moves_nothing_that_runs(office: Office) -> None:
    office.publish(date(2027, 1, 1), at=RECEIVED - DAY)
    stream = office.case(accepted())
    before = dues(stream)
    stream.when(office.publish(date(2027, 1, 1), date(2027, 1, 4), date(2027, 1, 5))).then()
    later = office.case(accepted(PUBLISHED + DAY), received=PUBLISHED)
    assert before["answer"] == end_of(1, 6)
    assert dues(later)["answer"] == end_of(1, 11)


def test_a_case_heard_after_the_publication_ends_where_one_heard_before_is_moved(
    office: Office,
) -> None:
    before = office.case(accepted())
    news = office.publish(date(2027, 1, 1), date(2027, 1, 4))
    assert dues(office.case(accepted())) == dues(before.when(news)) != dues(before)


def test_a_day_that_becomes_worked_takes_no_time_that_was_counted_on(office: Office) -> None:
    """A make-up day could move the limit to a day that is over, or to the very same day."""
    late = datetime(2027, 1, 4, 12, tzinfo=SHANGHAI)
    stream = office.case(accepted())
    edition = NoteCalendars(late, 1)
    worked: dict[date, Any] = {date(2027, 1, 2): None, date(2027, 1, 3): None}
    year = PublishedYear(1, "cn-office", "v1", 2027, frozenset(), worked, late)
    office.almanac = office.almanac.with_year(year)
    # By its days alone it would have ended on 3 January; nobody can be late before the 5th is over.
    assert dues(stream)["answer"] == end_of(1, 5)
    stream.when(edition).then(CaseNoted, moved("calendar_published", end_of(1, 5), end_of(1, 5)))
    assert dues(office.case(accepted()))["answer"] == end_of(1, 5)


def test_what_is_late_stays_late_when_the_year_comes_afterwards(office: Office) -> None:
    stream = office.case(accepted())
    ring = Ring(end_of(1, 5))
    late = Given(
        office.decider, stream.when(Ring(stream.decider.wake_at(stream.state) or RECEIVED)).state
    )
    late = Given(office.decider, late.when(ring).state)
    assert late.state.of("answer#1").breach == 1
    late.when(office.publish(date(2027, 1, 4), at=end_of(1, 9))).then()


def test_a_stream_that_took_account_of_more_than_was_heard_here_waits(office: Office) -> None:
    stream = office.case(accepted())
    facts = stream.when(office.publish(date(2027, 1, 4))).facts
    elsewhere = Office()
    elder = elsewhere.case(accepted())
    with pytest.raises(NotHeardYet):
        elsewhere.decider.evolve(elder.state, facts[0])  # type: ignore[arg-type]


# Another version is reapplied.


@rule("RM-4.5.2c")
def test_what_runs_keeps_its_version_until_another_is_reapplied(office: Office) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)  # a Wednesday
    stream = office.case(accepted(summer + timedelta(minutes=9)), received=summer)
    after = stream.when(reapplied("3", summer + DAY)).then(
        CaseNoted,
        moved("policy_reapplied", end_of(7, 8, 2026), end_of(7, 14, 2026)),
        lambda fact: isinstance(fact, ClockStarted) and fact.clock == "call-back#1",
    )
    assert after.facts[1].policy == "house@3"  # type: ignore[attr-defined]
    after.when(reapplied("3", summer + DAY)).then()


def test_nothing_becomes_due_before_the_next_working_day_has_ended(office: Office) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    stream = office.case(accepted(summer + timedelta(minutes=9)), received=summer)
    # Two working days would have ended on Friday the 3rd; it is decided on Tuesday the 7th.
    tuesday = datetime(2026, 7, 7, 9, tzinfo=SHANGHAI)
    stream.when(reapplied("2", tuesday)).then(CaseNoted)
    monday = datetime(2026, 7, 6, 9, tzinfo=SHANGHAI)
    stream.when(reapplied("2", monday)).then(
        CaseNoted, moved("policy_reapplied", end_of(7, 8, 2026), end_of(7, 7, 2026))
    )


def test_what_was_met_or_is_late_stays_under_its_own_version(office: Office) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    stream = office.case(received=summer)  # nobody accepts it within the hour
    stream = Given(office.decider, stream.when(Ring(summer + timedelta(hours=1))).state)
    after = stream.when(reapplied("3", summer + DAY))
    assert not [fact for fact in after.facts if getattr(fact, "clock", "") == "accept#1"]
    assert after.state.of("accept#1").breach == 1
    # It is met as before, and handling it late stays a breach.
    met = after.when(heard("case_accepted", 2, summer + DAY + DAY, role="cs_supervisor"))
    met.then(CaseNoted, ClockMet)
    assert met.facts[1].outcome == "breached"  # type: ignore[attr-defined]
    # Also where its alarm has not rung yet, and the other version does not know the target.
    after = office.case(received=summer).when(reapplied("6", summer + DAY))
    rung = Given(office.decider, after.state).when(Ring(summer + timedelta(hours=1)))
    assert rung.state.of("accept#1").breach == 1


def test_a_late_fact_still_withdraws_what_was_kept(office: Office) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    stream = office.case(received=summer)
    stream = Given(office.decider, stream.when(Ring(summer + timedelta(hours=1))).state)
    after = stream.when(reapplied("3", summer + DAY))
    late = after.when(accepted(summer + timedelta(minutes=5)))
    assert late.state.of("accept#1").breach == 0
    assert late.state.of("accept#1").outcome == "in_time"


def test_what_the_other_version_does_not_know_is_cancelled_and_new_duties_begin(
    office: Office,
) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    stream = office.case(accepted(summer + timedelta(minutes=9)), received=summer)
    after = stream.when(reapplied("4", summer + DAY))
    after.then(CaseNoted, ClockStarted, ClockCancelled)
    assert after.facts[2].reason == "policy_reapplied"  # type: ignore[attr-defined]
    rung = after.when(Ring(end_of(7, 8, 2026)))
    assert [fact.clock for fact in rung.facts if isinstance(fact, ClockBreached)] == ["reply#1"]


def test_what_was_told_before_counts_for_what_only_the_other_version_asks(office: Office) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    told = heard("result_told", 3, summer + timedelta(minutes=20), by="phone")
    stream = office.case(accepted(summer + timedelta(minutes=9)), told, received=summer)
    office_by_phone = version(
        "5", more=CALL_BACK.replace("result_told", "'result_told{by: phone}'")
    )
    RULES[office_by_phone.version] = office_by_phone
    # It would have been met long ago: nothing begins.
    stream.when(reapplied("5", summer + DAY)).then(CaseNoted)


def test_only_the_targets_that_are_named_go_by_the_other_version(office: Office) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    stream = office.case(received=summer)
    at = summer + timedelta(minutes=5)
    stream.when(reapplied("3", at, "accept")).then(CaseNoted)
    after = stream.when(reapplied("3", at, "answer"))
    after.then(CaseNoted, moved("policy_reapplied", end_of(7, 8, 2026), end_of(7, 14, 2026)))


def test_the_other_targets_may_follow_to_the_same_version(office: Office) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    stream = office.case(received=summer)
    at = summer + timedelta(minutes=5)
    first = stream.when(reapplied("3", at, "accept")).then(CaseNoted)
    rest = ReapplyPolicy(at + timedelta(minutes=5), "r-rest", "house@3")
    after = first.when(rest).then(
        CaseNoted,
        moved("policy_reapplied", end_of(7, 8, 2026), end_of(7, 14, 2026)),
        lambda fact: isinstance(fact, ClockStarted) and fact.clock == "call-back#1",
    )
    after.when(ReapplyPolicy(rest.at, "r-again", "house@3")).then()


def test_a_case_of_another_version_than_the_one_to_be_left_is_not_touched(office: Office) -> None:
    stream = office.case(accepted())
    command = ReapplyPolicy(RECEIVED + DAY, "r1", "house@2", instead_of="house@3")
    stream.when(command).then()


def test_versions_may_follow_upon_each_other_and_a_reopening_goes_by_the_last(
    office: Office,
) -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=SHANGHAI)
    stream = office.case(accepted(summer + timedelta(minutes=9)), received=summer)
    after = stream.when(reapplied("3", summer + DAY)).when(reapplied("2", summer + DAY + DAY))
    assert dues(after)["answer"] == end_of(7, 6, 2026)
    done = after.when(heard("case_handled", 3, summer + 3 * DAY, round=1))
    again = done.when(heard("case_reopened", 4, summer + 6 * DAY, round=2))
    [second] = [clock for clock in again.state.plan if clock.id == "answer#2"]
    assert second.limit == end_of(7, 9, 2026)
