"""What is seen to every week: when it is owed, done, and missed."""

from datetime import date, datetime

import pytest
from tests.support.given import Given
from tests.support.rules import rule

from steward_decider import NotHeardYet, Ring
from steward_events.visits import DutyDone, DutyDue, DutyMissed, DutyNoted
from steward_policy.packs import Rules, built_in
from steward_visits.domain.duties import DutiesDecider, NoteDone, NoteThing

THING = ("b1", "garden", "Asia/Shanghai", "g1", "residential-cn")


def at(day: str, time: str = "10:00") -> datetime:
    """An instant of October 2026 in Shanghai; the 5th and the 12th are Mondays."""
    return datetime.fromisoformat(f"2026-10-{day}T{time}:00+08:00")


def in_force(pack: str, day: date, group_id: str | None, project_id: str) -> Rules | None:
    return built_in(pack)


HUNG = NoteThing(at("08"), *THING, ended=False)
FIRST, SECOND, THIRD = Ring(at("12", "00:00")), Ring(at("19", "00:00")), Ring(at("26", "00:00"))


def a_box() -> Given:
    decider = DutiesDecider(in_force)
    return Given(decider, decider.initial)


@rule("RM-4.2.8")
def test_nothing_is_owed_for_the_week_in_which_it_was_hung_up() -> None:
    hung = a_box().when(HUNG).then(DutyNoted)
    [_, due] = hung.when(FIRST).then(DutyNoted, DutyDue).facts
    assert isinstance(due, DutyDue)
    assert (due.period, due.by, due.role) == ("2026-W42", at("19", "00:00"), "cs_supervisor")
    assert due.rule == ("RM-4.2.8",)


@rule("RM-4.2.8")
def test_a_box_that_nobody_opened_in_a_week_is_missed_when_it_ends() -> None:
    owed = a_box().when(HUNG).then(DutyNoted).when(FIRST).then(DutyNoted, DutyDue)
    owed.when(Ring(at("18", "23:59"))).then()
    owed.when(SECOND).then(DutyMissed, DutyNoted, DutyDue)


@rule("RM-4.2.8")
def test_an_opening_answers_for_its_own_week_alone() -> None:
    owed = a_box().when(HUNG).then(DutyNoted).when(FIRST).then(DutyNoted, DutyDue)
    opened = owed.when(NoteDone(at("14"))).then(DutyDone)
    opened.when(NoteDone(at("15"))).then()
    opened.when(SECOND).then(DutyNoted, DutyDue).when(THIRD).then(DutyMissed, DutyNoted, DutyDue)


@rule("RM-4.2.8")
def test_an_opening_that_is_written_down_late_was_in_time() -> None:
    owed = a_box().when(HUNG).then(DutyNoted).when(FIRST).then(DutyNoted, DutyDue)
    missed = owed.when(SECOND).then(DutyMissed, DutyNoted, DutyDue)
    [done] = missed.when(NoteDone(at("18", "22:00"))).then(DutyDone).facts
    assert isinstance(done, DutyDone)
    assert done.period == "2026-W42"


def test_an_opening_may_be_heard_before_the_bell_that_ends_the_week_before() -> None:
    owed = a_box().when(HUNG).then(DutyNoted).when(FIRST).then(DutyNoted, DutyDue)
    facts = owed.when(NoteDone(at("19", "09:00"))).then(DutyMissed, DutyNoted, DutyDue, DutyDone)
    facts.when(SECOND).then()


def test_a_box_that_was_taken_away_owes_nothing() -> None:
    owed = a_box().when(HUNG).then(DutyNoted).when(FIRST).then(DutyNoted, DutyDue)
    gone = owed.when(NoteThing(at("14"), *THING, ended=True)).then(DutyNoted)
    gone.when(SECOND).then().when(NoteDone(at("15"))).then()


def test_an_opening_of_a_box_that_was_not_heard_of_waits() -> None:
    with pytest.raises(NotHeardYet):
        a_box().when(NoteDone(at("14")))
