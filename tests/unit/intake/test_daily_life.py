"""A case's daily life: what is said of it, who confirms what, and how it ends elsewhere."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from tests.support.given import Given, given
from tests.support.rules import rule

from steward_decider import Command, Refused
from steward_events.fact import Fact
from steward_events.intake import (
    AppointmentKept,
    AppointmentMade,
    AppointmentMissed,
    BreachNoted,
    CaseAbsorbed,
    CaseAcknowledged,
    CaseAnswered,
    CaseAssigned,
    CaseChased,
    CaseClassified,
    CaseClosed,
    CaseCorrected,
    CaseDispatched,
    CaseForwarded,
    CaseHandled,
    CaseLinked,
    CaseMerged,
    CaseMovedOut,
    CasePaused,
    CaseReceived,
    CaseRefused,
    CaseReopened,
    CaseWithdrawn,
    ContactFailed,
    DispatchAccepted,
    DispatchRefused,
    HarmReported,
    HouseholdConcerned,
    ImmediateMeasuresTaken,
    ManagerCalled,
    OwnerInformed,
    ProgressReported,
    PromiseKept,
    PromiseMade,
    ReceiptConfirmed,
    RecordSubmitted,
    ResultTold,
    SeverityRaised,
    SolutionProposed,
    WorkStarted,
)
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.sla import BreachWithdrawn, ClockBreached, MajorByAge
from steward_events.vocabulary import Kind, Part, Role, Severity, Urgency, Validity
from steward_intake.application.moving import done_before
from steward_intake.application.reactions import on_clock
from steward_intake.domain.approval import Approver
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.commands import (
    AbsorbCase,
    AcceptDispatch,
    AssignCase,
    ClassifyCase,
    CloseCase,
    DispatchCase,
    HandleCase,
    MergeCase,
    MoveCase,
    PauseCase,
    RaiseSeverity,
    ReceiveCase,
    RefuseCase,
    RefuseDispatch,
    ReopenCase,
    TellRefusal,
    TellResult,
    WithdrawCase,
)
from steward_intake.domain.sayings import SAYINGS, SaidFact, Say
from steward_intake.domain.story import NO_FIRST_CONTACT

MONDAY = datetime.fromisoformat("2026-09-28T10:00:00+08:00")
FRIDAY = MONDAY + timedelta(days=4)
WORDS = Sealed(subject="case-c", field="reason", value_id="1", box="AA==")
SUPERVISOR = Approver("s", frozenset({Role.CS_SUPERVISOR}))
MANAGER = Approver("m", frozenset({Role.CENTRE_MANAGER}))


def a_case(kind: Kind = Kind.COMPLAINT, **more: Any) -> CaseReceived:
    return CaseReceived(
        **{"case_id": "c", "number": "p-2026-00001", "project_id": "p", "kind": kind, **more},
        zone="Asia/Shanghai",
        policy="residential-cn@2026.1",
    )


def classified(severity: Severity | None, **more: Any) -> CaseClassified:
    said: dict[str, Any] = {"validity": Validity.VALID, "cause": "correction", **more}
    if said["cause"] != "first":
        said = {"reason": "误判", **said}
    return CaseClassified(case_id="c", severity=severity, **said)


RECEIVED = a_case()
MINOR = classified(Severity.MINOR, cause="first")
IMPORTANT = classified(Severity.IMPORTANT, cause="first")
HANDLED = CaseHandled(case_id="c", corrective=WORDS, preventive=WORDS, person_id="a")
CLOSED = CaseClosed(case_id="c")
DISPATCHED = CaseDispatched(case_id="c", dispatch_id="1", department="engineering")
PROPOSED = SolutionProposed(case_id="c", proposal_id="1")
TOLD_SOLUTION = OwnerInformed(case_id="c", notice_id="1", about="solution", how="phone")
STARTED = WorkStarted(case_id="c", person_id="a")
PROMISED = PromiseMade(case_id="c", promise_id="1", promised_at=FRIDAY)
RAISED = SeverityRaised(case_id="c", severity=Severity.MAJOR)


def a_complaint(*past: Fact | Command) -> Given:
    return given(RECEIVED, *past, by=CaseDecider())


def heard(fact: Fact) -> Recorded:
    return Recorded(
        id=UUID(int=1), type=fact.wire_type, stream="clocks-c", version=1, key="p",
        source="/steward/sla", occurred_at=FRIDAY, recorded_at=FRIDAY, known_at=FRIDAY, fact=fact,
    )  # fmt: skip


def said(fact: SaidFact, **more: Any) -> Say:
    return Say(MONDAY, fact, **more)


# What is only said.


def test_every_fact_that_is_said_has_its_demands() -> None:
    assert set(SAYINGS) == set(get_args(SaidFact))


@pytest.mark.parametrize(
    "fact",
    [
        ManagerCalled(case_id="c", call_id="1"),
        HarmReported(case_id="c", harm_id="1"),
        ReceiptConfirmed(case_id="c", how="phone"),
        CaseForwarded(case_id="c", forward_id="1", to=Role.COMPANY_LEADER),
        CaseCorrected(case_id="c", correction_id="1", topic="漏水", lacks=()),
        CaseLinked(case_id="c", other="d", why="repeat"),
        PROMISED,
    ],
    ids=lambda fact: fact.wire_name,
)
@rule("RM-4.5.1a", "RM-4.5.1b", "RM-3.1", "RM-4.6.2b", "RC-5.1..2")
def test_what_is_said_is_told_once(fact: SaidFact) -> None:
    a_complaint().when(said(fact)).then(fact).when(said(fact)).then()


OTHER_WORDS = WORDS.model_copy(update={"value_id": "2"})


@pytest.mark.parametrize(
    ("fact", "other", "instead"),
    [
        (
            ImmediateMeasuresTaken(case_id="c", measures=WORDS),
            {"measures": OTHER_WORDS},
            "report-progress",
        ),
        (AppointmentMissed(case_id="c", appointment_id="1", by="owner"), {"by": "us"}, "report"),
        (AppointmentMade(case_id="c", appointment_id="2", at=FRIDAY), {"person_id": "b"}, "ID"),
        (PromiseMade(case_id="c", promise_id="1", promised_at=FRIDAY), {"what": WORDS}, "ID"),
        (CaseAcknowledged(case_id="c", text=WORDS), {"text": OTHER_WORDS}, "inform"),
        (ReceiptConfirmed(case_id="c", how="phone"), {"how": "letter"}, "inform"),
        (WorkStarted(case_id="c"), {"chargeable": True}, "report-progress"),
        (CaseChased(case_id="c", chase_id="1"), {"demand": WORDS}, "another ID"),
        (ProgressReported(case_id="c", report_id="1"), {"department": "garden"}, "another ID"),
    ],
    ids=lambda fact: fact.wire_name if isinstance(fact, Fact) else "",
)
def test_other_words_under_the_same_name_are_refused_and_not_lost(
    fact: SaidFact, other: dict[str, Any], instead: str
) -> None:
    made = AppointmentMade(case_id="c", appointment_id="1", at=FRIDAY)
    case = a_complaint(HarmReported(case_id="c", harm_id="1"), made, said(fact))
    case.when(said(fact)).then()
    again = fact.model_copy(update=other)
    refused = case.refuses(said(again))
    assert f"This was said before with another {next(iter(other))}: " in refused.reason
    assert instead in refused.reason
    case.when(said(again, by="external")).then()


def test_what_is_said_again_without_some_of_its_words_is_the_same() -> None:
    measured = ImmediateMeasuresTaken(case_id="c", measures=WORDS, person_id="a")
    case = a_complaint(HarmReported(case_id="c", harm_id="1"), said(measured))
    case.when(said(ImmediateMeasuresTaken(case_id="c"))).then()


def test_other_measures_of_a_handled_case_are_refused_and_not_lost() -> None:
    for case in (
        a_complaint(MINOR, HANDLED),
        a_complaint(MINOR, HANDLED, ResultTold(case_id="c", how="phone")),
    ):
        case.when(HandleCase(MONDAY)).then()
        case.when(HandleCase(MONDAY, "a", WORDS, WORDS)).then()
        refused = case.refuses(HandleCase(MONDAY, "a", WORDS, OTHER_WORDS))
        assert refused.reason.startswith("The case was handled before, with another preventive: ")
        case.when(HandleCase(MONDAY, "a", WORDS, OTHER_WORDS, "external")).then()


def test_a_result_is_told_once_in_a_round_and_another_way_is_refused() -> None:
    told = ResultTold(case_id="c", how="phone")
    for case in (a_complaint(MINOR, HANDLED, told), a_complaint(MINOR, HANDLED, told, CLOSED)):
        case.when(TellResult(MONDAY, "phone")).then()
        refused = case.refuses(TellResult(MONDAY, "letter"))
        assert refused.reason.startswith("The result was told before, with another how: ")
        case.when(TellResult(MONDAY, "letter", by="external")).then()
        case.when(TellResult(MONDAY, "message", round=1)).then()
    untold = a_complaint(MINOR, HANDLED, CLOSED).refuses(TellResult(MONDAY, "phone"))
    assert untold.reason.startswith("The case was closed without it: ")
    again = CaseReopened(case_id="c", round=2)
    anew = a_complaint(MINOR, HANDLED, told, again, HANDLED.model_copy(update={"round": 2}))
    anew.when(TellResult(MONDAY, "letter")).then(ResultTold)


def test_a_waiting_case_does_not_wait_for_another_reason_unseen() -> None:
    paused = CasePaused(case_id="c", reason="waiting_owner", resume_on=FRIDAY)
    case = a_complaint(paused)
    case.when(PauseCase(MONDAY, FRIDAY, "owner_asked")).then()
    assert "waits already" in case.refuses(PauseCase(MONDAY, FRIDAY, "not_reached")).reason


def test_a_dispatch_and_its_answer_are_not_told_otherwise() -> None:
    given_away = a_complaint(DISPATCHED)
    given_away.when(DispatchCase(MONDAY, "1", "engineering")).then()
    assert "dispatch_id" in given_away.refuses(DispatchCase(MONDAY, "1", "garden")).reason
    refusal = DispatchRefused(
        case_id="c", dispatch_id="1", department="engineering", reason=WORDS, person_id="a"
    )
    turned_down = a_complaint(DISPATCHED, refusal)
    turned_down.when(RefuseDispatch(MONDAY, WORDS)).then()
    refused = turned_down.refuses(RefuseDispatch(MONDAY, OTHER_WORDS))
    assert "answered before, with another reason" in refused.reason
    taken = a_complaint(
        DISPATCHED, DispatchAccepted(case_id="c", dispatch_id="1", department="e", person_id="a")
    )
    assert "person_id" in taken.refuses(AcceptDispatch(MONDAY, person_id="b")).reason
    taken.when(AcceptDispatch(MONDAY, person_id="b", by="external")).then()


def test_a_case_ends_for_one_reason() -> None:
    turned_down = a_complaint(CaseRefused(case_id="c", reason=WORDS, person_id="a"))
    turned_down.when(RefuseCase(MONDAY, WORDS, "a")).then()
    refused = turned_down.refuses(RefuseCase(MONDAY, OTHER_WORDS, "a"))
    assert refused.reason == "The case was refused: reopen it first."
    taken_back = a_complaint(CaseWithdrawn(case_id="c", asked_by=WORDS, how="phone"))
    taken_back.when(WithdrawCase(MONDAY, WORDS, "phone", None)).then()
    refused = taken_back.refuses(WithdrawCase(MONDAY, OTHER_WORDS, "phone", None))
    assert refused.reason == "The case was withdrawn by its owner: reopen it first."
    moved = a_complaint(CaseMovedOut(case_id="c", to_project="q", to_case="d", reason="误投"))
    moved.when(MoveCase(MONDAY, "q", "d", "误投")).then()
    assert "go on with the case d" in moved.refuses(MoveCase(MONDAY, "q", "d", "搬家")).reason


def test_what_is_said_carries_its_own_case_and_round() -> None:
    said_elsewhere = RecordSubmitted(case_id="-", round=7)
    reopened = CaseReopened(case_id="c", round=2)
    again = HANDLED.model_copy(update={"round": 2})
    handled = a_complaint(MINOR, HANDLED, reopened, again)
    handled.when(said(said_elsewhere)).then(RecordSubmitted(case_id="c", round=2))


@rule("RM-4.6.2b")
def test_a_record_is_handed_in_when_the_case_was_handled() -> None:
    record = said(RecordSubmitted(case_id="c"))
    reopened = CaseReopened(case_id="c", round=2)
    withdrawn = CaseWithdrawn(case_id="c", how="phone")
    for story in ((), (MINOR,), (MINOR, HANDLED, reopened), (MINOR, withdrawn)):
        refused = a_complaint(*story).refuses(record)
        assert (refused.reason.partition(":")[0], refused.rule) == (
            "The case has not been handled yet",
            "RM-4.6.2b",
        )
    handled = a_complaint(MINOR, HANDLED)
    handled.when(record).then(RecordSubmitted)
    a_complaint(MINOR, HANDLED, RecordSubmitted(case_id="c")).when(record).then()


def test_a_forwarding_names_before_whom() -> None:
    refused = a_complaint().refuses(said(CaseForwarded(case_id="c", forward_id="1")))
    assert "role or outside party" in refused.reason


def test_a_closed_case_hears_of_late_paper_but_not_of_new_work() -> None:
    closed = a_complaint(MINOR, HANDLED, CLOSED)
    closed.when(said(RecordSubmitted(case_id="c"))).then(RecordSubmitted)
    for fact in (STARTED, CaseChased(case_id="c", chase_id="1"), PROMISED):
        assert closed.refuses(said(fact)).reason == "The case is closed: reopen it first."
    closed.when(said(CaseChased(case_id="c", chase_id="1"), by="external")).then(CaseChased)


@rule("RM-4.10.3", "RM-4.8")
@pytest.mark.parametrize(
    ("decision", "more", "broken"),
    [
        ("will", {}, "RM-4.10.3"),
        ("partly", {}, "RM-4.10.3"),
        ("will", {"by_date": MONDAY}, "RM-4.10.3"),
        ("will", {"by_date": FRIDAY}, None),
        ("will_not", {"by_date": FRIDAY}, "RM-4.8"),
        ("will_not", {"reasons": WORDS}, None),
    ],
)
def test_an_answer_names_its_date_or_its_reasons(
    decision: Any, more: dict[str, Any], broken: str | None
) -> None:
    answer = CaseAnswered(case_id="c", answer_id="1", decision=decision, **more)
    if broken:
        assert a_complaint(MINOR).refuses(said(answer)).rule == broken
    else:
        a_complaint(MINOR).when(said(answer)).then(answer)


@rule("RM-4.6.7", "RC-6.3")
def test_a_post_is_acknowledged_with_a_text_or_a_link_and_a_suggestion_without() -> None:
    nothing = CaseAcknowledged(case_id="c")
    post = a_complaint()
    assert post.refuses(said(nothing)).rule == "RM-4.6.7"
    for more in ({"text": WORDS}, {"link": "https://forum.example/1"}):
        post.when(said(CaseAcknowledged(case_id="c", **more))).then(CaseAcknowledged)
    post.when(said(nothing, by="external")).then(nothing)
    suggestion = given(a_case(Kind.SUGGESTION), by=CaseDecider())
    suggestion.when(said(nothing)).then(nothing)


@rule("RC-3.2")
def test_the_answer_to_a_question_needs_no_date() -> None:
    answer = CaseAnswered(case_id="c", answer_id="1", decision="will", in_writing=True)
    given(a_case(Kind.CONSULTATION), by=CaseDecider()).when(said(answer)).then(answer)


@rule("RC-4.3")
def test_weighty_work_starts_when_the_owner_knows_the_solution() -> None:
    assert a_complaint(IMPORTANT).refuses(said(STARTED)).rule == "RC-4.3"
    assert a_complaint(IMPORTANT).refuses(said(TOLD_SOLUTION)).rule == "RC-4.3"
    assert "told" in a_complaint(IMPORTANT, PROPOSED).refuses(said(STARTED)).reason
    a_complaint(IMPORTANT, PROPOSED, TOLD_SOLUTION).when(said(STARTED)).then(STARTED)


@rule("RC-4.3")
def test_another_solution_is_told_anew() -> None:
    other = SolutionProposed(case_id="c", proposal_id="2")
    refused = a_complaint(IMPORTANT, PROPOSED, TOLD_SOLUTION, other).refuses(said(STARTED))
    assert refused.rule == "RC-4.3"


@rule("RC-4.3")
def test_the_solution_of_an_earlier_round_does_not_start_the_work_of_this_one() -> None:
    past = (IMPORTANT, PROPOSED, TOLD_SOLUTION, HANDLED, CaseReopened(case_id="c", round=2))
    assert a_complaint(*past).refuses(said(STARTED)).rule == "RC-4.3"


@rule("RC-4.3")
def test_slight_work_starts_at_once_unless_it_is_charged_for() -> None:
    a_complaint(MINOR).when(said(STARTED)).then(STARTED)
    charged = STARTED.model_copy(update={"chargeable": True})
    assert a_complaint(MINOR).refuses(said(charged)).rule == "RC-4.3"
    quoted = PROPOSED.model_copy(update={"chargeable": True})
    assert a_complaint(MINOR, quoted).refuses(said(STARTED)).rule == "RC-4.3"


@rule("RC-4.3", "RM-4.9")
def test_ongoing_harm_comes_before_all_proposals() -> None:
    harm = HarmReported(case_id="c", harm_id="1")
    stopped = ImmediateMeasuresTaken(case_id="c", measures=WORDS)
    a_complaint(IMPORTANT, harm).when(said(STARTED)).then(STARTED)
    assert a_complaint(IMPORTANT, harm, stopped).refuses(said(STARTED)).rule == "RC-4.3"
    harmed = given(a_case(harm_ongoing=True), IMPORTANT, by=CaseDecider())
    harmed.when(said(STARTED)).then(STARTED)


@rule("RM-4.9")
def test_measures_answer_a_harm_and_a_new_harm_needs_new_ones() -> None:
    stopped, first, second = (
        ImmediateMeasuresTaken(case_id="c", measures=WORDS),
        HarmReported(case_id="c", harm_id="1"),
        HarmReported(case_id="c", harm_id="2"),
    )
    assert a_complaint().refuses(said(stopped)).rule == "RM-4.9"
    a_complaint(first).when(said(stopped)).then(stopped).when(said(stopped)).then()
    a_complaint(first, stopped, second).when(said(stopped)).then(stopped)
    silent = ImmediateMeasuresTaken(case_id="c")
    refused = a_complaint(first).refuses(said(silent))
    assert (refused.rule, "what was done" in refused.reason) == ("RM-4.9", True)
    a_complaint(first).when(said(silent, by="external")).then(silent)


@rule("FU-S1")
def test_the_owner_moves_a_promise_and_staff_need_the_supervisor() -> None:
    later = {"promised_at": FRIDAY + timedelta(days=1)}
    by_owner = PROMISED.model_copy(update={**later, "moved_by": "owner"})
    by_us = by_owner.model_copy(update={"moved_by": "us", "person_id": "a", "approved_by": "s"})
    promised = a_complaint(PROMISED)
    assert promised.refuses(said(PROMISED.model_copy(update=later))).rule == "FU-S1"
    promised.when(said(by_owner)).then(by_owner).when(said(by_owner)).then()
    assert promised.refuses(said(by_us)).rule == "FU-S1"
    assert promised.refuses(said(by_us, approver=Approver("s"))).rule == "FU-S1"
    promised.when(said(by_us, approver=SUPERVISOR)).then(by_us)
    assert "not agreed before" in a_complaint().refuses(said(by_owner)).reason


@pytest.mark.parametrize(
    "agreed", [PROMISED, AppointmentMade(case_id="c", appointment_id="1", at=FRIDAY)]
)
def test_who_agreed_and_who_moved_it_are_words_of_what_is_agreed(
    agreed: PromiseMade | AppointmentMade,
) -> None:
    when = "promised_at" if isinstance(agreed, PromiseMade) else "at"
    later = {when: FRIDAY + timedelta(days=1), "moved_by": "us", "person_id": "a"}
    moved = agreed.model_copy(update=later | {"approved_by": "s"})
    a_complaint(agreed).when(said(moved, approver=SUPERVISOR)).then(moved)
    again = a_complaint(agreed, moved)
    again.when(said(moved, approver=SUPERVISOR)).then()
    for other in ({"approved_by": "m"}, {"moved_by": "owner"}):
        refused = again.refuses(said(moved.model_copy(update=other), approver=MANAGER))
        assert f"with another {next(iter(other))}: " in refused.reason


def test_nobody_approves_what_they_ask_for_themselves_also_where_nobody_has_to() -> None:
    own, other = Approver("a"), Approver("b")
    for fact in (
        PROMISED.model_copy(update={"person_id": "a"}),
        AppointmentMade(case_id="c", appointment_id="1", at=FRIDAY, person_id="a"),
        CaseCorrected(case_id="c", correction_id="1", topic="渗水", lacks=(), person_id="a"),
    ):
        refused = a_complaint().refuses(said(fact, approver=own))
        assert refused.reason == "Whoever asked for it or handled the case cannot confirm it."
        a_complaint().when(said(fact, approver=other)).then(fact)
    first = classified(Severity.MINOR, classified_by="a", confirmed_by="a")
    assert (
        "cannot confirm" in a_complaint().refuses(ClassifyCase(MONDAY, first, approver=own)).reason
    )


@rule("FU-S1")
def test_what_is_agreed_is_still_to_come_when_one_of_us_says_it() -> None:
    visit = AppointmentMade(case_id="c", appointment_id="1", at=MONDAY)
    promise = PROMISED.model_copy(update={"promised_at": MONDAY})
    for past in (visit, promise):
        assert "still to come" in a_complaint().refuses(said(past)).reason
        a_complaint().when(said(past, by="history")).then(past)


@rule("FU-S1")
def test_only_what_was_promised_is_kept() -> None:
    kept = PromiseKept(case_id="c", promise_id="1")
    assert a_complaint().refuses(said(kept)).reason == "No such promise was made."
    a_complaint(PROMISED).when(said(kept)).then(kept).when(said(kept)).then()


@rule("FU-S1")
def test_an_appointment_missed_is_made_again_and_kept() -> None:
    made = AppointmentMade(case_id="c", appointment_id="1", at=FRIDAY)
    missed = AppointmentMissed(case_id="c", appointment_id="1", by="owner")
    again = made.model_copy(update={"at": FRIDAY + timedelta(days=1), "moved_by": "owner"})
    kept = AppointmentKept(case_id="c", appointment_id="1")
    assert a_complaint().refuses(said(kept)).reason == "No such appointment was made."
    a_complaint(made).when(said(missed)).then(missed).when(said(again)).then(again)
    a_complaint(made, missed, again).when(said(missed)).then(missed)
    a_complaint(made, missed, again).when(said(kept)).then(kept)


@rule("FU-S1")
def test_a_missed_appointment_is_not_kept_before_it_is_made_again() -> None:
    made = AppointmentMade(case_id="c", appointment_id="1", at=FRIDAY)
    other = AppointmentMade(case_id="c", appointment_id="2", at=FRIDAY)
    missed = AppointmentMissed(case_id="c", appointment_id="1", by="us")
    kept = AppointmentKept(case_id="c", appointment_id="1")
    case = a_complaint(made, other, missed)
    assert "was missed" in case.refuses(said(kept)).reason
    case.when(said(kept, by="history")).then(kept)
    kept_2 = AppointmentKept(case_id="c", appointment_id="2")
    case.when(said(kept_2)).then(kept_2)


@rule("RM-4.7")
def test_nobody_inside_puts_an_authoritys_date_off() -> None:
    case = given(a_case(authority_due=FRIDAY), by=CaseDecider())
    sooner, later = (
        CaseCorrected(
            case_id="c",
            correction_id=f"{days}",
            authority_due=FRIDAY + timedelta(days=days),
            lacks=(),
            person_id="a",
            approved_by="m" if days > 0 else None,
        )
        for days in (-1, 1)
    )
    case.when(said(sooner)).then(sooner)
    assert case.refuses(said(later)).rule == "RM-4.7"
    assert case.refuses(said(later, approver=SUPERVISOR)).rule == "RM-4.7"
    case.when(said(later, approver=MANAGER)).then(later)
    case.when(said(later, by="external")).then(later)
    first = later.model_copy(update={"approved_by": None})
    a_complaint().when(said(first)).then(first)


def test_a_case_waits_for_an_owner_whom_nobody_reached_twice() -> None:
    unreached = PauseCase(MONDAY, FRIDAY, "not_reached")
    first, second = (ContactFailed(case_id="c", contact_id=id_) for id_ in "12")
    assert "Needed: 2; recorded: 1" in a_complaint(first).refuses(unreached).reason
    a_complaint(first, second).when(unreached).then(
        CasePaused(case_id="c", reason="waiting_owner", resume_on=FRIDAY, because="not_reached")
    )


def test_the_failed_contacts_of_an_earlier_round_do_not_count() -> None:
    first, second = (ContactFailed(case_id="c", contact_id=id_) for id_ in "12")
    reopened = CaseReopened(case_id="c", round=2)
    past = (first, MINOR, HANDLED, reopened, second)
    a_complaint(*past).refuses(PauseCase(MONDAY, FRIDAY, "not_reached"))


# Who has it.


@rule("RM-3.4")
def test_who_hears_a_case_first_answers_for_it() -> None:
    given(by=CaseDecider()).when(ReceiveCase(MONDAY, RECEIVED, "a")).then(
        RECEIVED, CaseAssigned(case_id="c", person_id="a", reason="first_contact")
    ).when(ReceiveCase(MONDAY, RECEIVED, "a")).then()


@rule("RM-4.6.1")
def test_a_department_takes_a_case_once() -> None:
    command = DispatchCase(MONDAY, "1", "engineering")
    a_complaint().when(command).then(DISPATCHED).when(command).then()
    again = DispatchCase(MONDAY, "2", "engineering")
    a_complaint(DISPATCHED).when(again).then()
    taken = DispatchAccepted(case_id="c", dispatch_id="1", department="engineering")
    a_complaint(DISPATCHED).when(AcceptDispatch(MONDAY)).then(taken)
    a_complaint(DISPATCHED, taken).when(AcceptDispatch(MONDAY)).then()
    assert (
        "dispatch it anew"
        in a_complaint(DISPATCHED, taken).refuses(RefuseDispatch(MONDAY, WORDS)).reason
    )
    assert "not given" in a_complaint().refuses(AcceptDispatch(MONDAY)).reason


@rule("RM-4.6.1")
def test_the_second_department_that_refuses_is_the_second_refusal() -> None:
    assert "says why" in a_complaint(DISPATCHED).refuses(RefuseDispatch(MONDAY, None)).reason
    first = DispatchRefused(
        case_id="c", dispatch_id="1", department="engineering", refusal=1, reason=WORDS
    )
    a_complaint(DISPATCHED).when(RefuseDispatch(MONDAY, WORDS)).then(first)
    other = CaseDispatched(case_id="c", dispatch_id="2", department="security")
    second = first.model_copy(update={"dispatch_id": "2", "department": "security", "refusal": 2})
    a_complaint(DISPATCHED, first, other).when(RefuseDispatch(MONDAY, WORDS)).then(second)
    reopened = CaseReopened(case_id="c", round=2)
    a_complaint(DISPATCHED, first, MINOR, HANDLED, reopened, other).when(
        RefuseDispatch(MONDAY, WORDS)
    ).then(second.model_copy(update={"refusal": 1}))


def test_an_answer_to_a_dispatch_that_was_taken_back_is_refused() -> None:
    other = CaseDispatched(case_id="c", dispatch_id="2", department="security")
    refused = a_complaint(DISPATCHED, other).refuses(AcceptDispatch(MONDAY, "1"))
    assert "no longer" in refused.reason


# Whom it concerns.


@pytest.mark.parametrize("by", ["external", "history"])
def test_what_others_say_of_a_household_neither_hides_nor_shows_a_case(by: Any) -> None:
    own = HouseholdConcerned(case_id="c", household_id="h1", part=Part.COUNTERPART)
    case = a_complaint(CaseCorrected(case_id="c", correction_id="1", household_id="h1"))
    case.when(Say(MONDAY, own, by)).then()
    assert "own case" in case.refuses(Say(MONDAY, own)).reason
    of_others = own.model_copy(update={"household_id": "h3"})
    said = case.when(Say(MONDAY, of_others, by)).then(of_others)
    theirs = CaseCorrected(case_id="c", correction_id="2", household_id="h3")
    with pytest.raises(Refused, match="complains of this household"):
        said.when(Say(MONDAY, theirs, by))


# How weighty it is.


@rule("RM-4.4.1c")
def test_a_month_makes_a_valid_complaint_major_and_nothing_else() -> None:
    raise_it = RaiseSeverity(MONDAY)
    a_complaint(MINOR).when(raise_it).then(RAISED).when(raise_it).then()
    a_complaint().when(raise_it).then()
    excessive = CaseClassified(case_id="c", validity=Validity.EXCESSIVE)
    a_complaint(excessive).when(raise_it).then()
    a_complaint(MINOR, HANDLED, CLOSED).when(raise_it).then()
    a_complaint(RAISED, classified(Severity.MAJOR)).when(
        RaiseSeverity(MONDAY, Severity.IMPORTANT)
    ).then()


CLOCK: dict[str, Any] = {
    "case_id": "c", "project_id": "p", "clock": "month#1", "target": "month",
    "rule": ("RM-4.4.1c",), "due_at": FRIDAY,
}  # fmt: skip


@rule("RM-4.4.1c")
def test_intake_raises_what_sla_says_is_a_month_old() -> None:
    [to] = on_clock(heard(MajorByAge(**CLOCK)))
    assert (to.stream, to.key) == ("case-c", "p")
    a_complaint(MINOR).when(to.command).then(RAISED.model_copy(update={"reason": "month#1"}))


def test_intake_remembers_a_breach_once() -> None:
    breach = ClockBreached(**CLOCK, breached_at=FRIDAY, number=1)
    [to] = on_clock(heard(breach))
    a_complaint(MINOR).when(to.command).then(BreachNoted(case_id="c", clock="month#1")).when(
        to.command
    ).then()
    a_complaint(MINOR, HANDLED, CLOSED).when(to.command).then(BreachNoted)


@rule("RM-4.4.1c")
def test_what_a_rule_has_raised_only_the_manager_lowers() -> None:
    lower = classified(Severity.MINOR, classified_by="a")
    raised = a_complaint(MINOR, RAISED)
    assert raised.refuses(ClassifyCase(MONDAY, lower)).rule == "RM-4.4.1c"
    by_supervisor = ClassifyCase(MONDAY, lower, approver=SUPERVISOR)
    assert "service-centre manager" in raised.refuses(by_supervisor).reason
    lowered = lower.model_copy(update={"confirmed_by": "m"})
    raised.when(ClassifyCase(MONDAY, lower, approver=MANAGER)).then(lowered)
    after = a_complaint(MINOR, RAISED, lowered)
    after.when(ClassifyCase(MONDAY, lowered, approver=MANAGER)).then()
    others = lower.model_copy(update={"confirmed_by": "g"})
    assert "another confirmed_by" in after.refuses(ClassifyCase(MONDAY, others)).reason
    raised.when(ClassifyCase(MONDAY, lower, "external")).then()


def test_after_a_breach_only_the_manager_lowers() -> None:
    breached = a_complaint(IMPORTANT, BreachNoted(case_id="c", clock="x#1"))
    lower = classified(Severity.MINOR, classified_by="a")
    breached.refuses(ClassifyCase(MONDAY, lower, approver=SUPERVISOR))
    breached.when(ClassifyCase(MONDAY, lower, approver=MANAGER)).then(CaseClassified)
    higher = classified(Severity.MAJOR, classified_by="a")
    breached.when(ClassifyCase(MONDAY, higher)).then(higher)


def test_a_breach_that_was_taken_back_binds_nobody_and_the_others_do() -> None:
    breach = ClockBreached(**CLOCK, breached_at=FRIDAY, number=1)
    back = BreachWithdrawn(**CLOCK, number=1)
    [missed], [taken_back] = on_clock(heard(breach)), on_clock(heard(back))
    noted = BreachNoted(case_id="c", clock="month#1")
    other = BreachNoted(case_id="c", clock="x#1")
    lower = ClassifyCase(MONDAY, classified(Severity.MINOR, classified_by="a"))
    after = a_complaint(IMPORTANT).when(missed.command).then(noted).when(taken_back.command)
    withdrawn = noted.model_copy(update={"withdrawn": True})
    after.then(withdrawn).when(lower).then(CaseClassified)
    after.when(taken_back.command).then()
    a_complaint(IMPORTANT, noted, other, withdrawn).refuses(lower)
    a_complaint(IMPORTANT, noted, withdrawn, noted).refuses(lower)


def test_of_an_imported_past_the_first_breach_says_enough() -> None:
    first = ClockBreached(**CLOCK, breached_at=FRIDAY, number=1)
    second = first.model_copy(update={"clock": "x#1"})
    past = [heard(fact)._replace(history=FRIDAY) for fact in (first, second)]
    [one], [other] = map(on_clock, past)
    noted = BreachNoted(case_id="c", clock="month#1")
    after = a_complaint(IMPORTANT).when(one.command).then(noted)
    after.when(other.command).then()
    [live], [back] = on_clock(heard(second)), on_clock(heard(BreachWithdrawn(**CLOCK, number=1)))
    after.when(live.command).then(noted.model_copy(update={"clock": "x#1"}))
    a_complaint(IMPORTANT).when(back.command).then()


def test_after_a_breach_it_does_not_come_back_milder_by_way_of_what_is_not_valid() -> None:
    away = classified(None, validity=Validity.EXCESSIVE, ground="a", classified_by="a")
    breached = a_complaint(IMPORTANT, BreachNoted(case_id="c", clock="x#1"), away)
    minor = classified(Severity.MINOR, classified_by="a")
    assert "second person" in breached.refuses(ClassifyCase(MONDAY, minor)).reason
    breached.refuses(ClassifyCase(MONDAY, minor, approver=SUPERVISOR))
    breached.when(ClassifyCase(MONDAY, minor, approver=MANAGER)).then(CaseClassified)
    as_before = classified(Severity.IMPORTANT, classified_by="a")
    breached.when(ClassifyCase(MONDAY, as_before)).then(as_before)
    elsewhere = classified(None, validity=Validity.COORDINATION, ground="b", outside_party="开发商")
    breached.when(ClassifyCase(MONDAY, elsewhere)).then(elsewhere)


def moved(*story: Fact) -> Given:
    commands = done_before([heard(fact) for fact in story], "c", MONDAY)
    there = given(RECEIVED, by=CaseDecider())
    for command in commands:
        there = Given(there.decider, there.when(command).state)
    return there


@rule("RM-4.4.1c")
def test_what_raised_a_case_counts_where_it_is_moved_unless_it_was_lowered() -> None:
    lower = classified(Severity.MINOR, classified_by="a")
    raised = moved(RECEIVED, MINOR, RAISED)
    assert raised.refuses(ClassifyCase(MONDAY, lower)).rule == "RM-4.4.1c"
    moved(RECEIVED, MINOR, RAISED, lower).when(RaiseSeverity(MONDAY)).then(SeverityRaised)
    absorbed = CaseAbsorbed(case_id="c", merged="d", received_at=MONDAY, severity=Severity.MAJOR)
    moved(RECEIVED, MINOR, absorbed).when(RaiseSeverity(MONDAY)).then()
    moved(RECEIVED, absorbed, MINOR).when(RaiseSeverity(MONDAY)).then(SeverityRaised)


def test_an_emergency_that_was_late_becomes_ordinary_only_with_the_centre_manager() -> None:
    request = a_case(kind=Kind.SERVICE_REQUEST)
    urgent = classified(None, validity=None, urgency=Urgency.EMERGENCY, cause="first")
    ordinary = classified(None, validity=None, urgency=Urgency.ORDINARY, classified_by="a")
    given(request, urgent, by=CaseDecider()).when(ClassifyCase(MONDAY, ordinary)).then(
        CaseClassified
    )
    late = given(request, urgent, BreachNoted(case_id="c", clock="x#1"), by=CaseDecider())
    assert "second person" in late.refuses(ClassifyCase(MONDAY, ordinary)).reason
    late.refuses(ClassifyCase(MONDAY, ordinary, approver=SUPERVISOR))
    late.when(ClassifyCase(MONDAY, ordinary, approver=MANAGER)).then(CaseClassified)


@rule("RM-4.8")
def test_a_complaint_leaves_the_valid_ones_only_with_a_second_person() -> None:
    excessive = classified(None, validity=Validity.EXCESSIVE, ground="a", classified_by="a")
    valid = a_complaint(MINOR)
    assert valid.refuses(ClassifyCase(MONDAY, excessive)).rule == "RM-4.8"
    asker = Approver("a", frozenset({Role.GENERAL_MANAGER}))
    assert "asked" in valid.refuses(ClassifyCase(MONDAY, excessive, approver=asker)).reason
    valid.when(ClassifyCase(MONDAY, excessive, approver=SUPERVISOR)).then(
        excessive.model_copy(update={"confirmed_by": "s"})
    )


def test_new_facts_are_confirmed_by_a_supervisor() -> None:
    new = classified(Severity.IMPORTANT, cause="new_facts", classified_by="a")
    a_complaint(MINOR).refuses(ClassifyCase(MONDAY, new))
    nobody = new.model_copy(update={"classified_by": None})
    assert (
        "person_id"
        in a_complaint(MINOR).refuses(ClassifyCase(MONDAY, nobody, approver=SUPERVISOR)).reason
    )
    a_complaint(MINOR).when(ClassifyCase(MONDAY, new, approver=SUPERVISOR)).then(CaseClassified)


# How it ends elsewhere.

REFUSED = CaseRefused(case_id="c", round=1, reason=WORDS, person_id="a", approved_by="s")
REFUSED_AGAIN = REFUSED.model_copy(update={"round": 2})
WITHDRAWN = CaseWithdrawn(case_id="c", asked_by=WORDS, how="phone", person_id="a", confirmed_by="b")


@rule("RM-4.8")
def test_a_refusal_has_a_reason_and_a_supervisor_who_did_not_handle_it() -> None:
    command = RefuseCase(MONDAY, WORDS, "a", SUPERVISOR)
    assert a_complaint().refuses(RefuseCase(MONDAY, None, "a", SUPERVISOR)).rule == "RM-4.8"
    alone = a_complaint().refuses(RefuseCase(MONDAY, WORDS, "a"))
    assert alone.rule == "RM-4.8"
    assert "name by approved_by a customer-service supervisor of this project" in alone.reason
    assert a_complaint(STARTED.model_copy(update={"person_id": "s"})).refuses(command)
    assert a_complaint(CaseAssigned(case_id="c", person_id="s")).refuses(command)
    by_default = CaseAssigned(case_id="c", person_id="s", reason=NO_FIRST_CONTACT)
    a_complaint(by_default).when(command).then(CaseRefused)
    assert a_complaint(by_default, STARTED.model_copy(update={"person_id": "s"})).refuses(command)
    clerk = Approver("b", frozenset({Role.FRONTLINE, Role.QUALITY}))
    assert a_complaint().refuses(RefuseCase(MONDAY, WORDS, "a", clerk)).rule == "RM-4.8"
    missed = BreachNoted(case_id="c", clock="x#1")
    assert "centre manager" in a_complaint(MINOR, missed).refuses(command).reason
    a_complaint(MINOR, missed).when(replace(command, approver=MANAGER)).then(CaseRefused)
    a_complaint(missed).when(command).then(CaseRefused)
    assert "handled" in a_complaint(MINOR, HANDLED).refuses(command).reason
    a_complaint().when(command).then(REFUSED).when(command).then()
    other = replace(command, approver=MANAGER)
    assert "was refused" in a_complaint(REFUSED).refuses(other).reason


@rule("RM-4.8")
def test_who_was_told_the_reason_of_a_refusal_by_message_was_answered() -> None:
    told = TellRefusal(MONDAY, "m", 1)
    answered = CaseAnswered(
        case_id="c", answer_id="m", decision="will_not", reasons=WORDS, person_id="a"
    )
    a_complaint(REFUSED).when(told).then(answered).when(told).then()
    a_complaint(REFUSED.model_copy(update={"round": None})).when(told).then()
    reopened = a_complaint(REFUSED, CaseReopened(case_id="c", round=2))
    reopened.when(told).then()
    again = a_complaint(REFUSED, CaseReopened(case_id="c", round=2), REFUSED_AGAIN)
    again.when(told).then()
    a_complaint(WITHDRAWN).when(told).then()
    # Somebody has told them otherwise since; what was answered before the refusal had other reasons.
    by_hand = answered.model_copy(update={"answer_id": "w"})
    a_complaint(REFUSED, by_hand).when(told).then()
    a_complaint(by_hand, REFUSED).when(told).then(answered)
    will = by_hand.model_copy(update={"decision": "will"})
    a_complaint(REFUSED, will).when(told).then(answered)
    second = TellRefusal(MONDAY, "m", 2)
    again = a_complaint(by_hand, CaseReopened(case_id="c", round=2), REFUSED_AGAIN)
    again.when(second).then(CaseAnswered)


@rule("RM-4.8")
def test_of_a_refused_case_its_owner_may_still_be_told_why_and_nothing_else_is_promised() -> None:
    why = CaseAnswered(case_id="c", answer_id="w", decision="will_not", reasons=WORDS)
    a_complaint(REFUSED).when(Say(MONDAY, why)).then(why)
    assert (
        "reasons"
        in a_complaint(REFUSED)
        .refuses(Say(MONDAY, why.model_copy(update={"reasons": None})))
        .reason
    )
    will = why.model_copy(update={"decision": "will", "by_date": MONDAY + timedelta(days=1)})
    assert "was refused" in a_complaint(REFUSED).refuses(Say(MONDAY, will)).reason
    assert "was withdrawn" in a_complaint(WITHDRAWN).refuses(Say(MONDAY, why)).reason


def test_a_withdrawal_is_confirmed_by_a_second_person() -> None:
    command = WithdrawCase(MONDAY, WORDS, "phone", "a", Approver("b"))
    alone = a_complaint().refuses(WithdrawCase(MONDAY, WORDS, "phone", "a"))
    assert alone.reason == "A second person has to confirm this: name by confirmed_by another."
    a_complaint().refuses(WithdrawCase(MONDAY, WORDS, "phone", "a", Approver("a")))
    a_complaint().refuses(WithdrawCase(MONDAY, None, "phone", "a", Approver("b")))
    a_complaint().when(command).then(WITHDRAWN).when(command).then()
    other = replace(command, approver=Approver("d"))
    assert "was withdrawn" in a_complaint(WITHDRAWN).refuses(other).reason


@pytest.mark.parametrize("ending", [REFUSED, WITHDRAWN], ids=["refused", "withdrawn"])
def test_what_was_refused_or_withdrawn_may_be_reopened(ending: Fact) -> None:
    reopened = CaseReopened(case_id="c", round=2)
    a_complaint(ending).when(ReopenCase(MONDAY)).then(reopened).when(ReopenCase(MONDAY)).then()


@pytest.mark.parametrize(
    ("ending", "pointer"),
    [
        (REFUSED, "was refused"),
        (WITHDRAWN, "was withdrawn"),
        (CaseMerged(case_id="c", into="d"), "merged into the case d"),
        (
            CaseMovedOut(case_id="c", to_project="q", to_case="e"),
            "project q: go on with the case e",
        ),
    ],
    ids=["refused", "withdrawn", "merged", "moved_out"],
)
def test_an_ended_case_shows_where_to_go_on(ending: Fact, pointer: str) -> None:
    ended = a_complaint(MINOR, ending)
    for command in (HandleCase(MONDAY), CloseCase(MONDAY), AssignCase(MONDAY, "b"), said(STARTED)):
        assert pointer in ended.refuses(command).reason
    ended.when(CloseCase(MONDAY, "external")).then()
    ended.when(RaiseSeverity(MONDAY)).then()
    comment = ProgressReported(case_id="c", report_id="1")
    ended.when(said(comment, by="external")).then(comment)


def test_a_case_is_merged_once_and_not_into_itself() -> None:
    command = MergeCase(MONDAY, "d", "a")
    merged = CaseMerged(case_id="c", into="d", person_id="a")
    a_complaint().when(command).then(merged).when(command).then()
    assert "itself" in a_complaint().refuses(MergeCase(MONDAY, "c")).reason
    assert "closed" in a_complaint(MINOR, HANDLED, CLOSED).refuses(command).reason
    a_complaint(merged).refuses(MergeCase(MONDAY, "e"))


def test_the_surviving_case_is_as_early_and_as_weighty_as_either() -> None:
    absorb = AbsorbCase(MONDAY, "d", Kind.COMPLAINT, MONDAY, Severity.IMPORTANT)
    absorbed = CaseAbsorbed(
        case_id="c", merged="d", received_at=MONDAY, severity=Severity.IMPORTANT
    )
    a_complaint(MINOR).when(absorb).then(absorbed).when(absorb).then()
    major = classified(Severity.MAJOR)
    a_complaint(major).when(absorb).then(absorbed.model_copy(update={"severity": Severity.MAJOR}))
    assert a_complaint(MINOR, absorbed).refuses(said(STARTED)).rule == "RC-4.3"


def test_what_was_merged_into_a_case_without_a_class_says_how_weighty_it_is_at_least() -> None:
    absorbed = CaseAbsorbed(
        case_id="c", merged="d", received_at=MONDAY, severity=Severity.IMPORTANT
    )
    unclassified = a_complaint(absorbed)
    minor = ClassifyCase(MONDAY, classified(Severity.MINOR))
    important = ClassifyCase(MONDAY, classified(Severity.IMPORTANT))
    assert "merged into this one" in unclassified.refuses(minor).reason
    unclassified.when(important).then(CaseClassified)
    from_outside = replace(minor, by="external")
    told = unclassified.when(from_outside).facts
    assert [fact.severity for fact in told if isinstance(fact, CaseClassified)] == [
        Severity.IMPORTANT
    ]


@rule("RM-4.8")
def test_a_merger_takes_no_valid_complaint_out_of_the_valid_ones_unseen() -> None:
    absorb = AbsorbCase(MONDAY, "d", Kind.COMPLAINT, MONDAY, Severity.IMPORTANT)
    excessive = CaseClassified(case_id="c", validity=Validity.EXCESSIVE, ground="a")
    assert "only in a valid one" in a_complaint(excessive).refuses(absorb).reason
    absorbed = CaseAbsorbed(
        case_id="c", merged="d", received_at=MONDAY, severity=Severity.IMPORTANT
    )
    excessive = excessive.model_copy(update={"classified_by": "a"})
    first = ClassifyCase(MONDAY, excessive)
    assert a_complaint(absorbed).refuses(first).rule == "RM-4.8"
    supervisor = Approver("s", frozenset({Role.CS_SUPERVISOR}))
    a_complaint(absorbed).when(replace(first, approver=supervisor)).then(
        excessive.model_copy(update={"confirmed_by": "s"})
    )


@rule("RM-4.9")
def test_harm_that_goes_on_in_a_merged_case_goes_on_in_the_one_that_is_left() -> None:
    absorb = AbsorbCase(MONDAY, "d", Kind.COMPLAINT, MONDAY, harm_ongoing=True)
    absorbed = CaseAbsorbed(case_id="c", merged="d", received_at=MONDAY)
    harm = HarmReported(case_id="c", harm_id="merged-d")
    a_complaint().when(absorb).then(absorbed, harm).when(absorb).then()
    a_complaint(harm).when(absorb).then(absorbed)


def test_no_closed_case_and_no_lighter_kind_goes_on_for_a_complaint() -> None:
    absorb = AbsorbCase(MONDAY, "d", Kind.COMPLAINT, MONDAY)
    assert "closed" in a_complaint(MINOR, HANDLED, CLOSED).refuses(absorb).reason
    request = given(a_case(Kind.SERVICE_REQUEST), by=CaseDecider())
    assert "complaint" in request.refuses(absorb).reason


def test_a_case_is_moved_once() -> None:
    command = MoveCase(MONDAY, "q", "e", "wrong gate", "a")
    a_complaint().when(command).then(
        CaseMovedOut(case_id="c", to_project="q", to_case="e", reason="wrong gate", person_id="a")
    ).when(command).then()
    assert "handled" in a_complaint(MINOR, HANDLED).refuses(command).reason
    reopened = CaseReopened(case_id="c", round=2)
    assert "reopened" in a_complaint(MINOR, HANDLED, reopened).refuses(command).reason


def test_history_refuses_and_withdraws_without_our_second_person() -> None:
    a_complaint().when(RefuseCase(MONDAY, None, None, by="history")).then(CaseRefused)
    a_complaint().when(WithdrawCase(MONDAY, None, "phone", None, by="history")).then(CaseWithdrawn)
