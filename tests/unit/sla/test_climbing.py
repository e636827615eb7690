"""What nobody answers climbs role by role, until somebody does, it is done, or the top is reached."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.few_targets import only
from tests.support.given import Answer, Given, given
from tests.support.rules import rule

from steward_decider import Ring
from steward_events.fact import Fact
from steward_events.sla import (
    BreachWithdrawn,
    ClockBreached,
    ClockCancelled,
    ClockStarted,
    Escalated,
    EscalationAcknowledged,
    EscalationWithdrawn,
    MajorByAge,
)
from steward_sla.domain.clocks import AcknowledgeEscalation, ClocksDecider, HearCaseFact

SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 9, 28, 10, tzinfo=SHANGHAI)
DUE = datetime(2026, 10, 1, tzinfo=SHANGHAI)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def heard(name: str, version: int, at: datetime, **fields: Any) -> HearCaseFact:
    return HearCaseFact(at, "c1", "p1", name, version, fields)


def complaint(*targets: str, history: datetime | None = None, **said: Any) -> Given:
    """A complaint of ten o'clock on a Monday, under these targets of the pack."""
    rules = only(*targets)
    fields = {"kind": "complaint", "policy": rules.version, **said}
    command = HearCaseFact(RECEIVED, "c1", "p1", "case_received", 1, fields, history)
    return given(command, by=ClocksDecider({rules.version: rules}.__getitem__))


def classified(severity: str, version: int = 2) -> HearCaseFact:
    fields = {"severity": severity, "validity": "valid", "cause": "first"}
    return heard("case_classified", version, RECEIVED + timedelta(minutes=5), **fields)


def rung(stream: Given | Answer, until: datetime) -> tuple[list[Fact], Answer]:
    """All that is told up to an instant, alarm by alarm."""
    told: list[Fact] = []
    answer = Answer(stream.decider, stream.state, ())
    while (at := answer.decider.wake_at(answer.state)) is not None and at <= until:
        answer = answer.when(Ring(at))
        told += answer.facts
    return told, answer


def climbs(told: list[Fact]) -> list[tuple[str, str, str]]:
    return [
        (f.to.value, f"{f.told_at:%m-%d %H:%M}", f.because or "step")
        for f in told
        if isinstance(f, Escalated)
    ]


MINOR_LATE = [
    ("cs_supervisor", "10-01 00:00", "step"),
    ("deputy_manager", "10-01 12:30", "unacknowledged"),
    ("centre_manager", "10-01 16:30", "unacknowledged"),
    ("centre_manager", "10-02 00:00", "step"),
    ("company_leader", "10-02 12:30", "unacknowledged"),
    ("general_manager", "10-02 16:30", "unacknowledged"),
]


@rule("RM-4.5.2a", "RM-3.1")
def test_who_is_told_late_has_the_whole_time_to_take_it_over() -> None:
    major = {"severity": "major", "validity": "valid", "cause": "first"}
    known = complaint("major-to-leader").when(
        heard("case_classified", 2, RECEIVED + 5 * HOUR, **major)
    )
    told, _ = rung(known, RECEIVED + 13 * HOUR)
    assert climbs(told) == [("company_leader", "09-28 15:00", "step")]


@rule("RM-4.5.2b")
def test_what_is_late_when_it_becomes_known_is_told_once_to_whom_its_start_was_for() -> None:
    important = {"severity": "important", "validity": "valid", "cause": "first"}
    at = RECEIVED + timedelta(minutes=90)
    known = complaint("important-to-manager").when(heard("case_classified", 2, at, **important))
    told, _ = rung(known, at)
    assert climbs(told) == [("centre_manager", "09-28 11:30", "step")]
    assert [f.breach for f in told if isinstance(f, Escalated)] == [1]


@rule("RM-4.5.2b")
def test_of_what_was_done_before_a_move_nobody_is_told_where_the_case_goes_on() -> None:
    moved_at, rules = RECEIVED + timedelta(minutes=30), only("important-to-manager")
    fields = {"kind": "complaint", "policy": rules.version, "moved_from": "c0"}
    received = HearCaseFact(RECEIVED, "c1", "p2", "case_received", 1, fields, known_at=moved_at)
    decider = ClocksDecider({rules.version: rules}.__getitem__)
    here = given(received, classified("important"), by=decider)
    accepted = heard("case_accepted", 3, RECEIVED + timedelta(minutes=15), role="centre_manager")
    assert rung(here, moved_at - timedelta(seconds=1))[0] == []
    told, _ = rung(here, moved_at)
    assert climbs(told) == [("centre_manager", "09-28 10:30", "step")]
    assert rung(here.when(accepted), moved_at + DAY)[0] == []


