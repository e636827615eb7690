"""Incidents: many cases on one cause, each in one at most; what is said of it reaches all."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from tests.support.given import Given, given
from tests.support.rules import rule
from tests.unit.intake.test_daily_life import CLOSED, HANDLED, MINOR, a_complaint

from steward_decider import Refused, Ring
from steward_events.intake import (
    CaseJoinedIncident,
    CaseLeftIncident,
    CaseWithdrawn,
    IncidentCaseAttached,
    IncidentCaseDetached,
    IncidentClosed,
    IncidentInformed,
    IncidentLetterPublished,
    IncidentOpened,
    OpenLetterKept,
    OwnerInformed,
)
from steward_events.notify import MessageDelivered
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_intake.api.subscribers import on_notify
from steward_intake.domain.incident import (
    MOST,
    AttachCase,
    CloseIncident,
    Command,
    DetachCase,
    IncidentDecider,
    InformOwners,
    OpenIncident,
    PublishLetter,
)
from steward_intake.domain.sayings import Say

NOON = datetime.fromisoformat("2026-09-28T12:00:00+08:00")
OPENED = IncidentOpened(incident="i", project="p", title="3号楼停水")
FIRST, SECOND = (IncidentCaseAttached(incident="i", case=case) for case in ("a", "b"))
JOINED, ELSEWHERE = (CaseJoinedIncident(case_id="c", incident_id=name) for name in ("i", "other"))
LEFT = CaseLeftIncident(case_id="c", incident_id="i")


def text(value_id: str) -> Sealed:
    return Sealed(subject="incident-i", field="text", value_id=value_id, box="AA==")


def statement(id_: str, words: str = "") -> IncidentInformed:
    said = text(words or id_)
    return IncidentInformed(incident="i", statement_id=id_, about="progress", text=said)


def an_incident(*past: Any) -> Given:
    return given(OPENED, *past, by=IncidentDecider())


def inform(said: IncidentInformed, *cases: str) -> InformOwners:
    return InformOwners(NOON, said, frozenset(cases))


def test_a_case_is_attached_once_and_may_be_detached() -> None:
    attach, detach = AttachCase(NOON, "a"), DetachCase(NOON, "a", "邻户漏水")
    attached = an_incident().when(attach).then(FIRST)
    attached.when(attach).then()
    detached = IncidentCaseDetached(incident="i", case="a", reason="邻户漏水")
    left = attached.when(detach).then(detached)
    left.when(detach).then()
    left.when(attach).then(FIRST)
    assert "not attached" in an_incident().refuses(detach).reason


def test_an_incident_has_500_cases_at_most() -> None:
    full = an_incident(
        *(IncidentCaseAttached(incident="i", case=f"c{number}") for number in range(MOST))
    )
    assert "500" in full.refuses(AttachCase(NOON, "one more")).reason


def test_a_statement_is_for_the_cases_that_are_attached_when_it_is_made() -> None:
    informed = an_incident(FIRST, SECOND)
    assert informed.refuses(inform(statement("1"), "a")).code == "precondition"
    informed.when(inform(statement("1"), "a", "b")).then(statement("1"))


def test_a_case_is_not_attached_past_a_statement_that_its_owner_would_miss() -> None:
    informed = an_incident(FIRST, statement("1"))
    assert informed.refuses(AttachCase(NOON, "b")).code == "precondition"
    informed.when(AttachCase(NOON, "b", told="1")).then(SECOND)


def test_owners_are_not_told_the_same_again() -> None:
    informed = an_incident(FIRST, statement("1"))
    informed.when(inform(statement("1"), "a")).then()
    again = informed.refuses(inform(statement("2", words="1"), "a"))
    assert "say what is new" in again.reason
    informed.when(inform(statement("2"), "a")).then(statement("2"))


def publish(letter_id: str, *cases: str, words: str = "", before: str = "") -> PublishLetter:
    said = text(words or letter_id)
    letter = IncidentLetterPublished(incident="i", letter_id=letter_id, text=said)
    return PublishLetter(NOON, letter, frozenset(cases), frozenset(before))


@rule("FU-4.1.2.1b")
def test_an_open_letter_answers_the_cases_that_are_attached_when_it_is_put_up() -> None:
    one, other = publish("1", "a", "b"), publish("2", "a", "b", before="1")
    attached = an_incident(FIRST, SECOND)
    assert attached.refuses(publish("1", "a")).code == "precondition"
    answered = attached.when(one).then(one.letter)
    answered.when(one).then()
    answered.when(other).then(other.letter)
    assert "No case" in an_incident().refuses(publish("1")).reason


@rule("FU-4.1.2.1b")
def test_the_same_letter_is_put_up_once_for_the_same_cases() -> None:
    again = publish("2", "a", words="1", before="1")
    answered = an_incident(FIRST, publish("1", "a").letter)
    assert answered.refuses(publish("2", "a", words="1")).code == "precondition"
    assert "as the letter 1" in answered.refuses(again).reason
    with_another = publish("2", "a", "b", words="1", before="1")
    answered.when(AttachCase(NOON, "b")).when(with_another).then(with_another.letter)


@rule("FU-4.1.2.1b")
def test_the_letter_is_kept_with_each_case_also_with_one_that_has_ended() -> None:
    kept = OpenLetterKept(case_id="c", letter_id="1", incident="i", text=text("1"))
    for past in ((JOINED,), (MINOR, HANDLED, JOINED, CLOSED)):
        case = a_complaint(*past).when(Say(NOON, kept)).then(kept)
        case.when(Say(NOON, kept)).then()


def test_an_incident_closes_with_its_cases_unless_they_are_to_go_on_by_themselves() -> None:
    cases = frozenset({"a", "b"})
    one_goes_on = an_incident(FIRST, SECOND)
    refused = one_goes_on.refuses(CloseIncident(NOON, cases, ("b",)))
    assert refused.reason.startswith("1 of its cases")
    left = CloseIncident(NOON, cases, ("b",), leave_open=True)
    one_goes_on.when(left).then(IncidentClosed(incident="i", left_open=("b",)))
    closed = one_goes_on.when(CloseIncident(NOON, cases)).then(IncidentClosed(incident="i"))
    closed.when(CloseIncident(NOON, cases)).then()
    assert one_goes_on.refuses(CloseIncident(NOON, cases - {"b"})).code == "precondition"


@pytest.mark.parametrize(
    "command",
    [
        AttachCase(NOON, "c"),
        DetachCase(NOON, "a", "误"),
        inform(statement("1"), "a"),
        publish("1", "a"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_closed_incident_takes_nothing_more(command: Command) -> None:
    closed = an_incident(FIRST, IncidentClosed(incident="i", left_open=("a",)))
    assert "open another" in closed.refuses(command).reason
    unknown = given(by=IncidentDecider())
    assert unknown.refuses(command).code == "not_found"
    unknown.when(Ring(NOON)).then()


IDS = st.sampled_from(["a", "b"])
CASES = st.frozensets(IDS)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.just(OpenIncident(NOON, OPENED)),
    st.builds(AttachCase, st.just(NOON), IDS, st.none(), st.sampled_from([None, "1", "2"])),
    st.builds(DetachCase, st.just(NOON), IDS, st.just("误")),
    st.builds(inform, st.builds(statement, st.sampled_from(["1", "2"])), IDS, IDS),
    st.builds(publish, st.sampled_from(["1", "2"]), IDS, IDS),
    st.builds(CloseIncident, st.just(NOON), CASES, st.sampled_from([(), ("a",)]), st.booleans()),
    st.just(Ring(NOON)),
)


@for_all(st.lists(COMMANDS, max_size=20))
def test_a_repeat_changes_nothing(commands: list[Command]) -> None:
    decider = IncidentDecider()
    state = decider.initial
    for command in commands:
        try:
            facts = decider.decide(command, state)
        except Refused:
            continue
        for fact in facts:
            state = decider.evolve(state, fact.model_validate_json(fact.model_dump_json()))
        assert list(decider.decide(command, state)) == []
        assert decider.wake_at(state) is None


# What the case itself says to it.


def test_a_case_is_in_one_incident_at_a_time() -> None:
    joined = a_complaint().when(Say(NOON, JOINED)).then(JOINED)
    joined.when(Say(NOON, JOINED)).then()
    attached = a_complaint(JOINED)
    assert "another incident" in attached.refuses(Say(NOON, ELSEWHERE)).reason
    left = attached.when(Say(NOON, LEFT)).then(LEFT)
    left.when(Say(NOON, LEFT)).then()
    left.when(Say(NOON, ELSEWHERE)).then(ELSEWHERE)
    left.when(Say(NOON, JOINED)).then(JOINED)
    assert "not in this incident" in a_complaint(ELSEWHERE).refuses(Say(NOON, LEFT)).reason


@pytest.mark.parametrize("end", [CLOSED, CaseWithdrawn(case_id="c", how="phone")])
def test_a_case_that_has_ended_joins_no_incident_but_may_leave_one(end: Any) -> None:
    ended = a_complaint(MINOR, HANDLED, JOINED, end)
    assert "reopen" in a_complaint(MINOR, HANDLED, end).refuses(Say(NOON, JOINED)).reason.lower()
    ended.when(Say(NOON, LEFT)).then(LEFT)


def test_one_delivered_message_has_informed_the_owner_in_all_their_cases() -> None:
    delivered = MessageDelivered(
        message_id="m", channel="sms", case_id="c", about="progress", incident="i", also=("d",)
    )
    heard = Recorded(
        UUID(int=1), delivered.wire_type, "owner-c", 1, "p", "/steward/notify",
        NOON, NOON, NOON, delivered,
    )  # fmt: skip
    first, second = on_notify(heard)
    assert (first.stream, second.stream) == ("case-c", "case-d")
    informed = OwnerInformed(
        case_id="c", notice_id="m", about="progress", how="message", incident="i"
    )
    a_complaint().when(first.command).then(informed)
