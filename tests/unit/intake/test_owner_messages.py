"""What the owner is to be told by message, and what a delivered message has told."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from tests.support.given import given
from tests.support.rules import rule
from tests.unit.intake.test_daily_life import HANDLED, MINOR, PROPOSED, RECEIVED, WORDS

from steward_events.intake import (
    CaseAnswered,
    CaseClosed,
    CaseRefused,
    CaseReopened,
    CaseWithdrawn,
    OwnerInformed,
    OwnerMessageRequested,
    ReceiptConfirmed,
    ResultTold,
)
from steward_events.notify import MessageDelivered, MessageFailed, MessageSent
from steward_events.recorded import Recorded
from steward_intake.api.subscribers import on_notify
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.sayings import Say

AT = datetime.fromisoformat("2026-09-28T10:00:00+08:00")
CASE = CaseDecider()
RESULT = OwnerMessageRequested(case_id="-", request_id="1", about="result", text=WORDS)


def delivered(about: str, about_id: str = "") -> Any:
    fact = MessageDelivered(
        message_id="m1", channel="sms", case_id="c", about=about, about_id=about_id
    )
    [to] = on_notify(heard(fact))
    assert (to.stream, to.key) == ("case-c", "p")
    return to.command


def heard(fact: MessageDelivered | MessageSent | MessageFailed) -> Recorded:
    return Recorded(
        UUID(int=1), fact.wire_type, "owner-c", 1, "p", "/steward/notify", AT, AT, AT, fact
    )


@rule("RM-4.6.3")
def test_the_result_reached_the_owner_when_its_message_was_delivered() -> None:
    told = ResultTold(case_id="c", round=1, how="message")
    given(RECEIVED, MINOR, HANDLED, by=CASE).when(delivered("result", "1")).then(told)


@rule("RC-4.3")
def test_a_solution_in_place_of_which_another_was_proposed_tells_nothing_of_that_one() -> None:
    ask = OwnerMessageRequested(case_id="-", request_id="1", about="solution", text=WORDS)
    first, second = (PROPOSED.model_copy(update={"proposal_id": id_}) for id_ in ("p1", "p2"))
    case = given(RECEIVED, MINOR, first, by=CASE)
    asked = ask.model_copy(update={"case_id": "c", "proposal_id": "p1"})
    case.when(Say(AT, ask)).then(asked)
    # A message from before proposals were named names the round.
    for about_id, says in (("p1", "proposed"), ("p2", "told"), ("1", "told"), ("", "told")):
        answer = given(RECEIVED, MINOR, first, asked, second, by=CASE).when(
            delivered("solution", about_id)
        )
        assert answer.state.story.efforts.solution == says


@rule("RM-4.8")
def test_the_reason_of_a_refusal_reached_the_owner_when_its_message_was_delivered() -> None:
    refused = CaseRefused(case_id="c", round=1, reason=WORDS)
    answered = CaseAnswered(case_id="c", answer_id="m1", decision="will_not", reasons=WORDS)
    given(RECEIVED, refused, by=CASE).when(delivered("refusal", "1")).then(answered)
    short = WORDS.model_copy(update={"field": "text"})
    told = answered.model_copy(update={"reasons": short})
    in_short = refused.model_copy(update={"text": short})
    given(RECEIVED, in_short, by=CASE).when(delivered("refusal", "1")).then(told)


@rule("RM-4.6.3")
def test_a_message_that_was_only_sent_or_failed_has_told_nothing() -> None:
    sent = MessageSent(message_id="m1", channel="sms", attempt=1, provider_id="b")
    failed = MessageFailed(message_id="m1", channel="sms", attempt=1, code="MOBILE_OFF")
    for fact in (sent, failed, MessageDelivered(message_id="m1", channel="sms")):
        assert list(on_notify(heard(fact))) == []


@rule("RM-4.6.3")
def test_a_result_of_an_earlier_round_tells_nothing_of_this_one() -> None:
    reopened = CaseReopened(case_id="c", round=2)
    arrived = delivered("result", "1")
    given(RECEIVED, MINOR, HANDLED, reopened, by=CASE).when(arrived).then()
    again = HANDLED.model_copy(update={"round": 2})
    given(RECEIVED, MINOR, HANDLED, reopened, again, by=CASE).when(arrived).then()


@pytest.mark.parametrize(
    "end",
    [CaseClosed(case_id="c"), CaseWithdrawn(case_id="c", how="phone"), None],
)
def test_a_delivery_that_comes_too_late_or_twice_parks_nothing(end: Any) -> None:
    past = [RECEIVED, MINOR, HANDLED, *([end] if end else [ResultTold(case_id="c", how="phone")])]
    given(*past, by=CASE).when(delivered("result", "1")).then()


@rule("RC-5.1..2")
def test_a_delivered_confirmation_confirms_the_receipt_once() -> None:
    confirmed = ReceiptConfirmed(case_id="c", how="message")
    answer = given(RECEIVED, by=CASE).when(delivered("receipt")).then(confirmed)
    answer.when(delivered("receipt")).then()


@rule("RM-4.10.1", "RM-4.10.2")
def test_a_delivered_new_date_is_told_for_its_extension() -> None:
    informed = OwnerInformed(
        case_id="c", notice_id="m1", about="new_date", how="message", extension_id="x1"
    )
    given(RECEIVED, MINOR, by=CASE).when(delivered("new_date", "x1")).then(informed)


@rule("RC-4.3", "HV-4.3.3c")
@pytest.mark.parametrize("about", ["solution", "progress", "other"])
def test_a_delivered_solution_or_progress_has_informed_the_owner(about: Any) -> None:
    informed = OwnerInformed(case_id="c", notice_id="m1", about=about, how="message")
    given(RECEIVED, MINOR, PROPOSED, by=CASE).when(delivered(about)).then(informed)


@rule("RM-4.6.3")
def test_a_result_is_told_by_message_only_after_the_case_was_handled() -> None:
    refused = given(RECEIVED, MINOR, by=CASE).refuses(Say(AT, RESULT))
    assert refused.rule == "RM-4.6.3"
    asked = RESULT.model_copy(update={"case_id": "c"})
    given(RECEIVED, MINOR, HANDLED, by=CASE).when(Say(AT, RESULT)).then(asked)


@rule("RC-4.3")
def test_no_solution_is_told_that_was_not_proposed_and_nothing_empty_is_told() -> None:
    solution = RESULT.model_copy(update={"about": "solution"})
    assert given(RECEIVED, by=CASE).refuses(Say(AT, solution)).rule == "RC-4.3"
    empty = RESULT.model_copy(update={"about": "progress", "text": None})
    assert "Say what" in str(given(RECEIVED, by=CASE).refuses(Say(AT, empty)))