def test_a_breach_that_nobody_answers_climbs_every_four_duty_hours_to_the_top() -> None:
    told, answer = rung(complaint("minor-resolve").when(classified("minor")), DUE + 90 * DAY)
    assert climbs(told) == MINOR_LATE
    names = [f.escalation_id for f in told if isinstance(f, Escalated)]
    assert len(set(names)) == len(names)
    assert answer.decider.wake_at(answer.state) is None


def test_nobody_is_passed_over_who_could_not_be_told_before_it_was_known() -> None:
    noon = DUE + 2 * DAY + 12 * HOUR
    late = replace(classified("minor"), known_at=noon)
    told, _ = rung(complaint("minor-resolve").when(late), DUE + 90 * DAY)
    assert climbs(told) == [
        ("cs_supervisor", "10-03 12:00", "step"),
        ("centre_manager", "10-03 12:00", "step"),
        ("company_leader", "10-03 16:00", "unacknowledged"),
        ("general_manager", "10-04 10:30", "unacknowledged"),
    ]


def test_nobody_is_passed_over_where_a_due_time_moves_back_into_the_past() -> None:
    waits = {"reason": "waiting_owner", "resume_on": (RECEIVED + 6 * DAY).isoformat()}
    paused = heard("case_paused", 3, RECEIVED + HOUR, **waits)
    noon = DUE + 12 * HOUR
    resumed = replace(heard("case_resumed", 4, RECEIVED + 2 * HOUR), known_at=noon)
    stream = complaint("minor-resolve").when(classified("minor")).when(paused).when(resumed)
    told, _ = rung(stream, DUE + 20 * HOUR)
    assert climbs(told) == [
        ("cs_supervisor", "10-01 12:00", "step"),
        ("deputy_manager", "10-01 16:00", "unacknowledged"),
    ]


@pytest.mark.parametrize("answered", [1, 2, 4])
def test_an_acknowledgement_stops_the_climb(answered: int) -> None:
    stream: Given | Answer = complaint("minor-resolve").when(classified("minor"))
    told: list[Fact] = []
    while len(climbs(told)) < answered:
        at = stream.decider.wake_at(stream.state)
        assert at is not None
        stream = stream.when(Ring(at))
        told += stream.facts
    last = [f for f in told if isinstance(f, Escalated)][-1]
    command = AcknowledgeEscalation(DUE + DAY, last.escalation_id, "m1")
    taken = stream.when(command)
    assert [f.escalation_id for f in taken.facts if isinstance(f, EscalationAcknowledged)] == [
        f.escalation_id for f in told if isinstance(f, Escalated)
    ]
    more, _ = rung(taken, DUE + 90 * DAY)
    assert climbs(told) == MINOR_LATE[:answered]
    assert not climbs(more)


def test_what_one_has_taken_over_another_is_refused_and_told_who_has_it() -> None:
    told, late = rung(complaint("minor-resolve").when(classified("minor")), DUE + 17 * HOUR)
    first, second, *_ = [f.escalation_id for f in told if isinstance(f, Escalated)]
    at = DUE + DAY
    answer = late.when(AcknowledgeEscalation(at, second, "m1", alone=True))
    assert answer.facts
    taken = Given(answer.decider, answer.state)
    for name in (first, second):
        taken.when(AcknowledgeEscalation(at, name, "m1", alone=True)).then()
        refused = taken.refuses(AcknowledgeEscalation(at, name, "m2", alone=True))
        assert refused.reason == "This was acknowledged already: “m1” has taken it over."
        # Among many that one answer takes over, it holds nothing up.
        taken.when(AcknowledgeEscalation(at, name, "m2")).then()


def test_what_is_done_climbs_no_further() -> None:
    late = complaint("minor-resolve").when(classified("minor"))
    told, answer = rung(late, DUE + 14 * HOUR)
    assert climbs(told) == MINOR_LATE[:2]
    done, _ = rung(answer.when(heard("case_handled", 3, DUE + 15 * HOUR)), DUE + 90 * DAY)
    assert not climbs(done)


def test_a_withdrawn_breach_takes_back_all_that_it_climbed() -> None:
    late = complaint("minor-resolve").when(classified("minor"))
    _, answer = rung(late, DUE + 14 * HOUR)
    mended = answer.when(heard("case_handled", 3, DUE - HOUR))
    told = [f.to for f in mended.facts if isinstance(f, EscalationWithdrawn)]
    assert told == ["cs_supervisor", "deputy_manager"]


def test_of_history_nobody_was_told_so_that_it_climbs_by_the_packs_steps_alone() -> None:
    old = complaint("minor-resolve", history=DUE + 30 * DAY).when(classified("minor"))
    told, _ = rung(old, DUE + 90 * DAY)
    assert climbs(told) == [MINOR_LATE[0], MINOR_LATE[3]]


