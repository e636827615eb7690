"""Two cases become one: as early and as weighty as either; of the other, what was told is undone."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.few_targets import only
from tests.support.given import Answer, Given, given

from steward_decider import Ring
from steward_events.fact import Fact
from steward_events.sla import (
    BreachWithdrawn,
    CaseNoted,
    ClockBreached,
    ClockCancelled,
    ClockMet,
    ClockStarted,
    Escalated,
    EscalationWithdrawn,
    MajorByAge,
)
from steward_events.vocabulary import Role
from steward_sla.domain.clocks import (
    AcknowledgeEscalation,
    ApproveExtension,
    ClocksCommand,
    ClocksDecider,
    HearCaseFact,
    RequestExtension,
)
from steward_stack import due_times

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(day: str, time: str = "10:00") -> datetime:
    """An instant of autumn 2026; 09-28 is a Monday."""
    return datetime.fromisoformat(f"2026-{day}T{time}").replace(tzinfo=SHANGHAI)


RECEIVED = at("09-29")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = only("important-to-manager", "minor-resolve", "important-resolve", "month-resolve")


def heard(name: str, version: int, when: datetime, **fields: Any) -> HearCaseFact:
    return HearCaseFact(when, "c1", "p1", name, version, fields)


def case(severity: str, *said: ClocksCommand | Fact) -> Given:
    """A complaint of Tuesday at ten, classified at once."""
    first = {"kind": "complaint", "policy": RULES.version, "number": "P1-2"}
    kind = {"severity": severity, "validity": "valid", "cause": "first"}
    received = heard("case_received", 1, RECEIVED, **first)
    classified = heard("case_classified", 2, RECEIVED + timedelta(minutes=5), **kind)
    decider = ClocksDecider({RULES.version: RULES}.__getitem__)
    return given(received, classified, *said, by=decider)


def absorbed(
    when: datetime, received_at: datetime, severity: str | None = "minor", version: int = 9
) -> HearCaseFact:
    fields = {"merged": "c0", "received_at": received_at.isoformat(), "severity": severity}
    given_ = {name: value for name, value in fields.items() if value is not None}
    return heard("case_absorbed", version, when, **given_)


def merged(when: datetime, version: int = 9) -> HearCaseFact:
    return heard("case_merged", version, when, into="c7", into_number="P1-1")


def handled(when: datetime, version: int = 3) -> HearCaseFact:
    return heard("case_handled", version, when, round=1)


def of(facts: tuple[Fact, ...], kind: type[Fact]) -> dict[str, Any]:
    """The facts of one type, by their clock."""
    return {fact.clock: fact for fact in facts if isinstance(fact, kind)}  # type: ignore[attr-defined]


def rung(stream: Given | Answer, until: datetime) -> Answer:
    """Ring all that is due up to an instant; the answer has all that was told."""
    told: list[Fact] = []
    answer = Answer(stream.decider, stream.state, ())
    while (due := answer.decider.wake_at(answer.state)) is not None and due <= until:
        answer = answer.when(Ring(due))
        told += answer.facts
    return Answer(answer.decider, answer.state, tuple(told))


def given_after(answer: Answer) -> Given:
    return Given(answer.decider, answer.state)


# ---- the case that goes on ----


def test_it_counts_from_the_earliest_reception() -> None:
    answer = case("minor").when(absorbed(at("09-29", "12:00"), at("09-28", "09:00")))
    started = of(answer.facts, ClockStarted)
    assert set(started) == {"minor-resolve#1", "month-resolve#1"}
    assert {fact.started_at for fact in started.values()} == {at("09-28", "09:00")}
    assert started["minor-resolve#1"].due_at == at("10-01", "00:00")
    assert started["month-resolve#1"].due_at == at("10-28", "09:00") + timedelta(hours=15)


def test_it_goes_by_the_strictest_severity_from_its_reception() -> None:
    answer = case("minor").when(absorbed(at("09-29", "10:30"), at("09-29"), "important"))
    started, cancelled = of(answer.facts, ClockStarted), of(answer.facts, ClockCancelled)
    assert set(started) == {"important-to-manager#1", "important-resolve#1"}
    assert {fact.started_at for fact in started.values()} == {RECEIVED}
    assert cancelled["minor-resolve#1"].reason == "no_longer_applies"


def test_a_milder_case_makes_it_no_milder() -> None:
    answer = case("important").when(absorbed(at("09-29", "10:30"), at("09-29"), "minor"))
    answer.then(CaseNoted)


def test_what_would_be_late_by_then_is_late_at_its_own_time_and_told_at_once() -> None:
    merger = at("10-01", "09:00")
    told = rung(case("minor").when(absorbed(merger, at("09-27"))), merger)
    breach, escalation = of(told.facts, ClockBreached), of(told.facts, Escalated)
    assert breach["minor-resolve#1"].breached_at == at("09-30", "00:00")
    # Whoever is told has the whole term to answer, from when it was known.
    assert escalation["minor-resolve#1"].told_at == merger
    assert [fact.step for fact in told.facts if isinstance(fact, Escalated)] == [0, 1]


def test_what_is_late_already_stays_late_as_it_was() -> None:
    late = rung(case("minor"), at("10-02", "00:00"))
    assert "minor-resolve#1" in of(late.facts, ClockBreached)
    answer = given_after(late).when(absorbed(at("10-02"), at("09-28")))
    assert set(of(answer.facts, ClockStarted)) == {"month-resolve#1"}
    assert not of(answer.facts, BreachWithdrawn)


def test_what_is_done_already_stays_done() -> None:
    done = case("minor", handled(RECEIVED + HOUR))
    done.when(absorbed(RECEIVED + 2 * HOUR, at("09-20"))).then(CaseNoted)


def test_it_may_absorb_one_after_the_other() -> None:
    once = case("minor", absorbed(at("09-29", "11:00"), at("09-28", "09:00")))
    later = absorbed(at("09-29", "12:00"), at("09-28", "20:00"), version=10)
    once.when(later).then(CaseNoted)
    earlier = once.when(absorbed(at("09-29", "12:00"), at("09-27", "20:00"), version=10))
    assert of(earlier.facts, ClockStarted)["minor-resolve#1"].due_at == at("09-30", "00:00")


def test_more_time_that_was_granted_before_stands() -> None:
    until = at("10-05", "18:00")
    ask = RequestExtension(RECEIVED + HOUR, "x", "minor-resolve#1", until, "a")
    granted = case(
        "minor",
        ask,
        ApproveExtension(RECEIVED + 2 * HOUR, "x", "b", Role.CENTRE_MANAGER),
        heard("owner_informed", 3, RECEIVED + 3 * HOUR, about="new_date", extension_id="x"),
    )
    answer = granted.when(absorbed(RECEIVED + 4 * HOUR, at("09-27")))
    assert of(answer.facts, ClockStarted)["minor-resolve#1"].due_at == until
    handling = given_after(answer).when(handled(at("10-05"), version=10))
    assert of(handling.facts, ClockMet)["minor-resolve#1"].outcome == "with_approval"


def test_a_date_that_its_owner_asked_for_stands() -> None:
    asked = heard("case_corrected", 3, RECEIVED + HOUR, owner_requested_date="2026-10-09")
    answer = case("minor", asked).when(absorbed(RECEIVED + 2 * HOUR, at("09-20")))
    assert of(answer.facts, ClockStarted)["minor-resolve#1"].due_at == at("10-10", "00:00")


def test_a_round_that_began_with_a_reopening_is_not_moved_but_the_month_is() -> None:
    reopened = heard("case_reopened", 4, at("10-01"), round=2)
    again = case("minor", handled(RECEIVED + HOUR), reopened)
    answer = again.when(absorbed(at("10-01", "12:00"), at("09-20")))
    assert set(of(answer.facts, ClockStarted)) == {"month-resolve#2"}


def test_a_clock_that_counts_from_a_change_is_not_moved() -> None:
    change = {"severity": "important", "validity": "valid", "cause": "new_facts"}
    raised = case("minor", heard("case_classified", 3, at("09-30"), **change))
    answer = raised.when(absorbed(at("09-30", "10:10"), at("09-20")))
    assert set(of(answer.facts, ClockStarted)) == {"month-resolve#1"}


@pytest.mark.parametrize(
    ("severity", "to"), [("minor", "centre_manager"), ("major", "general_manager")]
)
def test_the_month_of_the_older_case_raises_it_at_once_unless_it_is_major(
    severity: str, to: str
) -> None:
    merger = RECEIVED + HOUR
    told = rung(case("minor").when(absorbed(merger, at("08-20"), severity)), merger)
    month = [fact for fact in told.facts if getattr(fact, "clock", "") == "month-resolve#1"]
    assert [str(fact.to) for fact in month if isinstance(fact, Escalated)] == [to]
    assert any(isinstance(fact, MajorByAge) for fact in month) is (severity == "minor")


def test_policy_due_answers_as_the_live_service() -> None:
    story = [
        {"type": "case_received", "time": "2026-09-29T10:00:00+08:00", "kind": "complaint"},
        {
            "type": "case_classified",
            "time": "2026-09-29T10:05:00+08:00",
            "severity": "minor",
            "validity": "valid",
        },
        {
            "type": "case_absorbed",
            "time": "2026-09-29T12:00:00+08:00",
            "merged": "c0",
            "received_at": "2026-09-28T09:00:00+08:00",
            "severity": "minor",
        },
    ]
    clocks = {clock["target"]: clock for clock in due_times.answer({"facts": story})["clocks"]}
    live = case("minor").when(absorbed(at("09-29", "12:00"), at("09-28", "09:00")))
    due = of(live.facts, ClockStarted)["minor-resolve#1"].due_at
    assert datetime.fromisoformat(clocks["minor-resolve"]["due"]) == due


# ---- the case that was merged into it ----


def test_of_the_other_the_clocks_end_with_a_pointer_and_its_breach_stands() -> None:
    late = rung(case("minor"), at("10-02", "00:00"))
    told = [fact for fact in late.facts if isinstance(fact, Escalated)]
    assert [str(fact.to) for fact in told] == ["cs_supervisor"]
    answer = given_after(late).when(merged(at("10-02")))
    cancelled = of(answer.facts, ClockCancelled)
    assert set(cancelled) == {"minor-resolve#1", "month-resolve#1"}
    assert {(fact.reason, fact.into) for fact in cancelled.values()} == {("case_merged", "c7")}
    assert not of(answer.facts, BreachWithdrawn)
    # Who was told of it is told where it goes on, and nobody is told of it again.
    [withdrawn] = [fact for fact in answer.facts if isinstance(fact, EscalationWithdrawn)]
    assert (withdrawn.escalation_id, withdrawn.into) == (told[0].escalation_id, "c7")
    assert (withdrawn.number, withdrawn.into_number) == ("P1-2", "P1-1")
    assert answer.decider.wake_at(answer.state) is None
    answer.when(AcknowledgeEscalation(at("10-02", "11:00"), withdrawn.escalation_id, "a")).then()


def test_of_an_escalation_that_was_handed_on_nobody_is_told_twice_when_there_was_no_breach() -> (
    None
):
    late = rung(case("minor"), at("10-02", "00:00"))
    ended = given_after(late).when(merged(at("10-02")))
    answer = given_after(ended).when(handled(at("09-30"), version=10))
    assert of(answer.facts, BreachWithdrawn)
    assert not any(isinstance(fact, EscalationWithdrawn) for fact in answer.facts)


def test_more_time_for_the_other_ends_with_its_clock() -> None:
    ask = RequestExtension(RECEIVED + HOUR, "x", "minor-resolve#1", at("10-05"), "a")
    ended = case("minor", ask, merged(RECEIVED + 2 * HOUR))
    assert ended.decider.wake_at(ended.state) is None
    again = RequestExtension(RECEIVED + 3 * HOUR, "y", "minor-resolve#1", at("10-06"), "a")
    assert "ended" in ended.refuses(again).reason
