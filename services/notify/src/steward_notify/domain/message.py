"""One message to one person, over one channel.

Nothing --request--> Owed --begin--> Sending --taken--> Sent --receipt--> Delivered | Failed
                      ^ |              | |                ^
                      | |              | +--no answer--> Unknown --receipt--> Delivered | Failed
                      | |              |
                      +-|- again later +--refused--> Failed
                        +-- withdrawn --> Suppressed

It is owed before it is sent, and «Sending» is stored before the provider is called: whoever finds a
message there after a crash cannot know, so it becomes Unknown and is never sent again by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, assert_never

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
from steward_events.sealed import Sealed
from steward_events.vocabulary import Role

Channel = Literal["sms", "email"]


@dataclass(frozen=True, slots=True)
class RequestMessage:
    """Owe a message to whoever holds a role when it is sent; without a role, to a case's owner."""

    at: datetime
    message_id: str
    channel: Channel
    project_id: str
    template: str
    role: Role | None
    values: Mapping[str, str] = field(repr=False)
    rule: tuple[str, ...] = ()
    case_id: str | None = None
    escalation_id: str | None = None
    not_before: datetime | None = None
    only_if_sent: str | None = None
    instead_of: str | None = None
    household_id: str | None = None
    address: Sealed | None = field(default=None, repr=False)
    sealed: Mapping[str, Sealed] = field(default_factory=dict, repr=False)
    about: str = ""
    about_id: str = ""
    incident: str | None = None
    also: tuple[str, ...] = ()
    together: bool = False


@dataclass(frozen=True, slots=True)
class BeginSending:
    """An attempt begins now, to this person."""

    at: datetime
    person_id: str | None
    role: Role | None
    passed_over: tuple[str, ...] = ()
    standing_in: Literal["on_duty", "delegate"] | None = None
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoteSent:
    """The provider took the message, alone or with the others of its group."""

    at: datetime
    provider_id: str
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoteFailed:
    """It was not sent; `again_at` is wall time, None gives up for good."""

    at: datetime
    code: str
    again_at: datetime | None = None
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteNobody:
    """Nobody up to the top can be told; after the last try the administrator is alarmed."""

    at: datetime
    project_id: str
    role: Role
    case_id: str | None
    passed_over: tuple[str, ...]
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoteUnknown:
    """It may have been sent, and nobody can say."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class NoteReceipt:
    """The network says what became of it."""

    at: datetime
    provider_id: str
    delivered: bool
    code: str = ""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Do not send it, if it has not been sent."""

    at: datetime
    reason: str