@rule("RM-4.9")
def test_harm_is_told_to_the_manager_at_once_and_climbs_every_quarter_of_an_hour() -> None:
    told, _ = rung(complaint("harm-stopped", harm_ongoing=True), RECEIVED + DAY)
    assert climbs(told) == [
        ("centre_manager", "09-28 10:00", "step"),
        ("company_leader", "09-28 10:15", "unacknowledged"),
        ("company_leader", "09-28 10:30", "step"),
        ("general_manager", "09-28 10:45", "unacknowledged"),
    ]


@rule("RM-4.9")
def test_who_acknowledged_the_beginning_has_not_answered_for_the_breach() -> None:
    told, answer = rung(complaint("harm-stopped", harm_ongoing=True), RECEIVED)
    [first] = [f for f in told if isinstance(f, Escalated)]
    minutes = timedelta(minutes=1)
    taken = answer.when(AcknowledgeEscalation(RECEIVED + 5 * minutes, first.escalation_id, "m1"))
    late = RECEIVED + 30 * minutes
    assert taken.decider.wake_at(taken.state) == late
    breached = taken.when(Ring(late))
    assert climbs(list(breached.facts)) == [("company_leader", "09-28 10:30", "step")]
    assert breached.decider.wake_at(breached.state) == late + 15 * minutes
    [second] = [f for f in breached.facts if isinstance(f, Escalated)]
    again = breached.when(AcknowledgeEscalation(late, second.escalation_id, "m2"))
    [fact] = again.facts
    assert isinstance(fact, EscalationAcknowledged)
    assert fact.escalation_id == second.escalation_id


@rule("RM-3.2", "RM-3.1", "RM-4.5.2a")
@pytest.mark.parametrize(
    ("target", "severity", "said", "to"),
    [
        ("minor-to-supervisor", "minor", {}, "cs_supervisor"),
        ("weighty-to-leader", "minor", {"injury": True}, "company_leader"),
        ("major-to-leader", "major", {}, "company_leader"),
    ],
)
def test_who_has_to_take_it_is_told_when_it_begins(
    target: str, severity: str, said: dict[str, Any], to: str
) -> None:
    told, _ = rung(complaint(target, **said).when(classified(severity)), RECEIVED + HOUR)
    assert [(f.to, f.breach) for f in told if isinstance(f, Escalated)] == [(to, 0)]


@rule("RM-4.10.2", "RM-3.1")
def test_an_important_complaint_that_is_late_is_told_to_the_company_leader_the_same_day() -> None:
    told, _ = rung(complaint("important-resolve").when(classified("important")), DUE + DAY)
    assert climbs(told) == [
        ("centre_manager", "10-02 00:00", "step"),
        ("company_leader", "10-02 00:00", "step"),
    ]


# ---- a month (RM-4.4.1c) ----

MONTH = datetime(2026, 10, 29, tzinfo=SHANGHAI)


@rule("RM-4.4.1c")
def test_a_valid_complaint_unresolved_after_a_month_is_major_from_then_on() -> None:
    told, answer = rung(complaint("month-resolve").when(classified("minor")), MONTH)
    breach, major, climb = told[-3:]
    assert isinstance(breach, ClockBreached)
    assert isinstance(major, MajorByAge)
    assert (major.clock, breach.breached_at) == ("month-resolve#1", MONTH)
    assert isinstance(climb, Escalated)
    assert climb.to == "centre_manager"
    raised = answer.when(heard("severity_raised", 3, MONTH, severity="major", cause="age"))
    more, _ = rung(raised, MONTH + HOUR)
    assert not more


@rule("RM-4.4.1c")
def test_of_a_complaint_that_is_major_already_the_general_manager_is_told_instead() -> None:
    told, _ = rung(complaint("month-resolve").when(classified("major")), MONTH)
    assert not [f for f in told if isinstance(f, MajorByAge)]
    assert climbs(told) == [("general_manager", "10-29 00:00", "step")]


@rule("RM-4.4.1c")
def test_a_reopening_after_the_month_makes_it_major_at_once() -> None:
    stream = complaint("month-resolve").when(classified("minor"))
    handled = stream.when(heard("case_handled", 3, MONTH - DAY))
    again = handled.when(heard("case_reopened", 4, MONTH + DAY, round=2))
    told, _ = rung(again, MONTH + DAY)
    assert [type(f) for f in told] == [ClockBreached, MajorByAge, Escalated]


