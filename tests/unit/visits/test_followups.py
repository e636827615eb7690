"""What is owed to a household after its case was handled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from tests.support.rules import rule

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.sealed import Sealed
from steward_events.visits import (
    CaseNoted,
    FollowupDone,
    FollowupDue,
    FollowupOverdue,
    FollowupWaived,
)
from steward_events.vocabulary import Mode, Role
from steward_policy import packs
from steward_visits.domain.followups import (
    CLOSED_IN_HISTORY,
    AnswerByLetter,
    Command,
    EndHistory,
    FollowupsDecider,
    NoteCase,
    NoteClassification,
    NoteEnd,
    NoteProgress,
    NoteReopening,
    NoteSeverity,
    RecordFollowUp,
    State,
    VisitsFact,
    WaiveAll,
    WaiveFollowUp,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 9, 29, 10, 0, tzinfo=SHANGHAI)
HANDLED = datetime(2026, 9, 30, 21, 30, tzinfo=SHANGHAI)
NEXT_MIDNIGHT = datetime(2026, 10, 2, 0, 0, tzinfo=SHANGHAI)
THIRD_MIDNIGHT = datetime(2026, 10, 4, 0, 0, tzinfo=SHANGHAI)


class OneCase:
    """A case whose follow-ups are decided about, fact by fact."""

    def __init__(self, *commands: Command) -> None:
        shelf = {packs.built_in().version: packs.built_in()}
        self.decider = FollowupsDecider(shelf.__getitem__)
        self.state: State = self.decider.initial
        self.facts: list[VisitsFact] = []
        for command in commands:
            self.when(command)

    def when(self, command: Command) -> Sequence[VisitsFact]:
        facts = self.decider.decide(command, self.state)
        for fact in facts:
            self.state = self.decider.evolve(self.state, fact)
        self.facts += facts
        return facts

    @property
    def due(self) -> FollowupDue:
        [due] = [fact for fact in self.facts if isinstance(fact, FollowupDue)]
        return due


def received(**fields: str) -> NoteCase:
    version = packs.built_in().version
    return NoteCase(RECEIVED, "c1", "p1", "Asia/Shanghai", version, "h1", fields, "P1-7")


def handled(at: datetime = HANDLED, round: int = 1) -> NoteProgress:
    return NoteProgress(at, "case_handled", round)


def ordinary_repair() -> OneCase:
    return OneCase(
        received(kind="service_request"),
        NoteClassification(RECEIVED, {"work_category": "ordinary"}),
        handled(),
    )


def complaint(severity: str = "minor") -> OneCase:
    return OneCase(
        received(kind="complaint"), NoteClassification(RECEIVED, {"severity": severity}), handled()
    )


def done(
    followup_id: str,
    mode: Mode = Mode.PHONE,
    at: datetime = HANDLED,
    roles: Sequence[Role] = (),
) -> RecordFollowUp:
    at += timedelta(hours=1)
    return RecordFollowUp(at, followup_id, mode, "s1", satisfied=True, roles=frozenset(roles))


@rule("FU-4.1.2.3a")
def test_an_ordinary_repair_is_owed_a_call_by_the_end_of_the_next_day() -> None:
    due = ordinary_repair().due
    assert (due.mode, due.by, due.rule) == (Mode.PHONE, NEXT_MIDNIGHT, ("FU-4.1.2.3a",))
    assert (due.case_id, due.project_id, due.household_id) == ("c1", "p1", "h1")


@rule("FU-4.1.2.3a", "FU-4.1.2.3d")
def test_a_repair_that_nobody_classified_is_owed_that_call_until_it_is_another_kind() -> None:
    case = OneCase(received(kind="service_request"), handled())
    assert case.due.rule == ("FU-4.1.2.3a",)
    case.when(NoteClassification(HANDLED, {"work_category": "concealed"}))
    first, due = (fact for fact in case.facts if isinstance(fact, FollowupDue))
    assert (first.rule, due.rule) == (("FU-4.1.2.3a",), ("FU-4.1.2.3d",))
    [waived] = (fact for fact in case.facts if isinstance(fact, FollowupWaived))
    assert (waived.followup_id, waived.reason) == (first.followup_id, "reclassified")


@rule("FU-4.1.2.3a")
@pytest.mark.parametrize("category", ["leak_bathroom", "concealed"])
def test_another_kind_of_repair_is_not_owed_that_call(category: str) -> None:
    case = OneCase(
        received(kind="service_request"),
        NoteClassification(RECEIVED, {"work_category": category}),
        handled(),
    )
    assert case.due.rule == ("FU-4.1.2.3d",)


@rule("FU-4.1.2.3d")
@pytest.mark.parametrize("kind", ["service_request", "complaint"])
@pytest.mark.parametrize("category", ["leak_bathroom", "blocked_drain", "concealed"])
def test_a_repair_out_of_sight_is_owed_a_call_or_a_visit_within_three_days(
    kind: str, category: str
) -> None:
    said = NoteClassification(RECEIVED, {"work_category": category})
    case = OneCase(received(kind=kind), said, handled())
    due = case.due
    assert (due.modes, due.by) == ((Mode.PHONE, Mode.ON_SITE), THIRD_MIDNIGHT)
    assert due.rule[0] == "FU-4.1.2.3d"
    with pytest.raises(Refused, match="by phone or on-site"):
        case.when(done(due.followup_id, Mode.LETTER))
    assert case.when(done(due.followup_id, Mode.ON_SITE))


@rule("FU-4.1.2.3b")
@pytest.mark.parametrize("kind", ["service_request", "complaint"])
def test_a_rework_is_followed_up_on_site_by_the_engineering_supervisor(kind: str) -> None:
    said = NoteClassification(RECEIVED, {"work_category": "ordinary", "rework_of": "c0"})
    case = OneCase(received(kind=kind), said, handled())
    due = case.due
    assert (due.mode, due.role, due.by) == (
        Mode.ON_SITE,
        Role.ENGINEERING_SUPERVISOR,
        THIRD_MIDNIGHT,
    )
    assert due.rule[0] == "FU-4.1.2.3b"
    for roles in ((), (Role.CS_SUPERVISOR,), (Role.FRONTLINE, Role.DEPARTMENT_HEAD)):
        with pytest.raises(Refused, match="engineering supervisor") as refusal:
            case.when(done(due.followup_id, Mode.ON_SITE, roles=roles))
        assert refusal.value.rule == "FU-4.1.2.3b"
    assert case.when(done(due.followup_id, Mode.ON_SITE, roles=(Role.ENGINEERING_SUPERVISOR,)))


@rule("FU-4.1.2.2a")
def test_a_major_complaint_is_visited_by_the_manager_or_the_head_of_the_service_centre() -> None:
    for role in (Role.CENTRE_MANAGER, Role.CS_SUPERVISOR, Role.GENERAL_MANAGER):
        case = complaint("major")
        assert (case.due.mode, case.due.rate) == (Mode.ON_SITE, 1.0)
        [made] = case.when(done(case.due.followup_id, Mode.ON_SITE, roles=(role,)))
        assert isinstance(made, FollowupDone)
    for role in (Role.FRONTLINE, Role.DEPARTMENT_HEAD, Role.QUALITY):
        case = complaint("major")
        with pytest.raises(Refused, match="service-centre manager") as refusal:
            case.when(done(case.due.followup_id, Mode.ON_SITE, roles=(role,)))
        assert refusal.value.rule == "FU-4.1.2.2a"


def by_own_rules(changes: str) -> OneCase:
    """A repair that was handled, by the built-in rules with these changes."""
    rules = packs.load(f"overrides: residential-cn\nversion: own\n{changes}\n")
    case = OneCase()
    case.decider = FollowupsDecider({rules.version: rules}.__getitem__)
    case.when(replace(received(kind="service_request"), policy=rules.version))
    return case


@rule("FU-5.1")
def test_how_far_back_a_follow_up_is_written_down_the_policy_says_by_role() -> None:
    back = "[{within: {days: 2}}, {within: {days: 20}, by: centre_manager}]"
    for role, days, is_late in [
        (Role.CS_SUPERVISOR, 2, False),
        (Role.CS_SUPERVISOR, 3, True),
        (Role.CENTRE_MANAGER, 20, False),
        (Role.CENTRE_MANAGER, 21, True),
    ]:
        case = by_own_rules(f"cases: {{backdating: {back}}}")
        case.when(handled())
        command = done(case.due.followup_id, roles=(role,))
        command = replace(command, said_at=command.at + timedelta(days=days))
        if is_late:
            with pytest.raises(Refused, match="Only a follow-up since 2026-10-") as refusal:
                case.when(command)
            assert refusal.value.code == "bad_data"
        else:
            [made] = case.when(command)
            assert isinstance(made, FollowupDone)


@rule("FU-5.1")
def test_a_follow_up_that_was_missed_a_month_ago_is_not_said_to_be_in_time() -> None:
    case = ordinary_repair()
    case.when(Ring(NEXT_MIDNIGHT))
    command = done(case.due.followup_id)
    now = command.at + timedelta(days=31)
    told = replace(command, said_at=now)
    with pytest.raises(Refused, match="Only a follow-up since 2026-10-"):
        case.when(told)
    [made] = case.when(replace(told, at=now))
    assert isinstance(made, FollowupDone)
    assert made.overdue
    assert not case.when(told)  # a repeat


def test_a_follow_up_of_which_no_end_can_be_counted_is_refused_with_a_sentence() -> None:
    listed = "{date: 2026-09-30, hours: [['09:00', '18:00']]}"
    case = by_own_rules(
        "followups:\n"
        "  - {id: ordinary-repair, calendar: listed, within: {days: 5, counting: working}}\n"
        f"calendars:\n  listed: {{tz: Asia/Shanghai, hours: {{}}, working_days: [{listed}]}}"
    )
    with pytest.raises(Refused) as refusal:
        case.when(handled())
    assert refusal.value.reason == (
        "The follow-up cannot be computed: The calendar has too little working time after 2026."
    )


@rule("FU-4.1.2.2a")
def test_where_a_rule_names_a_role_somebody_has_to_be_named() -> None:
    case = complaint("major")
    command = RecordFollowUp(HANDLED, case.due.followup_id, Mode.ON_SITE, None, satisfied=True)
    with pytest.raises(Refused, match="Say who"):
        case.when(command)


@rule("FU-4.1.2.2a", "FU-4.1.2.3a", "FU-4.1.2.3b", "FU-4.1.2.3d", "RM-4.6.4a")
@pytest.mark.parametrize("kind", ["complaint", "service_request"])
@pytest.mark.parametrize("severity", ["", "minor", "important", "major"])
@pytest.mark.parametrize("category", ["", "ordinary", "concealed", "leak_bathroom"])
@pytest.mark.parametrize("rework_of", ["", "c0"])
def test_a_case_owes_one_follow_up_that_answers_all_its_rules(
    kind: str, severity: str, category: str, rework_of: str
) -> None:
    fields = {"severity": severity, "work_category": category, "rework_of": rework_of}
    said = NoteClassification(RECEIVED, {name: value for name, value in fields.items() if value})
    case = OneCase(received(kind=kind), said, handled())
    asked = {"RM-4.6.4a"} if kind == "complaint" else set()
    if (kind, severity) == ("complaint", "major"):
        asked.add("FU-4.1.2.2a")
    elif rework_of:
        asked.add("FU-4.1.2.3b")
    elif category in ("concealed", "leak_bathroom"):
        asked.add("FU-4.1.2.3d")
    elif kind == "service_request":  # ordinary, if only because nobody has classified it
        asked.add("FU-4.1.2.3a")
    assert set(case.due.rule if asked else ()) == asked
    assert len([fact for fact in case.facts if isinstance(fact, FollowupDue)]) == bool(asked)


@rule("FU-4.1.2.3a")
def test_the_next_day_ends_in_the_projects_zone() -> None:
    case = OneCase(
        NoteCase(
            RECEIVED,
            "c1",
            "p1",
            "America/New_York",
            packs.built_in().version,
            None,
            {"kind": "service_request", "work_category": "ordinary"},
        ),
        handled(),
    )
    assert case.due.by == datetime(2026, 10, 2, 0, 0, tzinfo=ZoneInfo("America/New_York"))


@rule("RM-4.6.4a")
@pytest.mark.parametrize("severity", ["minor", "important"])
def test_every_handled_complaint_is_followed_up_by_phone(severity: str) -> None:
    due = complaint(severity).due
    assert (due.mode, due.by, due.rule) == (Mode.PHONE, THIRD_MIDNIGHT, ("RM-4.6.4a",))


@rule("RM-4.6.4a")
def test_a_major_complaint_is_followed_up_on_site() -> None:
    due = complaint("major").due
    assert (due.mode, due.by) == (Mode.ON_SITE, THIRD_MIDNIGHT)
    assert due.rule == ("FU-4.1.2.2a", "RM-4.6.4a")


@rule("RM-4.6.4a")
def test_a_complaint_that_nobody_classified_is_followed_up_too() -> None:
    assert OneCase(received(kind="complaint"), handled()).due.mode is Mode.PHONE


def test_nothing_is_owed_before_the_work_is_done() -> None:
    case = OneCase(received(kind="complaint"), NoteProgress(RECEIVED, "case_accepted"))
    assert [type(fact) for fact in case.facts] == [CaseNoted]


@rule("FU-4.1.1")
def test_a_call_does_not_count_where_a_visit_is_owed() -> None:
    case = complaint("major")
    with pytest.raises(Refused, match="owed on-site") as refusal:
        case.when(done(case.due.followup_id))
    assert refusal.value.rule == "FU-4.1.2.2a"


@rule("FU-4.1.1")
def test_a_visit_counts_where_a_call_is_owed() -> None:
    case = complaint()
    [fact] = case.when(done(case.due.followup_id, Mode.ON_SITE))
    assert isinstance(fact, FollowupDone)
    assert fact.mode is Mode.ON_SITE


@rule("FU-5.1")
def test_a_follow_up_that_was_made_leaves_a_record() -> None:
    case = ordinary_repair()
    [fact] = case.when(done(case.due.followup_id))
    assert fact == FollowupDone(
        followup_id=case.due.followup_id,
        case_id="c1",
        project_id="p1",
        rule=("FU-4.1.2.3a",),
        mode=Mode.PHONE,
        person_id="s1",
        satisfied=True,
    )
    assert case.when(done(case.due.followup_id)) == []


@rule("FU-5.1")
@pytest.mark.parametrize(
    "otherwise",
    [
        {"satisfied": False},
        {"mode": Mode.ON_SITE},
        {"person_id": "s2"},
        {"remark": Sealed(subject="household-h1", field="remark", value_id="v1", box="")},
    ],
)
def test_a_follow_up_that_was_made_is_not_told_again_with_another_content(
    otherwise: dict[str, Any],
) -> None:
    case = complaint()
    case.when(done(case.due.followup_id))
    with pytest.raises(Refused, match="was made already"):
        case.when(replace(done(case.due.followup_id), **otherwise))


@rule("RM-4.6.4a")
def test_a_follow_up_is_made_after_the_case_was_handled() -> None:
    case = complaint()
    too_early = done(case.due.followup_id, at=HANDLED - timedelta(hours=2))
    with pytest.raises(Refused, match="after the case was handled"):
        case.when(too_early)
    at_once = replace(too_early, at=HANDLED - timedelta(seconds=1))  # by a clock that is slow
    assert case.when(at_once)


def test_a_follow_up_not_made_in_time_is_overdue_once() -> None:
    case = ordinary_repair()
    assert case.decider.wake_at(case.state) == NEXT_MIDNIGHT
    [fact] = case.when(Ring(NEXT_MIDNIGHT))
    assert isinstance(fact, FollowupOverdue)
    assert (fact.to, fact.number, fact.mode) == (Role.CS_SUPERVISOR, "P1-7", Mode.PHONE)
    assert (fact.rule, fact.zone, fact.policy) == (
        ("FU-4.1.2.3a",),
        "Asia/Shanghai",
        packs.built_in().version,
    )
    assert case.decider.wake_at(case.state) is None
    assert case.when(Ring(NEXT_MIDNIGHT)) == []


@rule("FU-4.1.2.2a")
def test_lateness_is_told_to_the_role_that_the_rule_names() -> None:
    case = complaint("major")
    [fact] = case.when(Ring(THIRD_MIDNIGHT))
    assert isinstance(fact, FollowupOverdue)
    assert fact.to is Role.CENTRE_MANAGER


def test_one_made_late_says_so_and_one_written_down_late_does_not() -> None:
    for at, overdue in ((NEXT_MIDNIGHT + timedelta(hours=9), True), (HANDLED, False)):
        case = ordinary_repair()
        case.when(Ring(NEXT_MIDNIGHT))
        [fact] = case.when(done(case.due.followup_id, at=at))
        assert isinstance(fact, FollowupDone)
        assert fact.overdue is overdue


@rule("FU-4.1.2.1b")
def test_an_open_letter_makes_the_follow_ups_that_a_letter_may_make() -> None:
    letter = AnswerByLetter(HANDLED + timedelta(hours=1), 1, "s1")
    case = complaint()
    [fact] = case.when(letter)
    assert isinstance(fact, FollowupDone)
    assert (fact.followup_id, fact.mode, fact.person_id, fact.overdue) == (
        case.due.followup_id,
        Mode.LETTER,
        "s1",
        False,
    )
    assert case.when(letter) == []
    late = complaint()
    late.when(Ring(THIRD_MIDNIGHT))
    [fact] = late.when(replace(letter, at=THIRD_MIDNIGHT + timedelta(hours=9)))
    assert isinstance(fact, FollowupDone)
    assert fact.overdue
    # Where the policy wants a call or a visit, the letter is kept and the follow-up is still owed.
    for other in (complaint("major"), ordinary_repair(), OneCase(received(kind="complaint"))):
        assert other.when(letter) == []


@rule("FU-4.1.2.1b")
def test_a_letter_about_an_earlier_round_makes_no_follow_up_of_this_one() -> None:
    case = complaint()
    case.when(NoteReopening(HANDLED, 2))
    case.when(handled(at=HANDLED + timedelta(days=1), round=2))
    assert case.when(AnswerByLetter(HANDLED, 1, "s1")) == []


def test_a_waived_follow_up_is_owed_no_longer() -> None:
    case = complaint()
    waive = WaiveFollowUp(HANDLED, case.due.followup_id, "moved abroad", "s1")
    [fact] = case.when(waive)
    assert isinstance(fact, FollowupWaived)
    assert fact.reason == "moved abroad"
    assert case.when(waive) == []
    for other in (replace(waive, person_id="s2"), replace(waive, reason="?")):
        with pytest.raises(Refused, match="waived already, and told with another content"):
            case.when(other)
    assert case.decider.wake_at(case.state) is None
    with pytest.raises(Refused, match="was waived"):
        case.when(done(case.due.followup_id))


def test_one_that_was_made_cannot_be_waived() -> None:
    case = complaint()
    case.when(done(case.due.followup_id))
    with pytest.raises(Refused, match="made already"):
        case.when(WaiveFollowUp(HANDLED, case.due.followup_id, "?", None))


def test_a_follow_up_that_nobody_owes_is_refused() -> None:
    for command in (done("f9"), WaiveFollowUp(HANDLED, "f9", "?", None)):
        with pytest.raises(Refused, match="no such follow-up"):
            complaint().when(command)


@rule("RM-4.6.4a")
def test_a_reopened_case_owes_its_follow_up_after_the_next_round() -> None:
    case = complaint()
    first = case.due
    _noted, waived = case.when(NoteReopening(HANDLED, 2))
    assert isinstance(waived, FollowupWaived)
    assert (waived.followup_id, waived.reason, waived.round) == (first.followup_id, "reopened", 1)
    assert case.when(handled(round=1)) == []
    _, second = case.when(handled(HANDLED + timedelta(days=2), round=2))
    assert isinstance(second, FollowupDue)
    assert second.followup_id != first.followup_id
    assert (second.round, second.by) == (2, THIRD_MIDNIGHT + timedelta(days=2))


@rule("RM-4.6.4a")
def test_a_complaint_that_turns_out_to_be_major_owes_a_visit_instead_of_a_call() -> None:
    case = complaint("minor")
    call = case.due
    _, waived, visit = case.when(NoteClassification(HANDLED, {"severity": "major"}))
    assert isinstance(waived, FollowupWaived)
    assert isinstance(visit, FollowupDue)
    assert (waived.followup_id, waived.reason) == (call.followup_id, "reclassified")
    assert (visit.mode, visit.by) == (Mode.ON_SITE, THIRD_MIDNIGHT)
    *_, again = case.when(NoteClassification(HANDLED, {"severity": "minor"}))
    assert again == call


def test_a_case_that_ended_in_history_owes_nothing_any_more() -> None:
    case = complaint()
    [waived] = case.when(WaiveAll(HANDLED, CLOSED_IN_HISTORY))
    assert isinstance(waived, FollowupWaived)
    assert waived.reason == CLOSED_IN_HISTORY
    assert case.when(EndHistory(HANDLED)) == []


@pytest.mark.parametrize("ending", ["refused", "withdrawn", "merged", "moved_out"])
def test_a_case_that_goes_on_no_further_owes_nothing_whatever_comes_late(ending: str) -> None:
    case = complaint()
    noted, waived = case.when(NoteEnd(HANDLED, ending))
    assert isinstance(noted, CaseNoted)
    assert isinstance(waived, FollowupWaived)
    assert waived.reason == ending
    assert case.when(NoteEnd(HANDLED, ending)) == []
    case.when(NoteClassification(HANDLED, {"severity": "major"}))
    assert case.decider.wake_at(case.state) is None
    early = OneCase(received(kind="complaint"), NoteEnd(RECEIVED, ending), handled())
    assert not any(isinstance(fact, FollowupDue) for fact in early.facts)


def test_a_refused_case_that_is_reopened_owes_its_follow_up_again() -> None:
    case = OneCase(received(kind="complaint"), NoteEnd(RECEIVED, "refused"))
    case.when(NoteReopening(HANDLED, 2))
    case.when(handled(round=2))
    assert case.due.round == 2


@rule("FU-4.1.2.2a")
def test_a_complaint_that_a_month_made_major_owes_the_managers_visit() -> None:
    case = complaint("important")
    _, waived, visit = case.when(NoteSeverity(HANDLED, "major"))
    assert isinstance(waived, FollowupWaived)
    assert isinstance(visit, FollowupDue)
    assert visit.rule == ("FU-4.1.2.2a", "RM-4.6.4a")


@rule("RM-4.6.4a")
def test_what_a_new_classification_leaves_out_is_no_longer_so() -> None:
    case = OneCase(
        received(kind="complaint"),
        NoteClassification(RECEIVED, {"severity": "major", "rework_of": "c0"}),
        NoteClassification(RECEIVED, {"validity": "excessive"}),
        handled(),
    )
    assert case.due.rule == ("RM-4.6.4a",)


def test_a_policy_not_heard_of_yet_makes_the_case_wait() -> None:
    command = NoteCase(RECEIVED, "c1", "p1", "Asia/Shanghai", "residential-cn@2099.9", None, {})
    with pytest.raises(NotHeardYet, match=r"residential-cn@2099\.9"):
        OneCase(command)


def test_a_case_not_heard_of_yet_makes_its_facts_wait() -> None:
    with pytest.raises(NotHeardYet):
        OneCase(handled())
    assert OneCase().when(EndHistory(HANDLED)) == []


INSTANTS = st.datetimes(
    datetime(2026, 9, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2026, 12, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
WORDS: dict[str, Any] = {
    "kind": st.sampled_from(["complaint", "service_request"]),
    "severity": st.sampled_from(["minor", "important", "major"]),
    "work_category": st.sampled_from(["ordinary", "concealed"]),
    "rework_of": st.just("c0"),
}
PROGRESS = st.one_of(
    st.builds(NoteClassification, INSTANTS, st.fixed_dictionaries({}, optional=WORDS)),
    st.builds(handled, INSTANTS, st.integers(1, 3)),
    st.builds(NoteReopening, INSTANTS, st.integers(1, 3)),
    st.builds(NoteSeverity, INSTANTS, st.sampled_from(["important", "major"])),
    st.builds(NoteEnd, INSTANTS, st.sampled_from(["refused", "merged"])),
    st.builds(WaiveAll, INSTANTS, st.just(CLOSED_IN_HISTORY)),
    st.builds(EndHistory, INSTANTS),
)


@for_all(st.fixed_dictionaries({}, optional=WORDS), st.lists(PROGRESS, max_size=8))
def test_a_repeat_changes_nothing_and_a_rung_alarm_does_not_ring_again(
    fields: dict[str, str], commands: list[Command]
) -> None:
    case = OneCase(received(**fields))
    for command in commands:
        case.when(command)
        assert case.when(command) == []
        alarm = case.decider.wake_at(case.state)
        if alarm is not None:
            assert case.when(Ring(alarm))
            later = case.decider.wake_at(case.state)
            assert later is None or later > alarm