Command = (
    RequestMessage
    | BeginSending
    | NoteSent
    | NoteFailed
    | NoteNobody
    | NoteUnknown
    | NoteReceipt
    | Suppress
    | Ring
)
NotifyFact = (
    MessageRequested
    | MessageSending
    | MessageSent
    | MessageDelivered
    | MessageFailed
    | MessageUnknown
    | MessageSuppressed
    | AdministratorAlarmed
)


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody asked for it."""


@dataclass(frozen=True, slots=True)
class Owed:
    """To be sent, once it may be; `attempts` were made in vain."""

    message_id: str
    channel: Channel
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """The provider is being called, or was when the process ended."""

    message_id: str
    channel: Channel
    attempts: int
    person_id: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it; a receipt may come."""

    message_id: str
    channel: Channel
    attempts: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent; only a receipt or a person can tell."""

    message_id: str
    channel: Channel
    attempts: int
    person_id: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """Delivered, failed for good, or suppressed."""


State = Nothing | Owed | Sending | Sent | Unknown | Ended


class MessageDecider:
    """Decides about one message."""

    initial: State = Nothing()

    def decide(self, command: Command, state: State) -> Sequence[NotifyFact]:
        """Answer a command. Repeats and what came too late are answered with nothing."""
        match command, state:
            case RequestMessage(), Nothing():
                return [_requested(command)]
            case BeginSending(), Owed(message_id, channel, attempts):
                sending = MessageSending(
                    message_id=message_id,
                    channel=channel,
                    attempt=attempts + 1,
                    person_id=command.person_id,
                    role=command.role,
                    passed_over=command.passed_over,
                    standing_in=command.standing_in,
                    group_id=command.group_id,
                )
                return [sending]
            case NoteSent(), Sending() | Unknown():
                sent = MessageSent(
                    message_id=state.message_id,
                    channel=state.channel,
                    attempt=state.attempts,
                    provider_id=command.provider_id,
                    person_id=state.person_id,
                    group_id=command.group_id,
                )
                return [sent]
            case NoteFailed(), Owed(message_id, channel, attempts):
                attempt = Sending(message_id, channel, attempts + 1, None)
                return [_failed(attempt, command.code, command.again_at, command.passed_over)]
            case NoteFailed(), Sending():
                return [_failed(state, command.code, command.again_at, command.passed_over)]
            case NoteNobody(), Owed(message_id, channel, attempts):
                attempt = Sending(message_id, channel, attempts + 1, None)
                failed = _failed(attempt, "nobody", command.again_at, command.passed_over)
                return [failed] if command.again_at else [failed, _alarmed(attempt, command)]
            case NoteUnknown(), Sending():
                unknown = MessageUnknown(
                    message_id=state.message_id,
                    channel=state.channel,
                    attempt=state.attempts,
                    reason=command.reason,
                )
                return [unknown]
            case NoteReceipt(), Sending() | Sent() | Unknown():
                if not command.delivered:
                    return [_failed(state, command.code)]
                delivered = MessageDelivered(
                    message_id=state.message_id,
                    channel=state.channel,
                    provider_id=command.provider_id,
                )
                return [delivered]
            case Suppress(), Owed(message_id, channel):
                return [
                    MessageSuppressed(message_id=message_id, channel=channel, reason=command.reason)
                ]
            case _:
                return []

    def evolve(self, state: State, fact: NotifyFact) -> State:
        """Give the state after one more fact."""
        message_id, channel = fact.message_id, fact.channel
        match fact:
            case MessageRequested():
                return Owed(message_id, channel)
            case MessageSending():
                return Sending(message_id, channel, fact.attempt, fact.person_id)
            case MessageSent():
                return Sent(message_id, channel, fact.attempt)
            case MessageUnknown():
                person_id = state.person_id if isinstance(state, Sending) else None
                return Unknown(message_id, channel, fact.attempt, person_id)
            case MessageFailed(again_at=None) | MessageDelivered() | MessageSuppressed():
                return Ended()
            case MessageFailed():
                return Owed(message_id, channel, fact.attempt)
            case AdministratorAlarmed():
                return state
            case _:
                assert_never(fact)

    def wake_at(self, state: State) -> datetime | None:  # noqa: ARG002
        """Nothing here rings: the sender looks for what is owed."""
        return None


def _requested(command: RequestMessage) -> MessageRequested:
    return MessageRequested(
        message_id=command.message_id,
        channel=command.channel,
        project_id=command.project_id,
        template=command.template,
        role=command.role,
        case_id=command.case_id,
        escalation_id=command.escalation_id,
        rule=command.rule,
        values=dict(command.values),
        not_before=command.not_before,
        only_if_sent=command.only_if_sent,
        instead_of=command.instead_of,
        household_id=command.household_id,
        address=command.address,
        sealed=dict(command.sealed),
        about=command.about,
        about_id=command.about_id,
        incident=command.incident,
        also=command.also,
        together=command.together,
    )


def _failed(
    state: Sending | Sent | Unknown,
    code: str,
    again_at: datetime | None = None,
    passed_over: tuple[str, ...] = (),
) -> MessageFailed:
    return MessageFailed(
        message_id=state.message_id,
        channel=state.channel,
        attempt=state.attempts,
        code=code,
        again_at=again_at,
        passed_over=passed_over,
    )


def _alarmed(attempt: Sending, command: NoteNobody) -> AdministratorAlarmed:
    return AdministratorAlarmed(
        message_id=attempt.message_id,
        channel=attempt.channel,
        project_id=command.project_id,
        role=command.role,
        case_id=command.case_id,
        passed_over=command.passed_over,
    )