def appointed(version: int, at: datetime, to: datetime, **more: Any) -> HearCaseFact:
    fields = {"appointment_id": "v", "at": to.isoformat(), **more}
    return HearCaseFact(at, "c1", "p1", "appointment_made", version, fields)


@rule("FU-S1", "FU-4.1.3")
def test_what_is_agreed_anew_climbs_no_further_and_is_told_again_when_late_again() -> None:
    noon = RECEIVED + 2 * HOUR
    stream = complaint("appointment-kept").when(appointed(2, RECEIVED, noon))
    told, answer = rung(stream, noon + HOUR)
    assert climbs(told) == [("cs_supervisor", "09-28 12:30", "step")]
    anew = appointed(3, noon + HOUR, noon + 3 * HOUR, moved_by="owner")
    answer = answer.when(anew)
    ended = [(f.clock, f.reason) for f in answer.facts if isinstance(f, ClockCancelled)]
    assert ended == [("appointment-kept#1:v", "appointment_made")]
    told, answer = rung(answer, noon + 5 * HOUR)
    assert climbs(told) == [("cs_supervisor", "09-28 15:30", "step")]
    [breach] = [f for f in told if isinstance(f, ClockBreached)]
    assert breach.clock == "appointment-kept#1:v.2"
    kept = heard("appointment_kept", 4, noon + 5 * HOUR, appointment_id="v")
    assert rung(answer.when(kept), noon + 90 * DAY)[0] == []


def test_what_was_moved_in_time_and_heard_of_late_was_never_owed_anew() -> None:
    noon = RECEIVED + 2 * HOUR
    stream = complaint("appointment-kept").when(appointed(2, RECEIVED, noon))
    anew = appointed(4, noon + HOUR, noon + 3 * HOUR, moved_by="owner")
    _, answer = rung(stream, noon + HOUR)
    answer = answer.when(anew)
    assert any(isinstance(fact, ClockStarted) for fact in answer.facts)
    answer = answer.when(appointed(3, noon + HOUR / 2, noon + 2 * HOUR, moved_by="owner"))
    found = {type(f): getattr(f, "clock", "") for f in answer.facts}
    first, second = "appointment-kept#1:v", "appointment-kept#1:v.2"
    assert found[BreachWithdrawn] == found[EscalationWithdrawn] == first
    assert found[ClockCancelled] == second
    told, _ = rung(answer, noon + 3.5 * HOUR)
    assert climbs(told) == [("cs_supervisor", "09-28 15:30", "step")]


@rule("RM-4.6.1")
def test_what_another_department_was_given_climbs_no_further() -> None:
    case = complaint("dispatch-accepted").when(classified("minor"))
    case = case.when(heard("case_dispatched", 3, RECEIVED + HOUR / 2, dispatch_id="a"))
    told, answer = rung(case, RECEIVED + 3 * HOUR)
    assert climbs(told) == [
        ("department_head", "09-28 10:30", "step"),
        ("department_head", "09-28 12:30", "step"),
    ]
    answer = answer.when(heard("case_dispatched", 4, RECEIVED + 3 * HOUR, dispatch_id="b"))
    told, answer = rung(answer, RECEIVED + 4 * HOUR)
    assert climbs(told) == [("department_head", "09-28 13:00", "step")]
    answer = answer.when(heard("dispatch_accepted", 5, RECEIVED + 4 * HOUR, dispatch_id="b"))
    assert rung(answer, RECEIVED + 90 * DAY)[0] == []


@rule("RM-4.6.1")
def test_the_department_is_told_at_once_of_what_it_is_given_and_once_in_each_round() -> None:
    night = RECEIVED + 13 * HOUR
    case = complaint("dispatch-accepted").when(classified("minor"))
    case = case.when(heard("case_dispatched", 3, night, dispatch_id="a"))
    told, answer = rung(case, night)
    [first] = (fact for fact in told if isinstance(fact, Escalated))
    assert (first.breach, first.to, first.deliver) == (0, "department_head", "at_once")
    again = answer.when(heard("case_dispatched", 4, night + HOUR / 4, dispatch_id="a"))
    accepted = again.when(heard("dispatch_accepted", 5, night + HOUR / 2, dispatch_id="a"))
    assert climbs(rung(accepted, night + 90 * DAY)[0]) == []
    reopened = accepted.when(heard("case_handled", 6, night + HOUR, round=1))
    reopened = reopened.when(heard("case_reopened", 7, night + 10 * HOUR, round=2))
    assert climbs(rung(reopened, night + 11 * HOUR)[0]) == []
    given_anew = reopened.when(heard("case_dispatched", 8, night + 11 * HOUR, dispatch_id="b"))
    told, _ = rung(given_anew, night + 11 * HOUR)
    assert climbs(told) == [("department_head", "09-29 10:00", "step")]
