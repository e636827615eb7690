"""Facts of notify: what people are told, and what became of it."""

from typing import Literal

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import Id, Instant, PolicyName, Role, Several, Word, Zone


class CaseNoted(Fact, name="notify.case_noted"):
    """What notify heard of the case, so that it follows from its own facts what owners are told.

    Said again of the same case, it is how the case stands now.
    """

    case_id: Id
    project_id: Id
    number: Word
    zone: Zone
    policy: PolicyName
    household_id: Id | None = None
    """Whose registered people are told, where the reporter left no address."""
    phone: Sealed | None = None
    email: Sealed | None = None
    fields: Several[dict[str, Word | bool]] = {}
    """What the conditions of the pack's `tells` may ask for: kind, severity, urgency, …"""
    complainants: Several[dict[str, Word]] = {}
    """Other households that are told the same, each with the number by which it knows the case."""
    phones: Several[dict[str, Sealed]] = {}
    emails: Several[dict[str, Sealed]] = {}
    """Where those households asked to be reached."""


class MessageFact(Fact):
    """What every fact about one message says."""

    message_id: Id
    channel: Literal["sms", "email"]


class MessageRequested(MessageFact, name="notify.message_requested"):
    """A message is owed; the person is found when it is sent.

    Without `role` and `person_id` it is for the owner of the case: for who reported it, else for the
    household.
    """

    rules = ("RC-5.1..2", "RM-4.6.3", "RC-4.3", "HV-4.3.3c")

    project_id: Id
    template: Word
    role: Role | None = None
    person_id: Id | None = None
    case_id: Id | None = None
    escalation_id: Id | None = None
    rule: Several[tuple[Word, ...]] = ()
    values: Several[dict[str, str]] = {}
    """What the template needs; nothing personal."""
    not_before: Instant | None = None
    only_if_sent: Id | None = None
    """A correction: it is sent only if this earlier message was."""
    instead_of: Id | None = None
    """It is sent only if this message failed for good, or has no receipt by `not_before`."""
    household_id: Id | None = None
    address: Sealed | None = None
    """Where the reporter asked to be reached over this channel."""
    sealed: Several[dict[str, Sealed]] = {}
    """What else the template needs, sealed."""
    together: bool = False
    """It may be told in one text with others that the same person is owed at the same moment."""
    about: Word = ""
    """What the owner knows once it was delivered: receipt, result, refusal, new_date, …"""
    about_id: Word = ""
    """Of which: the round of the result or of the refusal, the extension of the new date."""
    incident: Id | None = None
    """The incident whose statement it is."""
    also: Several[tuple[Id, ...]] = ()
    """Other cases of the same owner that it speaks for too."""

    @property
    def carries_out(self) -> tuple[str, ...]:
        """The rules that ask for this very message."""
        return self.rule


class MessageSending(MessageFact, name="notify.message_sending"):
    """An attempt begins: said before the provider is called, so that a crash leaves one unknown."""

    attempt: int
    person_id: Id | None = None
    role: Role | None = None
    """The role that the person holds: the one asked for, or the next above that somebody holds."""
    passed_over: Several[tuple[Word, ...]] = ()
    """Who was passed over on the way up, and why."""
    standing_in: Literal["on_duty", "delegate"] | None = None
    """How the person comes to the role, where they do not hold it."""
    group_id: Id | None = None
    """Several messages that are told in one text; their outcomes are its outcome."""


class MessageSent(MessageFact, name="notify.message_sent"):
    """The provider took it."""

    attempt: int
    provider_id: Word
    person_id: Id | None = None
    group_id: Id | None = None


class MessageDelivered(MessageFact, name="notify.message_delivered"):
    """The receipt says that it arrived; `about` says what is known by it.

    While others are waited for who are told the same, `about` is empty. The delivery to the last of
    them says it, or, where nobody is waited for any longer, an earlier delivery said `again`.
    """

    rules = ("RM-4.6.3",)

    provider_id: Word = ""
    case_id: Id | None = None
    about: Word = ""
    about_id: Word = ""
    incident: Id | None = None
    also: Several[tuple[Id, ...]] = ()
    """Other cases of the same household that it is known in, too."""
    again: bool = False
    """It had arrived before; that is said anew since what it is about is known only now."""


class MessageFailed(MessageFact, name="notify.message_failed"):
    """It was refused or did not arrive; `again_at` is the next attempt, None is for good.

    `again_at` is wall time, also where Steward's clock is stepped.
    """

    attempt: int
    code: Word
    passed_over: Several[tuple[Word, ...]] = ()
    again_at: Instant | None = None


class AdministratorAlarmed(MessageFact, name="notify.administrator_alarmed"):
    """Nobody up to the top could be told: the group's administrator has to see to its roles.

    The clock runs on.
    """

    project_id: Id
    role: Role
    case_id: Id | None = None
    passed_over: Several[tuple[Word, ...]] = ()


class MessageUnknown(MessageFact, name="notify.message_unknown"):
    """Nobody can say whether it was sent; it is not sent again by itself."""

    attempt: int
    reason: Word


class MessageSuppressed(MessageFact, name="notify.message_suppressed"):
    """It was not sent, and why."""

    reason: Word
