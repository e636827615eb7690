"""The clocks of a case, rule by rule: what starts them, what is told, and what a late fact undoes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.few_targets import only
from tests.support.given import Answer, Given, given
from tests.support.rules import rule

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.fact import Fact
from steward_events.sla import (
    BreachWithdrawn,
    CaseNoted,
    ClockBreached,
    ClockCancelled,
    ClockMet,
    ClockPaused,
    ClockRescheduled,
    ClockResumed,
    ClockStarted,
    ClockWarned,
    Escalated,
    EscalationAcknowledged,
    EscalationWithdrawn,
    OwnerDateDeclined,
)
from steward_policy import packs
from steward_policy.packs import Rules
from steward_service.policies import Policies
from steward_sla.domain.clocks import AcknowledgeEscalation, ClocksDecider, HearCaseFact

SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 9, 29, 10, tzinfo=SHANGHAI)
END_OF_DAY_TWO = datetime(2026, 10, 2, tzinfo=SHANGHAI)
END_OF_DAY_THREE = datetime(2026, 10, 3, tzinfo=SHANGHAI)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clocks() -> ClocksDecider:
    rules = only("important-to-manager", "minor-resolve", "important-resolve")
    return ClocksDecider({rules.version: rules}.__getitem__)


def heard(name: str, version: int, at: datetime, **fields: Any) -> HearCaseFact:
    return HearCaseFact(at, "c1", "p1", name, version, fields)


def received(**fields: Any) -> HearCaseFact:
    said = {
        "kind": "complaint",
        "number": "P1-2026-000001",
        "policy": packs.built_in().version,
        "zone": "Asia/Shanghai",
        **fields,
    }
    return heard("case_received", 1, RECEIVED, **said)


def classified(severity: str, **fields: Any) -> HearCaseFact:
    said = {"validity": "valid", "cause": "first", **fields}
    at = RECEIVED + timedelta(minutes=5)
    return heard("case_classified", 2, at, severity=severity, **said)


def handled(at: datetime, version: int = 3) -> HearCaseFact:
    return heard("case_handled", version, at, round=1)


def the_clock(kind: type[Fact], clock: str, **fields: object) -> Any:
    """A fact of this type about this clock, with these fields."""

    def meets(fact: Fact) -> bool:
        said = {"clock": clock, **fields}
        return isinstance(fact, kind) and all(
            getattr(fact, name) == value for name, value in said.items()
        )

    return meets


def alarm(stream: Given) -> Ring:
    at = stream.decider.wake_at(stream.state)
    assert at is not None, "the stream asks for no alarm"
    return Ring(at)


def rung_out(stream: Given) -> list[Fact]:
    """All that is told, alarm by alarm, until none is left."""
    told: list[Fact] = []
    while (at := stream.decider.wake_at(stream.state)) is not None:
        answer = stream.when(Ring(at))
        told += answer.facts
        stream = Given(stream.decider, answer.state)
    return told


# ---- minor complaints ----


@rule("RM-4.5.2c", "RM-4.10.1")
def test_a_minor_complaint_has_two_days_from_its_reception(clocks: ClocksDecider) -> None:
    given(received(), by=clocks).when(classified("minor")).then(
        CaseNoted,
        the_clock(
            ClockStarted,
            "minor-resolve#1",
            rule=("RM-4.5.2c", "RM-4.10.1"),
            started_at=RECEIVED,
            due_at=END_OF_DAY_TWO,
            provisional=False,
        ),
    )


@rule("RM-4.5.2c", "RM-4.10.1", "RM-3.2")
def test_a_minor_complaint_past_two_days_goes_to_the_supervisor_then_to_the_manager(
    clocks: ClocksDecider,
) -> None:
    stream = given(received(), classified("minor"), by=clocks)
    warned = stream.when(Ring(END_OF_DAY_TWO - 10 * HOUR)).then(ClockWarned)
    warned.when(Ring(END_OF_DAY_TWO)).then(
        the_clock(ClockBreached, "minor-resolve#1", breached_at=END_OF_DAY_TWO, number=1),
        the_clock(Escalated, "minor-resolve#1", to="cs_supervisor", deliver="duty_hours", step=0),
    )
    told = [fact for fact in rung_out(stream) if isinstance(fact, Escalated) and not fact.because]
    assert [(fact.to, fact.step, fact.number, fact.told_at) for fact in told] == [
        ("cs_supervisor", 0, "P1-2026-000001", END_OF_DAY_TWO),
        ("centre_manager", 1, "P1-2026-000001", END_OF_DAY_TWO + DAY),
    ]


@rule("RM-4.5.2c")
def test_a_minor_complaint_handled_exactly_at_the_due_time_is_in_time(
    clocks: ClocksDecider,
) -> None:
    met = given(received(), classified("minor"), by=clocks).when(handled(END_OF_DAY_TWO))
    met.then(CaseNoted, the_clock(ClockMet, "minor-resolve#1", outcome="in_time"))
    assert clocks.wake_at(met.state) is None


@rule("RM-4.5.2c")
def test_a_minor_complaint_handled_late_is_met_and_stays_breached(clocks: ClocksDecider) -> None:
    late = END_OF_DAY_TWO + HOUR
    given(received(), classified("minor"), Ring(END_OF_DAY_TWO), by=clocks).when(
        handled(late)
    ).then(CaseNoted, the_clock(ClockMet, "minor-resolve#1", met_at=late, outcome="breached"))


@rule("RM-4.5.2c")
def test_a_later_date_that_the_owner_asked_for_replaces_the_two_days(
    clocks: ClocksDecider,
) -> None:
    asked = "2026-10-05T18:00:00+08:00"
    given(received(owner_requested_date=asked), by=clocks).when(classified("minor")).then(
        CaseNoted,
        the_clock(ClockStarted, "minor-resolve#1", due_at=datetime.fromisoformat(asked)),
    )


@rule("RM-4.5.2c")
def test_an_earlier_date_that_nobody_accepted_is_told_to_the_owner_once(
    clocks: ClocksDecider,
) -> None:
    asked, sooner = RECEIVED + DAY, RECEIVED + DAY / 2
    declined = the_clock(
        OwnerDateDeclined, "minor-resolve#1", asked_for=asked, due_at=END_OF_DAY_TWO
    )
    case = given(received(owner_requested_date=asked.isoformat()), by=clocks)
    known = case.when(classified("minor"))
    known.then(
        CaseNoted, the_clock(ClockStarted, "minor-resolve#1", due_at=END_OF_DAY_TWO), declined
    )
    chased = known.when(heard("case_corrected", 3, RECEIVED + HOUR, topic="门"))
    assert not declined_in(chased)
    corrected = chased.when(
        heard("case_corrected", 4, RECEIVED + HOUR, owner_requested_date=sooner.isoformat())
    )
    assert declined_in(corrected) == [sooner]
    done = corrected.when(heard("case_handled", 5, RECEIVED + 2 * HOUR, round=1))
    again = done.when(heard("case_reopened", 6, RECEIVED + 3 * HOUR, round=2))
    assert not declined_in(again)
    late = received(owner_requested_date=asked.isoformat())
    assert not declined_in(given(late, by=clocks).when(classified("important")))


@rule("RM-4.5.2c")
def test_of_a_date_that_binds_the_owner_is_told_nothing(clocks: ClocksDecider) -> None:
    sooner = {"owner_requested_date": (RECEIVED + DAY).isoformat(), "owner_date_accepted": True}
    later = {"owner_requested_date": (RECEIVED + 9 * DAY).isoformat()}
    for said, due in ((sooner, RECEIVED + DAY), (later, RECEIVED + 9 * DAY)):
        known = given(received(**said), by=clocks).when(classified("minor"))
        known.then(CaseNoted, the_clock(ClockStarted, "minor-resolve#1", due_at=due))
        assert not declined_in(known)
    waits = {"reason": "waiting_owner", "resume_on": (RECEIVED + 6 * DAY).isoformat()}
    asked = received(owner_requested_date=(RECEIVED + 3 * DAY).isoformat())
    waiting = given(asked, classified("minor"), by=clocks)
    assert not declined_in(waiting.when(heard("case_paused", 3, RECEIVED + HOUR, **waits)))


@rule("RM-4.5.2c")
def test_of_a_date_that_has_passed_the_owner_is_told_nothing(clocks: ClocksDecider) -> None:
    known = given(received(), classified("minor"), by=clocks)
    past = {"owner_requested_date": (RECEIVED + HOUR).isoformat()}
    assert not declined_in(known.when(heard("case_corrected", 3, RECEIVED + 2 * HOUR, **past)))
    early = heard("case_corrected", 3, RECEIVED + HOUR / 2, **past)
    assert declined_in(known.when(early)) == [RECEIVED + HOUR]
    late = replace(early, known_at=RECEIVED + 2 * HOUR)
    assert not declined_in(known.when(late))


@rule("RM-4.5.2c")
def test_a_date_that_is_accepted_no_longer_is_told_to_the_owner_again(
    clocks: ClocksDecider,
) -> None:
    asked = {"owner_requested_date": (RECEIVED + DAY).isoformat()}
    case = given(received(**asked), by=clocks).when(classified("minor"))
    for hours, accepted, told in ((1, True, []), (2, False, [RECEIVED + DAY]), (3, False, [])):
        said = asked | {"owner_date_accepted": accepted}
        case = case.when(heard("case_corrected", 2 + hours, RECEIVED + hours * HOUR, **said))
        assert declined_in(case) == told


def declined_in(answer: Answer) -> list[datetime]:
    return [fact.asked_for for fact in answer.facts if isinstance(fact, OwnerDateDeclined)]


@rule("RM-4.10.1")
def test_past_two_days_only_the_approval_of_the_manager_keeps_it_from_a_breach(
    clocks: ClocksDecider,
) -> None:
    until = "2026-10-05T00:00:00+08:00"
    stream = given(
        received(),
        classified("minor"),
        heard("extension_requested", 3, RECEIVED + HOUR, until=until, asked_by="s1"),
        heard(
            "extension_approved",
            4,
            RECEIVED + 2 * HOUR,
            until=until,
            approved_by="m1",
            role="centre_manager",
        ),
        by=clocks,
    )
    told = stream.when(heard("owner_informed", 5, RECEIVED + 3 * HOUR, about="extension"))
    new_due = datetime.fromisoformat(until)
    told.then(CaseNoted, the_clock(ClockRescheduled, "minor-resolve#1", new_due=new_due))
    told.when(handled(END_OF_DAY_THREE, 6)).then(
        CaseNoted, the_clock(ClockMet, "minor-resolve#1", outcome="with_approval")
    )


# ---- important and major complaints ----


@rule("RM-4.5.2b", "RM-3.1")
@pytest.mark.parametrize("severity", ["important", "major"])
def test_an_important_complaint_is_with_the_manager_within_an_hour(
    clocks: ClocksDecider, severity: str
) -> None:
    stream = given(received(), classified(severity), by=clocks)
    to_the_manager = {"to": "centre_manager", "deliver": "at_once"}
    stream.when(Ring(RECEIVED + HOUR / 10)).then(
        the_clock(Escalated, "important-to-manager#1", breach=0, **to_the_manager)
    ).when(Ring(RECEIVED + HOUR)).then(
        ClockWarned,
        the_clock(ClockBreached, "important-to-manager#1", breached_at=RECEIVED + HOUR),
        the_clock(Escalated, "important-to-manager#1", breach=1, **to_the_manager),
    ).when(Ring(RECEIVED + 2 * HOUR)).then(
        the_clock(Escalated, "important-to-manager#1", to="company_leader"),
    )


@rule("RM-4.5.2b", "RM-3.1")
@pytest.mark.parametrize(
    ("role", "stops"),
    [("centre_manager", True), ("general_manager", True), ("deputy_manager", False)],
)
def test_only_the_manager_or_above_takes_it_into_the_procedure(
    clocks: ClocksDecider, role: str, stops: bool
) -> None:
    stream = given(received(), classified("important"), by=clocks)
    accepted = stream.when(heard("case_accepted", 3, RECEIVED + HOUR, role=role))
    met = [f for f in accepted.facts if isinstance(f, ClockMet)]
    assert [f.clock for f in met] == (["important-to-manager#1"] if stops else [])


@rule("RM-4.10.2")
def test_an_important_complaint_has_three_days_and_then_climbs_to_the_general_manager(
    clocks: ClocksDecider,
) -> None:
    stream = given(
        received(),
        classified("important"),
        heard("case_accepted", 3, RECEIVED + timedelta(minutes=30), role="centre_manager"),
        by=clocks,
    )
    told = rung_out(stream)
    breach = [f for f in told if isinstance(f, ClockBreached)]
    assert [(f.target, f.breached_at) for f in breach] == [("important-resolve", END_OF_DAY_THREE)]
    late = [f for f in told if isinstance(f, Escalated) and f.breach]
    assert [f.to for f in late if not f.because] == [
        "centre_manager",
        "company_leader",
        "general_manager",
    ]
    assert all("RM-4.10.2" in f.rule for f in (*breach, *late))


# ---- late facts, withdrawals, acknowledgement ----


@rule("RM-4.5.2c")
def test_a_handling_that_is_heard_late_withdraws_the_breach_and_tells_those_who_were_told(
    clocks: ClocksDecider,
) -> None:
    stream = given(received(), classified("minor"), by=clocks)
    breached = stream.when(Ring(END_OF_DAY_TWO)).state
    in_time = END_OF_DAY_TWO - HOUR
    mended = Given(clocks, breached).when(handled(in_time))
    mended.then(
        CaseNoted,
        the_clock(ClockMet, "minor-resolve#1", met_at=in_time, outcome="in_time"),
        the_clock(BreachWithdrawn, "minor-resolve#1", number=1),
        the_clock(EscalationWithdrawn, "minor-resolve#1", to="cs_supervisor", reason="met"),
    )
    assert clocks.wake_at(mended.state) is None


@rule("RM-4.5.2c")
@pytest.mark.parametrize(
    ("heard_late", "reason"),
    [
        (heard("case_refused", 3, END_OF_DAY_TWO - HOUR, round=1), "case_refused"),
        (
            heard("case_classified", 3, END_OF_DAY_TWO - HOUR, severity="important"),
            "no_longer_applies",
        ),
        (heard("case_corrected", 3, RECEIVED, kind="service_request"), "never_applied"),
        (
            heard("case_paused", 3, RECEIVED + HOUR, reason="waiting_owner", until="2026-10-09"),
            "",
        ),
    ],
)
def test_a_withdrawal_says_why_there_was_no_breach(
    clocks: ClocksDecider, heard_late: HearCaseFact, reason: str
) -> None:
    breached = given(received(), classified("minor"), Ring(END_OF_DAY_TWO), by=clocks)
    mended = breached.when(heard_late)
    [withdrawn] = [f for f in mended.facts if isinstance(f, EscalationWithdrawn)]
    assert (withdrawn.clock, withdrawn.reason) == ("minor-resolve#1", reason)


def test_a_withdrawn_breach_that_comes_again_has_the_next_number(clocks: ClocksDecider) -> None:
    stream = given(
        received(),
        classified("minor"),
        Ring(END_OF_DAY_TWO),
        heard("case_paused", 3, RECEIVED + DAY, reason="waiting_owner", resume_on="2026-10-01"),
        by=clocks,
    )
    moved = END_OF_DAY_TWO + DAY
    assert alarm(stream).at < moved
    stream.when(Ring(moved)).then(
        ClockResumed,
        ClockWarned,
        the_clock(ClockBreached, "minor-resolve#1", breached_at=moved, number=2),
        the_clock(Escalated, "minor-resolve#1", breach=2),
    )


def test_an_acknowledged_escalation_climbs_no_higher(clocks: ClocksDecider) -> None:
    breached = given(received(), classified("minor"), by=clocks).when(Ring(END_OF_DAY_TWO))
    [told] = [f for f in breached.facts if isinstance(f, Escalated)]
    command = AcknowledgeEscalation(END_OF_DAY_TWO + HOUR, told.escalation_id, "s1")
    done = breached.when(command).then(
        the_clock(EscalationAcknowledged, "minor-resolve#1", person_id="s1")
    )
    assert clocks.wake_at(done.state) is None
    done.when(command).then()


def test_an_escalation_of_another_case_cannot_be_acknowledged(clocks: ClocksDecider) -> None:
    stream = given(received(), classified("minor"), by=clocks)
    refused = stream.refuses(AcknowledgeEscalation(RECEIVED, "e9", "s1"))
    assert refused.reason == "There is no such escalation of this case."


# ---- pauses, reclassification, reopening ----


def test_waiting_for_the_owner_moves_the_due_time_by_the_midnights_inside(
    clocks: ClocksDecider,
) -> None:
    noon = RECEIVED + 2 * HOUR
    stream = given(received(), classified("minor"), by=clocks)
    paused = stream.when(
        heard("case_paused", 3, noon, reason="waiting_owner", resume_on="2026-10-04")
    ).then(
        CaseNoted,
        the_clock(ClockRescheduled, "minor-resolve#1", new_due=END_OF_DAY_TWO + 5 * DAY),
        the_clock(ClockPaused, "minor-resolve#1", reason="waiting_owner"),
    )
    paused.when(heard("case_resumed", 4, noon + 2 * DAY)).then(
        CaseNoted,
        the_clock(ClockRescheduled, "minor-resolve#1", new_due=END_OF_DAY_TWO + 2 * DAY),
        the_clock(ClockResumed, "minor-resolve#1"),
    )


def test_a_pause_that_has_ended_is_told_by_the_next_fact_whatever_was_heard_meanwhile(
    clocks: ClocksDecider,
) -> None:
    noon = RECEIVED + 2 * HOUR
    stream = given(
        received(),
        classified("minor"),
        heard("case_paused", 3, noon, reason="waiting_owner", resume_on="2026-10-04"),
        by=clocks,
    )
    quiet = stream.when(heard("case_accepted", 4, noon + HOUR)).then(CaseNoted)
    quiet.when(heard("case_accepted", 5, noon + 7 * DAY)).then(
        CaseNoted, the_clock(ClockResumed, "minor-resolve#1")
    )


def test_a_pause_ends_by_itself_after_seven_days(clocks: ClocksDecider) -> None:
    noon = RECEIVED + 2 * HOUR
    stream = given(
        received(),
        classified("minor"),
        heard("case_paused", 3, noon, reason="waiting_owner", resume_on="2026-12-01"),
        by=clocks,
    )
    assert alarm(stream) == Ring(noon + 7 * DAY)
    stream.when(alarm(stream)).then(
        the_clock(ClockResumed, "minor-resolve#1", due_at=END_OF_DAY_TWO + 7 * DAY)
    )


def test_a_clock_that_begins_anew_while_the_owner_is_waited_for_stands_still_at_once(
    clocks: ClocksDecider,
) -> None:
    waits = {"reason": "waiting_owner", "resume_on": (RECEIVED + 5 * DAY).isoformat()}
    new_facts = {"severity": "important", "validity": "valid", "cause": "new_facts"}
    given(
        received(),
        classified("minor"),
        heard("case_paused", 3, RECEIVED + HOUR, **waits),
        heard("case_classified", 4, RECEIVED + 5 * HOUR, **new_facts),
        by=clocks,
    ).when(heard("case_classified", 5, RECEIVED + 3 * HOUR, **new_facts)).then(
        CaseNoted,
        the_clock(ClockStarted, "important-to-manager#1", started_at=RECEIVED + 3 * HOUR),
        the_clock(ClockStarted, "important-resolve#1", started_at=RECEIVED + 3 * HOUR),
        the_clock(ClockPaused, "important-resolve#1"),
    )


@pytest.mark.parametrize(
    ("cause", "started_at"), [("correction", RECEIVED), ("new_facts", RECEIVED + HOUR)]
)
def test_what_turns_out_to_be_important_is_counted_by_the_cause_of_the_change(
    clocks: ClocksDecider, cause: str, started_at: datetime
) -> None:
    stream = given(received(), classified("minor"), by=clocks)
    change = heard(
        "case_classified", 3, RECEIVED + HOUR, severity="important", validity="valid", cause=cause
    )
    stream.when(change).then(
        CaseNoted,
        the_clock(ClockStarted, "important-to-manager#1"),
        the_clock(ClockCancelled, "minor-resolve#1", reason="no_longer_applies"),
        the_clock(ClockStarted, "important-resolve#1"),
    )
    facts = stream.when(change).facts
    resolve = [f for f in facts if isinstance(f, ClockStarted) and f.target == "important-resolve"]
    assert [f.started_at for f in resolve] == [RECEIVED if cause == "correction" else started_at]


def test_a_reopened_case_starts_again_in_its_next_round(clocks: ClocksDecider) -> None:
    again = RECEIVED + 3 * DAY
    given(received(), classified("minor"), handled(RECEIVED + HOUR), by=clocks).when(
        heard("case_reopened", 4, again, round=2)
    ).then(
        CaseNoted,
        the_clock(
            ClockStarted,
            "minor-resolve#2",
            started_at=again,
            due_at=datetime(2026, 10, 5, tzinfo=SHANGHAI),
        ),
    )


def test_who_was_waited_for_before_a_reopening_is_waited_for_no_longer(
    clocks: ClocksDecider,
) -> None:
    again = RECEIVED + 2 * DAY
    resume_on = (RECEIVED + 5 * DAY).isoformat()
    stream = given(
        received(),
        classified("minor"),
        heard("case_paused", 3, RECEIVED + HOUR, reason="waiting_owner", resume_on=resume_on),
        heard("case_withdrawn", 4, RECEIVED + DAY),
        by=clocks,
    )
    stream.when(heard("case_reopened", 5, again, round=2)).then(
        CaseNoted,
        the_clock(ClockStarted, "minor-resolve#2", due_at=END_OF_DAY_TWO + 2 * DAY),
    )


def test_a_closed_case_owes_nothing_more(clocks: ClocksDecider) -> None:
    closed = given(received(), classified("minor"), by=clocks).when(
        heard("case_closed", 3, RECEIVED + HOUR, by="external")
    )
    closed.then(CaseNoted, the_clock(ClockCancelled, "minor-resolve#1", reason="case_closed"))
    assert clocks.wake_at(closed.state) is None


# ---- rules and repeats ----


def test_a_policy_that_was_not_heard_yet_makes_the_case_wait() -> None:
    stream = given(by=ClocksDecider(Policies().__getitem__))
    assert isinstance(stream.refuses(received()), NotHeardYet)


def test_a_field_that_cannot_be_read_is_refused_with_a_sentence(clocks: ClocksDecider) -> None:
    refused = given(by=clocks).refuses(received(owner_requested_date="soon"))
    assert refused.reason == (
        "The clocks cannot be computed: a field that says when is neither a date nor an instant."
    )


OWN = "overrides: residential-cn\nversion: own\n"


def test_a_date_at_the_edge_of_all_years_is_refused_with_a_sentence() -> None:
    dated = "{field: owner_requested_date, take: later, ending: end_of_day}"
    rules = packs.load(f"{OWN}targets:\n  - {{id: minor-resolve, or_by: {dated}}}\n")
    stream = given(by=ClocksDecider({rules.version: rules}.__getitem__))
    last = "9999-12-31T23:59:59+00:00"
    refused = stream.refuses(received(policy=rules.version, owner_requested_date=last))
    assert refused.reason.startswith("The clocks cannot be computed: ")


def test_an_alarm_for_which_no_time_is_left_is_refused_with_a_sentence() -> None:
    """Who is told next is told in duty hours, and there are none any more."""
    rules = packs.load(
        f"{OWN}duty_calendar: listed\n"
        "calendars:\n  listed: {tz: Asia/Shanghai, hours: {}, working_days: [{date: 2026-09-28,"
        ' hours: [["09:00", "18:00"]]}]}\n'
    )
    decider = ClocksDecider({rules.version: rules}.__getitem__)
    stream = given(received(policy=rules.version), classified("minor"), by=decider)
    ring = Ring(END_OF_DAY_TWO)
    with pytest.raises(Refused, match=r"^The clocks cannot be computed: "):
        decider.wake_at(stream.when(ring).state)


def test_a_repeat_is_answered_with_nothing(clocks: ClocksDecider) -> None:
    given(received(), classified("minor"), by=clocks).when(classified("minor")).then()


def test_a_case_that_no_target_concerns_has_no_clock(clocks: ClocksDecider) -> None:
    quiet = given(by=clocks).when(received(kind="consultation")).then(CaseNoted)
    assert clocks.wake_at(quiet.state) is None


def test_a_running_clock_keeps_the_version_it_started_with() -> None:
    first = only("minor-resolve")
    text = packs.built_in_text().replace('version: "', 'version: "other-', 1)
    second = packs.load(text.replace("within: {days: 2", "within: {days: 5"), "pack.yaml")
    published: dict[str, Rules] = {first.version: first}
    decider = ClocksDecider(published.__getitem__)
    stream = given(received(), classified("minor"), by=decider)
    published[second.version] = second
    assert alarm(stream) == Ring(END_OF_DAY_TWO - 10 * HOUR)


# ---- very many facts ----


def dispatched(version: int, at: datetime = RECEIVED) -> HearCaseFact:
    return heard("case_dispatched", version, at, dispatch_id="d1", department_id="engineering")


def reports(first: int, last: int) -> list[HearCaseFact]:
    return [
        heard("progress_reported", version, RECEIVED + timedelta(minutes=version))
        for version in range(first, last)
    ]


@rule("RM-4.5.2a")
def test_thousands_of_reports_before_a_case_is_classified_start_as_many_clocks() -> None:
    rules = only("progress-daily")
    clocks = ClocksDecider({rules.version: rules}.__getitem__)
    last = heard(
        "case_classified",
        5_000,
        RECEIVED + 9 * DAY,
        severity="major",
        validity="valid",
        cause="first",
    )
    case = given(received(), dispatched(3), *reports(4, 4_000), by=clocks)
    told = case.when(last).facts
    assert sum(isinstance(fact, ClockStarted) for fact in told) == 1 + len(range(4, 4_000))
    assert sum(isinstance(fact, ClockMet) for fact in told) == len(range(4, 4_000))


def test_one_more_report_makes_no_clock_anew_that_it_does_not_move() -> None:
    rules = only("progress-daily", "promise-kept", "dispatch-accepted")
    clocks = ClocksDecider({rules.version: rules}.__getitem__)
    case = given(received(), classified("major"), dispatched(3), *reports(4, 50), by=clocks)
    before = case.state.plan
    after = case.when(heard("progress_reported", 50, RECEIVED + HOUR)).state.plan
    made = [clock for clock in after if not any(clock is other for other in before)]
    assert [clock.id for clock in made] == ["progress-daily#1.47", "progress-daily#1.48"]


def test_a_wait_moves_a_clock_for_which_nobody_grants_more_time() -> None:
    rules = only("progress-daily")
    clocks = ClocksDecider({rules.version: rules}.__getitem__)
    case = given(received(), classified("major"), dispatched(3), by=clocks)
    told = case.when(heard("case_paused", 4, RECEIVED + HOUR, reason="waiting_owner")).facts
    assert [fact.wire_name for fact in told] == [
        "sla.case_noted",
        "sla.clock_rescheduled",
        "sla.clock_paused",
    ]
