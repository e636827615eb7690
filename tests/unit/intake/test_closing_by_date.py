"""A service request that was handled and that nobody closed closes by itself on its date."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.given import given
from tests.support.rules import rule
from tests.unit.intake.test_daily_life import WORDS, a_case

from steward_decider import Ring
from steward_events.fact import Fact
from steward_events.intake import (
    CaseClosed,
    CaseHandled,
    CasePaused,
    CaseReopened,
    CaseResumed,
    FollowupNoted,
    FollowupOwed,
    ResultTold,
    SatisfactionGiven,
)
from steward_events.recorded import Recorded
from steward_events.visits import FollowupDone, FollowupDue, FollowupWaived
from steward_events.vocabulary import Kind, Mode
from steward_eventstore.execute import To
from steward_intake.api.subscribers import on_visits
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.commands import CloseCase, HandleCase, ReopenCase

CASE = CaseDecider()
MONDAY = datetime.fromisoformat("2026-09-28T10:00:00+08:00")
END = datetime.fromisoformat("2026-10-02T00:00:00+08:00")
"""24:00 of Thursday, the third day after."""
MOMENT = timedelta(microseconds=1)
REQUEST = a_case(Kind.SERVICE_REQUEST)
HANDLED = CaseHandled(case_id="c", closes_on=END)
TOLD = ResultTold(case_id="c", how="phone")
OWED = FollowupOwed(case_id="c", followup_id="f", round=1)
BY_DATE = CaseClosed(case_id="c", missing=("owner_confirmed",), reason="by_date")


def wakes(*past: Fact) -> datetime | None:
    return CASE.wake_at(given(*past, by=CASE).state)


def heard(at: datetime, fact: Fact) -> list[To]:
    place = ("followups-c", 3, "p", "/steward/visits")
    return [*on_visits(Recorded(UUID(int=1), fact.wire_type, *place, at, at, at, fact))]


def followup(kind: Any, *, at: datetime = MONDAY, **more: Any) -> list[Any]:
    said = {"followup_id": "f", "case_id": "c", "project_id": "p", "rule": ("FU-4.1.2.3d",), **more}
    return [to.command for to in heard(at, kind(**said))]


def due(**more: Any) -> list[Any]:
    return followup(FollowupDue, mode=Mode.PHONE, by=END, **more)


@rule("RC-5.4")
@pytest.mark.parametrize("by", ["steward", "external", "history"])
def test_a_request_closes_at_the_end_of_the_third_day_after_its_completion(by: Any) -> None:
    handled = given(REQUEST, by=CASE).when(HandleCase(MONDAY, by=by)).then(HANDLED)
    assert CASE.wake_at(handled.state) == END
    handled.when(Ring(END - MOMENT)).then()
    closed = handled.when(Ring(END)).then(BY_DATE)
    assert CASE.wake_at(closed.state) is None
    closed.when(CloseCase(END)).then()


@rule("RC-5.4")
@pytest.mark.parametrize(
    ("zone", "end"),
    [("Asia/Shanghai", "2026-10-03T00:00+08:00"), ("Europe/Berlin", "2026-10-02T00:00+02:00")],
)
def test_the_days_are_those_of_the_project(zone: str, end: str) -> None:
    at = datetime.fromisoformat("2026-09-29T01:00:00+08:00")
    request = REQUEST.model_copy(update={"zone": zone})
    closes_on = datetime.fromisoformat(end)
    given(request, by=CASE).when(HandleCase(at)).then(CaseHandled(case_id="c", closes_on=closes_on))


@rule("RC-5.4")
@pytest.mark.parametrize(
    ("days_later", "end"),
    [(0, END), (2, END), (3, END + timedelta(days=1)), (30, END + timedelta(days=28))],
)
def test_what_is_told_late_closes_on_its_date_and_not_before_the_next_day_has_passed(
    days_later: int, end: datetime
) -> None:
    late = HandleCase(MONDAY, by="external", said_at=MONDAY + timedelta(days=days_later))
    given(REQUEST, by=CASE).when(late).then(CaseHandled(case_id="c", closes_on=end))


@rule("RC-5.4")
def test_what_the_owner_was_told_or_has_said_is_not_missing() -> None:
    confirmed = BY_DATE.model_copy(update={"missing": ()})
    for said in (TOLD, SatisfactionGiven(case_id="c", score=4)):
        assert wakes(REQUEST, HANDLED, said) == END
        given(REQUEST, HANDLED, said, by=CASE).when(Ring(END)).then(confirmed)


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.SERVICE_REQUEST}))
def test_nothing_else_closes_by_itself(kind: Kind) -> None:
    said = HandleCase(MONDAY, None, WORDS, WORDS, "external")
    handled = given(a_case(kind), by=CASE).when(said).then(CaseHandled)
    assert CASE.wake_at(handled.state) is None
    # Nor is anything noted that would keep it open.
    [owed] = due()
    handled.when(owed).then()


@rule("RC-5.4")
def test_a_request_of_which_each_is_followed_up_stays_open_until_it_is() -> None:
    [said] = due(rate=1.0)
    owed = given(REQUEST, HANDLED, by=CASE).when(said).then(OWED)
    assert CASE.wake_at(owed.state) is None
    owed.when(Ring(END)).then()
    owed.when(said).then()
    assert due(rate=0.7) == []


@rule("RC-5.4")
@pytest.mark.parametrize(
    ("kind", "how"),
    [(FollowupDone, {"mode": Mode.PHONE}), (FollowupWaived, {"reason": "reclassified"})],
)
def test_a_request_that_was_followed_up_closes_on_its_date_or_then_if_that_has_come(
    kind: Any, how: dict[str, Any]
) -> None:
    owed = given(REQUEST, HANDLED, OWED, by=CASE)
    [before] = followup(kind, at=END - MOMENT, **how)
    noted = owed.when(before).then(FollowupNoted)
    assert CASE.wake_at(noted.state) == END
    [after] = followup(kind, at=END + timedelta(days=1), **how)
    closed = owed.when(after).then(FollowupNoted, BY_DATE.model_copy(update={"missing": ()}))
    closed.when(after).then()


@rule("RC-5.4")
def test_a_follow_up_that_is_owed_again_keeps_it_open_again() -> None:
    waived = FollowupNoted(case_id="c", followup_id="f", round=1, outcome="waived")
    [said] = due()
    again = given(REQUEST, HANDLED, OWED, waived, by=CASE).when(said).then(OWED)
    assert CASE.wake_at(again.state) is None
    [done] = followup(FollowupDone, mode=Mode.PHONE)
    assert CASE.wake_at(again.when(done).then(FollowupNoted).state) == END


@rule("RC-5.4")
def test_an_owner_who_is_not_content_after_the_date_reopens_it_and_closes_nothing() -> None:
    reopen, noted = followup(
        FollowupDone, at=END + timedelta(days=1), mode=Mode.PHONE, satisfied=False
    )
    reopened = given(REQUEST, HANDLED, OWED, by=CASE).when(reopen).then(CaseReopened)
    reopened.when(noted).then(FollowupNoted)
    assert CASE.wake_at(reopened.state) is None


def test_a_follow_up_that_is_owed_after_it_has_closed_changes_nothing() -> None:
    [said] = due()
    closed = given(REQUEST, HANDLED, BY_DATE, by=CASE).when(said).then(OWED)
    assert CASE.wake_at(closed.state) is None
    closed.when(CloseCase(END)).then()


def test_a_reopened_request_closes_on_the_date_of_its_next_round() -> None:
    closed = given(REQUEST, HANDLED, OWED, BY_DATE, by=CASE)
    reopened = closed.when(ReopenCase(END)).then(CaseReopened(case_id="c", round=2))
    assert CASE.wake_at(reopened.state) is None
    again = reopened.when(HandleCase(END)).then(
        CaseHandled(case_id="c", round=2, closes_on=END + timedelta(days=4))
    )
    # What was owed of the last round keeps this one open no longer.
    assert CASE.wake_at(again.state) == END + timedelta(days=4)
    [late] = due(round=1)
    assert CASE.wake_at(again.when(late).state) == END + timedelta(days=4)


def test_who_closes_it_before_has_closed_it() -> None:
    closed = given(REQUEST, HANDLED, TOLD, by=CASE).when(CloseCase(MONDAY)).then(CaseClosed)
    assert CASE.wake_at(closed.state) is None
    closed.when(Ring(END)).then()


def test_work_done_during_a_wait_closes_by_its_own_date() -> None:
    paused = CasePaused(case_id="c", reason="waiting_owner", resume_on=END)
    handled = given(REQUEST, paused, by=CASE).when(HandleCase(MONDAY)).then(CaseResumed, HANDLED)
    assert CASE.wake_at(handled.state) == END


def test_what_was_handled_before_there_was_a_date_closes_only_by_somebody() -> None:
    assert wakes(REQUEST, CaseHandled(case_id="c")) is None
