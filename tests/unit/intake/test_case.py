"""The case's rules: given facts, when a command, then facts."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from tests.support.rules import rule

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.intake import (
    CaseAccepted,
    CaseAssigned,
    CaseChased,
    CaseClassified,
    CaseClosed,
    CaseCorrected,
    CaseHandled,
    CasePaused,
    CaseReceived,
    CaseReopened,
    CaseResumed,
    CaseWithdrawn,
    FollowupNoted,
    HistoryEnded,
    ResultTold,
)
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.visits import FollowupDone
from steward_events.vocabulary import Kind, Mode, Role, Severity, Validity
from steward_intake.api.subscribers import on_visits
from steward_intake.domain.approval import Approver
from steward_intake.domain.case import decide, wake_at
from steward_intake.domain.commands import (
    AbsorbCase,
    AcceptCase,
    AcceptDispatch,
    AssignCase,
    CaseCommand,
    ClassifyCase,
    CloseCase,
    DispatchCase,
    EndHistory,
    GiveSatisfaction,
    HandleCase,
    HandOver,
    MergeCase,
    MoveCase,
    PauseCase,
    RaiseSeverity,
    ReceiveCase,
    RefuseCase,
    RefuseDispatch,
    ReopenCase,
    ResumeCase,
    TellRefusal,
    TellResult,
    WithdrawCase,
)
from steward_intake.domain.evolving import CaseFact, evolve
from steward_intake.domain.sayings import SAYINGS, SaidFact, Say
from steward_intake.domain.story import Case, Closed, Ended, Nothing

MONDAY = datetime.fromisoformat("2026-09-28T10:00:00+08:00")
WORDS = Sealed(subject="case-c", field="corrective", value_id="1", box="AA==")


def a_case(kind: Kind) -> CaseReceived:
    return CaseReceived(
        case_id="c",
        number="p-2026-00001",
        project_id="p",
        zone="Asia/Shanghai",
        policy="residential-cn@2026.1",
        kind=kind,
    )


def classified(severity: Severity | None = Severity.MINOR, **more: Any) -> CaseClassified:
    return CaseClassified(case_id="c", validity=Validity.VALID, severity=severity, **more)


RECEIVED = a_case(Kind.COMPLAINT)
CLASSIFIED = classified()
HANDLED = CaseHandled(case_id="c", corrective=WORDS, preventive=WORDS)
TOLD = ResultTold(case_id="c", how="phone")
FOLLOWED_UP = FollowupNoted(case_id="c", followup_id="f", round=1, outcome="done")
CLOSED = CaseClosed(case_id="c")


def state_of(facts: Sequence[CaseFact]) -> Case:
    state: Case = Nothing()
    for fact in facts:
        state = evolve(state, fact)
    return state


def when(given: Sequence[CaseFact], command: CaseCommand | Ring) -> Sequence[CaseFact]:
    return decide(command, state_of(given))


def refusal(given: Sequence[CaseFact], command: CaseCommand) -> Refused:
    with pytest.raises(Refused) as refused:
        when(given, command)
    return refused.value


@rule("RC-2")
@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_taken_in(kind: Kind) -> None:
    assert when([], ReceiveCase(MONDAY, a_case(kind))) == [a_case(kind)]


def test_an_unknown_case_may_yet_be_heard_of() -> None:
    assert isinstance(refusal([], CloseCase(MONDAY)), NotHeardYet)


@rule("RM-3.4", "RC-4.2")
def test_the_first_classification_is_the_first_whatever_is_said() -> None:
    said = classified(cause="new_facts")
    assert when([RECEIVED], ClassifyCase(MONDAY, said)) == [classified(cause="first")]


def test_a_later_classification_is_a_correction() -> None:
    said = classified(Severity.IMPORTANT, reason="误判")
    changed = when([RECEIVED, CLASSIFIED], ClassifyCase(MONDAY, said))
    assert changed == [classified(Severity.IMPORTANT, cause="correction", reason="误判")]


def test_a_change_says_why() -> None:
    changed = ClassifyCase(MONDAY, classified(Severity.IMPORTANT))
    assert "why" in refusal([RECEIVED, CLASSIFIED], changed).reason
    assert when([RECEIVED, CLASSIFIED], replace(changed, by="external"))


def test_the_same_classification_again_is_no_fact() -> None:
    assert when([RECEIVED, CLASSIFIED], ClassifyCase(MONDAY, classified())) == []


@rule("RM-4.3.1a..g")
def test_a_valid_complaint_needs_a_severity() -> None:
    assert "severity" in refusal([RECEIVED], ClassifyCase(MONDAY, classified(None))).reason


@rule("RM-4.3.1a..g", "RM-4.3.2a..e", "RM-4.3.3a..c")
@pytest.mark.parametrize(
    ("validity", "more", "sentence", "rule_id"),
    [
        ("valid", {"severity": "minor", "ground": "h"}, "no ground “h”; there are a to g", "1a..g"),
        ("coordination", {"ground": "f", "outside_party": "开发商"}, "there are a to e", "2a..e"),
        ("excessive", {"ground": "合同"}, "there are a to c", "3a..c"),
        ("excessive", {}, "An excessive demand names its ground, one of a to c.", "3a..c"),
        ("coordination", {"outside_party": "开发商"}, "names its ground, one of a to e", "2a..e"),
        (
            "excessive",
            {"ground": "a", "severity": "minor"},
            "Only a valid complaint has a severity",
            "3a..c",
        ),
        ("coordination", {"ground": "a"}, "names by outside_party who else", "2a..e"),
    ],
)
def test_a_class_that_the_rules_do_not_know_is_refused_in_a_sentence(
    validity: str, more: dict[str, Any], sentence: str, rule_id: str
) -> None:
    said = CaseClassified.model_validate({"case_id": "c", "validity": validity, **more})
    refused = refusal([RECEIVED], ClassifyCase(MONDAY, said))
    assert sentence in refused.reason
    assert refused.rule == f"RM-4.3.{rule_id}"
    assert when([RECEIVED], ClassifyCase(MONDAY, said, "history")) == [said]


@rule("RM-4.3.2a..e")
def test_whom_the_reception_or_its_correction_named_need_not_be_named_again() -> None:
    matter = CaseClassified(case_id="c", validity=Validity.COORDINATION, ground="b")
    told = RECEIVED.model_copy(update={"outside_party": "开发商"})
    corrected = CaseCorrected(case_id="c", correction_id="1", outside_party="施工单位")
    pasts: list[tuple[list[CaseFact], str]] = [
        ([told], "开发商"),
        ([told, corrected], "施工单位"),
    ]
    for past, party in pasts:
        [fact] = when(past, ClassifyCase(MONDAY, matter))
        assert fact == matter.model_copy(update={"outside_party": party})
        assert when([*past, fact], ClassifyCase(MONDAY, matter)) == []


def test_only_a_complaint_has_a_severity() -> None:
    request = a_case(Kind.SERVICE_REQUEST)
    assert refusal([request], ClassifyCase(MONDAY, classified())).rule == "RM-4.3.1a..g"


def test_another_system_tells_only_what_has_changed() -> None:
    said = CaseClassified(case_id="-", severity=Severity.IMPORTANT)
    [fact] = when([RECEIVED, CLASSIFIED], ClassifyCase(MONDAY, said, "external"))
    assert fact == classified(Severity.IMPORTANT, cause="correction")


@rule("RM-3.4")
def test_a_case_is_handed_over_only_by_whom_it_is_still_with() -> None:
    mine = CaseAssigned(case_id="c", person_id="a")
    handed = CaseAssigned(case_id="c", person_id="b", before="a", reason="role_ended")
    assert when([RECEIVED, mine], HandOver(MONDAY, "a", "b")) == [handed]
    assert when([RECEIVED, mine, handed], HandOver(MONDAY, "a", "b")) == []
    assert when([RECEIVED], HandOver(MONDAY, "a", "b")) == []
    closed: list[CaseFact] = [RECEIVED, mine, CLASSIFIED, HANDLED, TOLD, FOLLOWED_UP, CLOSED]
    assert when(closed, HandOver(MONDAY, "a", "b")) == []


@rule("RM-3.4")
def test_a_case_is_given_to_a_named_person_and_the_fact_says_from_whom() -> None:
    first = CaseAssigned(case_id="c", person_id="a")
    assert when([RECEIVED], AssignCase(MONDAY, "a")) == [first]
    assert when([RECEIVED, first], AssignCase(MONDAY, "a")) == []
    assert when([RECEIVED, first], AssignCase(MONDAY, "b")) == [
        CaseAssigned(case_id="c", person_id="b", before="a")
    ]


MANAGER = Approver("m", frozenset({Role.CENTRE_MANAGER}))


@rule("RM-4.5.2b")
def test_the_manager_takes_the_case_into_the_procedure_once() -> None:
    accepted = CaseAccepted(case_id="c", person_id="m", role=Role.CENTRE_MANAGER)
    command = AcceptCase(MONDAY, Role.CENTRE_MANAGER, "m", approver=MANAGER)
    assert when([RECEIVED], command) == [accepted]
    assert when([RECEIVED, accepted], command) == []


def test_an_acceptance_typed_in_late_still_counts() -> None:
    command = AcceptCase(MONDAY, Role.CENTRE_MANAGER, "m", approver=MANAGER)
    assert len(when([RECEIVED, CLASSIFIED, HANDLED], command)) == 1


@rule("RM-4.5.2b")
def test_what_another_system_says_of_who_took_a_case_over_is_believed() -> None:
    command = AcceptCase(MONDAY, Role.CENTRE_MANAGER, "m", "history")
    assert len(when([RECEIVED], command)) == 1
    assert refusal([RECEIVED], replace(command, by="steward")).rule == "RM-4.5.2b"


def test_each_asking_again_is_told_once() -> None:
    chased = CaseChased(case_id="c", chase_id="1")
    again = CaseChased(case_id="c", chase_id="2")
    assert when([RECEIVED], Say(MONDAY, chased)) == [chased]
    assert when([RECEIVED, chased], Say(MONDAY, chased)) == []
    second = again.model_copy(update={"chase": 2})
    assert when([RECEIVED, chased], Say(MONDAY, again)) == [second]
    assert when([RECEIVED, chased, second], Say(MONDAY, again)) == []


def test_a_case_waits_for_its_owner_for_seven_days_at_most() -> None:
    week = MONDAY + timedelta(days=7)
    assert when([RECEIVED], PauseCase(MONDAY, week)) == [
        CasePaused(case_id="c", reason="waiting_owner", resume_on=week)
    ]
    assert "7 days" in refusal([RECEIVED], PauseCase(MONDAY, week + timedelta(seconds=1))).reason
    assert "future" in refusal([RECEIVED], PauseCase(MONDAY, MONDAY)).reason


def test_a_pause_ends_by_itself_on_its_date() -> None:
    until = MONDAY + timedelta(days=2)
    paused = CasePaused(case_id="c", reason="waiting_owner", resume_on=until)
    assert wake_at(state_of([RECEIVED, paused])) == until
    assert when([RECEIVED, paused], Ring(until)) == [CaseResumed(case_id="c", because="date")]
    assert when([RECEIVED, paused], Ring(until - timedelta(seconds=1))) == []
    assert wake_at(state_of([RECEIVED, paused, CaseResumed(case_id="c")])) is None


def test_work_done_during_a_pause_ends_the_pause() -> None:
    paused = CasePaused(case_id="c", reason="waiting_owner", resume_on=MONDAY + timedelta(days=2))
    command = HandleCase(MONDAY, None, WORDS, WORDS)
    facts = when([RECEIVED, CLASSIFIED, paused], command)
    assert facts == [CaseResumed(case_id="c", because="handled"), HANDLED]


@rule("RM-4.6.1")
@pytest.mark.parametrize(("corrective", "preventive"), [(None, None), (WORDS, None), (None, WORDS)])
def test_a_valid_complaint_is_not_handled_without_both_measures(
    corrective: Sealed | None, preventive: Sealed | None
) -> None:
    refused = refusal([RECEIVED, CLASSIFIED], HandleCase(MONDAY, None, corrective, preventive))
    assert refused.rule == "RM-4.6.1"


@rule("RM-4.6.1")
def test_a_coordination_matter_needs_no_measures() -> None:
    matter = CaseClassified(case_id="c", validity=Validity.COORDINATION)
    assert len(when([RECEIVED, matter], HandleCase(MONDAY))) == 1


@rule("RC-4.2")
def test_a_complaint_is_classified_before_it_is_handled() -> None:
    assert refusal([RECEIVED], HandleCase(MONDAY, None, WORDS, WORDS)).rule == "RC-4.2"


@rule("RM-4.6.3")
def test_nothing_is_told_before_the_work_is_done() -> None:
    assert "not been handled" in refusal([RECEIVED], TellResult(MONDAY, "phone")).reason
    assert when([RECEIVED, CLASSIFIED, HANDLED], TellResult(MONDAY, "phone")) == [TOLD]


@rule("RM-4.6.3", "RM-4.6.4a")
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([RECEIVED, CLASSIFIED], "RC-7"),
        ([RECEIVED, CLASSIFIED, HANDLED, FOLLOWED_UP], "RM-4.6.3"),
        ([RECEIVED, CLASSIFIED, HANDLED, TOLD], "RM-4.6.4a"),
    ],
)
def test_a_complaint_never_closes_by_silence(given: Sequence[CaseFact], missing: str) -> None:
    assert refusal(given, CloseCase(MONDAY)).rule == missing


@rule("RM-4.6.3", "RM-4.6.4a")
def test_a_complaint_closes_when_told_and_followed_up() -> None:
    waived = FOLLOWED_UP.model_copy(update={"outcome": "waived"})
    [noted] = when([RECEIVED, CLASSIFIED, HANDLED, TOLD], Say(MONDAY, waived, "external"))
    given: list[CaseFact] = [RECEIVED, CLASSIFIED, HANDLED, TOLD, noted]
    assert when(given, CloseCase(MONDAY)) == [CLOSED]
    assert when([*given, CLOSED], CloseCase(MONDAY)) == []


@rule("RM-4.6.4a")
def test_the_follow_up_of_an_earlier_round_does_not_close_this_one() -> None:
    given: list[CaseFact] = [
        *(RECEIVED, CLASSIFIED, HANDLED, TOLD, FOLLOWED_UP, CLOSED),
        CaseReopened(case_id="c", round=2),
        HANDLED.model_copy(update={"round": 2}),
        TOLD.model_copy(update={"round": 2}),
    ]
    assert refusal(given, CloseCase(MONDAY)).rule == "RM-4.6.4a"


@pytest.mark.parametrize("by", ["external", "history"])
def test_a_closing_from_elsewhere_stands_and_lists_what_is_missing(by: Any) -> None:
    [closed] = when([RECEIVED, CLASSIFIED], CloseCase(MONDAY, by))
    assert isinstance(closed, CaseClosed)
    assert closed.missing == ("handled", "result_told", "followup")
    given: list[CaseFact] = [RECEIVED, CLASSIFIED, CaseHandled(case_id="c")]
    [closed] = when(given, CloseCase(MONDAY, by))
    assert isinstance(closed, CaseClosed)
    assert closed.missing == ("measures", "result_told", "followup")


@rule("RC-5.4")
def test_a_service_request_closes_when_its_owner_confirms() -> None:
    request = a_case(Kind.SERVICE_REQUEST)
    assert refusal([request, HANDLED], CloseCase(MONDAY)).rule == "RC-5.4"
    assert when([request, HANDLED, TOLD], CloseCase(MONDAY)) == [CLOSED]


def test_a_closed_case_is_reopened_into_its_next_round() -> None:
    given: list[CaseFact] = [RECEIVED, CLASSIFIED, HANDLED, TOLD, FOLLOWED_UP, CLOSED]
    reopened = CaseReopened(case_id="c", round=2)
    assert when(given, ReopenCase(MONDAY)) == [reopened]
    assert when([*given, reopened], ReopenCase(MONDAY)) == []
    assert "open" in refusal([RECEIVED], ReopenCase(MONDAY)).reason
    assert "closed" in refusal(given, AssignCase(MONDAY, "a")).reason


@rule("RM-4.6.4a", "FU-5.1")
@pytest.mark.parametrize("past", [[HANDLED], [HANDLED, TOLD], [HANDLED, TOLD, FOLLOWED_UP, CLOSED]])
def test_an_unsatisfied_owner_reopens_the_round_that_was_followed_up(past: list[CaseFact]) -> None:
    given: list[CaseFact] = [RECEIVED, CLASSIFIED, *past]
    unsatisfied = ReopenCase(MONDAY, "followup", round=1, followup_id="f1")
    reopened = CaseReopened(case_id="c", round=2, reason="followup", followup_id="f1")
    assert when(given, unsatisfied) == [reopened]
    again = HANDLED.model_copy(update={"round": 2})
    for later in ([], [again]):
        assert when([*given, reopened, *later], unsatisfied) == []


def test_a_follow_up_reopens_no_case_that_is_open_or_goes_on_no_further() -> None:
    unsatisfied = ReopenCase(MONDAY, "followup", round=1)
    withdrawn = CaseWithdrawn(case_id="c", how="phone")
    assert when([RECEIVED], unsatisfied) == []
    assert when([RECEIVED, CLASSIFIED, withdrawn], unsatisfied) == []
    by_a_person = ReopenCase(MONDAY, "followup")
    assert when([RECEIVED, CLASSIFIED, withdrawn], by_a_person)
    assert "open" in refusal([RECEIVED], by_a_person).reason


def followup_done(*, satisfied: bool | None) -> Recorded:
    fact = FollowupDone(
        followup_id="f1",
        case_id="c",
        project_id="p1",
        rule=("RM-4.6.4a",),
        mode=Mode.PHONE,
        satisfied=satisfied,
    )
    place = ("followups-c", 3, "p1", "/steward/visits")
    return Recorded(UUID(int=1), fact.wire_type, *place, MONDAY, MONDAY, MONDAY, fact)


@rule("RM-4.6.4a")
def test_only_an_owner_who_says_no_reopens_the_case() -> None:
    reopen, noted = on_visits(followup_done(satisfied=False))
    assert isinstance(noted.command, Say)
    assert (reopen.stream, reopen.key) == ("case-c", "p1")
    assert reopen.command == ReopenCase(MONDAY, "followup", round=1, followup_id="f1")
    for satisfied in (True, None):
        assert len(list(on_visits(followup_done(satisfied=satisfied)))) == 1


def test_another_system_may_still_say_what_a_closed_case_was() -> None:
    given: list[CaseFact] = [RECEIVED, CLASSIFIED, HANDLED, CLOSED]
    major = ClassifyCase(MONDAY, classified(Severity.MAJOR))
    assert "closed" in refusal(given, major).reason
    assert when(given, replace(major, by="external")) == [
        classified(Severity.MAJOR, cause="correction")
    ]
    assigned = CaseAssigned(case_id="c", person_id="a")
    assert when(given, AssignCase(MONDAY, "a", by="external")) == [assigned]


@rule("RM-4.4.2")
def test_the_second_reopening_makes_it_at_least_important() -> None:
    given: list[CaseFact] = [
        *(RECEIVED, CLASSIFIED, HANDLED),
        CaseReopened(case_id="c", round=2),
        HANDLED.model_copy(update={"round": 2}),
    ]
    reopened, raised = when(given, ReopenCase(MONDAY))
    assert reopened == CaseReopened(case_id="c", round=3)
    assert raised == classified(Severity.IMPORTANT, cause="new_facts")
    lower = ClassifyCase(MONDAY, classified(Severity.MINOR))
    assert refusal([*given, reopened, raised], lower).rule == "RM-4.4.2"
    from_elsewhere = ClassifyCase(MONDAY, classified(Severity.MINOR), "external")
    assert when([*given, reopened, raised], from_elsewhere) == []


def test_history_ends_once() -> None:
    ended = HistoryEnded(case_id="c", until=MONDAY)
    assert when([RECEIVED], EndHistory(MONDAY, MONDAY)) == [ended]
    assert when([RECEIVED, ended], EndHistory(MONDAY, MONDAY)) == []


INSTANTS = st.integers(0, 20 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
ORIGINS = st.sampled_from(["steward", "external", "history"])
SEALS = st.sampled_from([None, WORDS])
IDS = st.sampled_from(["a", "b"])
SEVERITIES = st.sampled_from([None, *Severity])
APPROVERS = st.none() | st.builds(Approver, IDS, st.sets(st.sampled_from(Role)).map(frozenset))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "case_id": st.just("c"),
    "round": st.integers(1, 3),
    "at": INSTANTS,
    "promised_at": INSTANTS,
    "until": INSTANTS,
    "approved_by": IDS,
    "extension_id": IDS,
    "moved_by": st.sampled_from([None, "owner", "us"]),
    "clock": st.just("minor-resolve#1"),
    "incident": IDS,
    "other": IDS,
    "sha256": IDS,
    "media_type": st.just("image/png"),
    "reason": st.just("the work is checked"),
}


def sayings(fact: type[SaidFact]) -> st.SearchStrategy[SaidFact]:
    """Give a fact with few IDs and instants, so that many of them clash."""
    fields = {
        name: IDS if name.endswith("_id") and name != "case_id" else FIELDS[name]
        for name, field in fact.model_fields.items()
        if (name in FIELDS and Sealed not in get_args(field.annotation))
        or (field.is_required() and name.endswith("_id"))
    }
    return st.builds(fact, **fields)


SAID = st.one_of(*map(sayings, SAYINGS))
CLASSES = st.builds(
    CaseClassified,
    case_id=st.just("c"),
    validity=st.sampled_from([None, *Validity]),
    severity=SEVERITIES,
    cause=st.sampled_from(["first", "correction", "new_facts"]),
    reason=st.sampled_from(["", "误判"]),
    ground=st.sampled_from(["", "a", "g"]),
    outside_party=st.sampled_from([None, "开发商"]),
)
COMMANDS: st.SearchStrategy[CaseCommand | Ring] = st.one_of(
    st.builds(ReceiveCase, INSTANTS, st.sampled_from([a_case(kind) for kind in Kind])),
    st.builds(ClassifyCase, INSTANTS, CLASSES, ORIGINS, APPROVERS),
    st.builds(AssignCase, INSTANTS, IDS),
    st.builds(HandOver, INSTANTS, IDS, IDS),
    st.builds(AcceptCase, INSTANTS, st.sampled_from(Role), IDS, ORIGINS, APPROVERS),
    st.builds(Say, INSTANTS, SAID, ORIGINS, APPROVERS),
    st.builds(RaiseSeverity, INSTANTS),
    st.builds(DispatchCase, INSTANTS, IDS, st.sampled_from(["engineering", "security"])),
    st.builds(AcceptDispatch, INSTANTS, st.none() | IDS, IDS),
    st.builds(RefuseDispatch, INSTANTS, SEALS, st.none() | IDS, IDS),
    st.builds(PauseCase, INSTANTS, INSTANTS, st.sampled_from(["owner_asked", "not_reached"])),
    st.builds(ResumeCase, INSTANTS),
    st.builds(HandleCase, INSTANTS, IDS, SEALS, SEALS, ORIGINS),
    st.builds(TellResult, INSTANTS, st.sampled_from(["phone", "message"])),
    st.builds(GiveSatisfaction, INSTANTS, st.integers(0, 6), SEALS),
    st.builds(CloseCase, INSTANTS, ORIGINS),
    st.builds(ReopenCase, INSTANTS, st.sampled_from(["owner", "followup", "external"])),
    st.builds(ReopenCase, INSTANTS, st.just("followup"), st.integers(1, 3)),
    st.builds(RefuseCase, INSTANTS, SEALS, IDS, APPROVERS, ORIGINS),
    st.builds(TellRefusal, INSTANTS, IDS, st.sampled_from([1, 2])),
    st.builds(WithdrawCase, INSTANTS, SEALS, st.just("phone"), IDS, APPROVERS, ORIGINS),
    st.builds(MergeCase, INSTANTS, IDS),
    st.builds(AbsorbCase, INSTANTS, IDS, st.sampled_from(Kind), INSTANTS, SEVERITIES),
    st.builds(MoveCase, INSTANTS, IDS, IDS),
    st.builds(EndHistory, INSTANTS, INSTANTS),
    st.builds(Ring, INSTANTS),
)
FINISHED = Closed | Ended


@for_all(st.lists(COMMANDS, max_size=25))
def test_what_a_case_decides_is_read_back_from_its_facts(
    commands: list[CaseCommand | Ring],
) -> None:
    state: Case = Nothing()
    told: list[CaseFact] = []
    for command in commands:
        with suppress(Refused):
            for fact in decide(command, state):
                told.append(fact.model_validate_json(fact.model_dump_json()))
                state = evolve(state, fact)
    assert state_of(told) == state


@for_all(st.lists(COMMANDS, max_size=25))
def test_a_repeat_changes_nothing_and_an_alarm_does_not_ring_again(
    commands: list[CaseCommand | Ring],
) -> None:
    state: Case = Nothing()
    for command in commands:
        try:
            facts = decide(command, state)
        except Refused:
            continue
        for fact in facts:
            state = evolve(state, fact)
        try:
            assert list(decide(command, state)) == []
        except Refused:
            pytest.fail(f"The repeat of {command} was refused.")
        due = wake_at(state)
        assert due is None or not isinstance(state, FINISHED)
        if due is not None:
            rung = state
            for fact in decide(Ring(due), rung):
                rung = evolve(rung, fact)
            assert wake_at(rung) is None
