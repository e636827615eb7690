"""What becomes of one message."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from steward_decider import Ring
from steward_events.notify import (
    AdministratorAlarmed,
    MessageDelivered,
    MessageFailed,
    MessageRequested,
    MessageSending,
    MessageSent,
    MessageSuppressed,
    MessageUnknown,
)
from steward_events.vocabulary import Role
from steward_notify.domain.message import (
    BeginSending,
    Command,
    MessageDecider,
    NoteFailed,
    NoteNobody,
    NoteReceipt,
    NoteSent,
    NoteUnknown,
    Nothing,
    NotifyFact,
    Owed,
    RequestMessage,
    State,
    Suppress,
)

AT = datetime(2026, 10, 1, 16, 0, tzinfo=UTC)
LATER = AT + timedelta(seconds=5)
REQUEST = RequestMessage(
    AT, "m1", "sms", "p1", "escalation", Role.CS_SUPERVISOR, {"due": "2026-10-01 24:00"}
)
BEGIN = BeginSending(AT, "s1", Role.CENTRE_MANAGER, ("cs_supervisor: nobody holds it",))
SENT = NoteSent(AT, "biz-1")
DELIVERED = NoteReceipt(AT, "biz-1", delivered=True)
NOT_DELIVERED = NoteReceipt(AT, "biz-1", delivered=False, code="MOBILE_OFF")


class OneMessage:
    """A message after some commands."""

    def __init__(self, *commands: Command) -> None:
        self.decider = MessageDecider()
        self.state: State = self.decider.initial
        for command in commands:
            self.when(command)

    def when(self, command: Command) -> Sequence[NotifyFact]:
        facts = self.decider.decide(command, self.state)
        for fact in facts:
            self.state = self.decider.evolve(self.state, fact)
        return facts


def said(*facts: NotifyFact) -> list[type[NotifyFact]]:
    return [type(fact) for fact in facts]


def test_a_message_is_owed_before_it_is_sent() -> None:
    [requested] = OneMessage().when(REQUEST)
    assert isinstance(requested, MessageRequested)
    assert (requested.role, requested.values) == (Role.CS_SUPERVISOR, dict(REQUEST.values))


def test_an_attempt_is_stored_before_the_provider_is_called_and_names_who_was_passed_over() -> None:
    message = OneMessage(REQUEST)
    assert message.when(SENT) == []
    [sending] = message.when(BEGIN)
    assert sending == MessageSending(
        message_id="m1",
        channel="sms",
        attempt=1,
        person_id="s1",
        role=Role.CENTRE_MANAGER,
        passed_over=("cs_supervisor: nobody holds it",),
    )
    assert message.when(BEGIN) == []


def test_a_receipt_ends_it() -> None:
    assert said(*OneMessage(REQUEST, BEGIN, SENT).when(DELIVERED)) == [MessageDelivered]
    [failed] = OneMessage(REQUEST, BEGIN, SENT).when(NOT_DELIVERED)
    assert isinstance(failed, MessageFailed)
    assert (failed.code, failed.again_at) == ("MOBILE_OFF", None)


def test_a_receipt_may_come_before_the_providers_answer() -> None:
    message = OneMessage(REQUEST, BEGIN)
    assert said(*message.when(DELIVERED)) == [MessageDelivered]
    assert message.when(SENT) == []


def test_a_refusal_that_may_pass_is_tried_again_as_the_next_attempt() -> None:
    message = OneMessage(REQUEST, BEGIN)
    [failed] = message.when(NoteFailed(AT, "isv.BUSINESS_LIMIT", LATER))
    assert isinstance(failed, MessageFailed)
    assert failed.again_at == LATER
    [sending] = message.when(BEGIN)
    assert isinstance(sending, MessageSending)
    assert sending.attempt == 2


def test_what_was_refused_for_good_is_not_sent_again() -> None:
    message = OneMessage(REQUEST, BEGIN, NoteFailed(AT, "isv.MOBILE_NUMBER_ILLEGAL"))
    assert message.when(BEGIN) == []


def test_an_unknown_outcome_is_never_sent_again_by_itself() -> None:
    message = OneMessage(REQUEST, BEGIN)
    [unknown] = message.when(NoteUnknown(AT, "the process ended"))
    assert isinstance(unknown, MessageUnknown)
    assert message.when(BEGIN) == []
    assert said(*message.when(DELIVERED)) == [MessageDelivered]


def test_the_answer_of_a_slow_process_still_counts_after_it_was_given_up() -> None:
    message = OneMessage(REQUEST, BEGIN, NoteUnknown(AT, "the process ended"))
    [sent] = message.when(SENT)
    assert isinstance(sent, MessageSent)
    assert sent.person_id == "s1"


def test_a_message_is_taken_back_only_while_it_is_owed() -> None:
    suppress = Suppress(AT, "withdrawn")
    owed = OneMessage(REQUEST)
    assert said(*owed.when(suppress)) == [MessageSuppressed]
    assert owed.when(BEGIN) == []
    assert OneMessage(REQUEST, BEGIN).when(suppress) == []
    assert OneMessage(REQUEST, BEGIN, SENT).when(suppress) == []
    assert OneMessage().when(suppress) == []


def test_nobody_to_send_to_counts_as_an_attempt() -> None:
    message = OneMessage(REQUEST, NoteFailed(AT, "nobody", LATER))
    assert isinstance(message.state, Owed)
    [failed] = message.when(NoteFailed(AT, "nobody"))
    assert isinstance(failed, MessageFailed)
    assert failed.attempt == 2


NOBODY = NoteNobody(AT, "p1", Role.CS_SUPERVISOR, "c1", ("general_manager: nobody holds it",))


def test_when_nobody_was_found_at_last_the_administrator_is_alarmed() -> None:
    message = OneMessage(REQUEST)
    assert said(*message.when(replace(NOBODY, again_at=LATER))) == [MessageFailed]
    failed, alarmed = message.when(NOBODY)
    assert isinstance(failed, MessageFailed)
    assert (failed.code, failed.again_at) == ("nobody", None)
    assert alarmed == AdministratorAlarmed(
        message_id="m1",
        channel="sms",
        project_id="p1",
        role=Role.CS_SUPERVISOR,
        case_id="c1",
        passed_over=("general_manager: nobody holds it",),
    )
    assert message.when(NOBODY) == []


COMMANDS: Any = st.lists(
    st.sampled_from(
        [
            REQUEST,
            BEGIN,
            SENT,
            DELIVERED,
            NOT_DELIVERED,
            NoteFailed(AT, "x", LATER),
            NoteFailed(AT, "x"),
            NOBODY,
            NoteUnknown(AT, "?"),
            Suppress(AT, "withdrawn"),
            Ring(AT),
        ]
    ),
    max_size=12,
)


@for_all(COMMANDS)
def test_a_repeat_changes_nothing_and_nothing_ever_rings(commands: list[Command]) -> None:
    message = OneMessage()
    for command in commands:
        message.when(command)
        if not isinstance(command, NoteFailed):  # each failure is another one
            assert message.when(command) == []
        assert message.decider.wake_at(message.state) is None


@for_all(COMMANDS)
def test_between_two_attempts_there_is_always_an_outcome(commands: list[Command]) -> None:
    message = OneMessage()
    facts = [fact for command in commands for fact in message.when(command)]
    attempts = [f for f in facts if isinstance(f, MessageSending | MessageFailed)]
    for before, after in pairwise(attempts):
        assert isinstance(before, MessageFailed) or isinstance(after, MessageFailed)
    assert sum(isinstance(fact, MessageRequested) for fact in facts) <= 1
    if not facts:
        assert isinstance(message.state, Nothing)


@pytest.mark.parametrize("outcome", [SENT, NoteUnknown(AT, "?"), DELIVERED, NOT_DELIVERED])
def test_an_outcome_without_an_attempt_is_answered_with_nothing(outcome: Command) -> None:
    assert OneMessage(REQUEST).when(outcome) == []
