"""What the owner of one case is told, as the pack's `tells` say; each message goes its own way.

Unheard --note--> Known --a fact of which owners are told--> Known, with one more message
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import assert_never
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from steward_decider import NotHeardYet, Ring
from steward_events.notify import (
    CaseNoted,
    MessageDelivered,
    MessageFailed,
    MessageRequested,
)
from steward_events.sealed import Sealed
from steward_notify.domain import message, quiet
from steward_notify.domain.message import (
    Channel,
    MessageDecider,
    NotifyFact,
    RequestMessage,
    Suppress,
)
from steward_policy.packs import Rules, Tell

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/owner")

Fields = Mapping[str, str | bool]


@dataclass(frozen=True, slots=True)
class NoteCase:
    """Take note of a new case, and of the other households that complain of the same."""

    at: datetime
    case_id: str
    project_id: str
    number: str
    zone: str
    policy: str
    household_id: str | None
    phone: Sealed | None = field(repr=False)
    email: Sealed | None = field(repr=False)
    fields: Fields
    complainants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteChange:
    """Take note of what the case is now, and of how to reach who reported it; None leaves it."""

    at: datetime
    fields: Fields
    phone: Sealed | None = field(default=None, repr=False)
    email: Sealed | None = field(default=None, repr=False)
    household_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoteComplainant:
    """Take note of another household that complains of the same, or that it is told no more.

    It knows the case by `number`, if by another than the case's own.
    """

    at: datetime
    household_id: str
    told: bool
    number: str = ""
    phone: Sealed | None = field(default=None, repr=False)
    email: Sealed | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NoteEnd:
    """Take note that the case has ended: its reception need not be told any longer."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Tidings:
    """A fact of which the pack may say that the owner is told."""

    at: datetime
    known_at: datetime
    fact: str
    fact_id: str
    fields: Fields
    """What the conditions of the pack may ask of the fact."""
    when: Mapping[str, datetime] = field(default_factory=dict)
    """Instants that the text names; told in the project's zone."""
    sealed: Mapping[str, Sealed] = field(default_factory=dict, repr=False)
    about: str = ""
    about_id: str = ""
    incident: str | None = None
    also: tuple[str, ...] = ()
    """Other cases of the same owner that the message speaks for too."""


@dataclass(frozen=True, slots=True)
class About:
    """What becomes of one of the messages."""

    message_id: str
    command: message.Command

    @property
    def at(self) -> datetime:
        """When it becomes so."""
        return self.command.at


Addressee = tuple[CaseNoted, str]
"""The case as a household that complains knows it, and what marks the messages to it."""

Command = NoteCase | NoteChange | NoteComplainant | NoteEnd | Tidings | About | Ring
OwnerFact = CaseNoted | NotifyFact


@dataclass(frozen=True, slots=True)
class Unheard:
    """Nothing is known of the case."""


@dataclass(frozen=True, slots=True)
class OneMessage:
    """One message to the owner: what it is about, and how far it is."""

    requested: MessageRequested
    state: message.State
    failed: bool = False
    delivered: MessageDelivered | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The case, and the messages about it: by what they tell, then by their ID."""

    case: CaseNoted
    tellings: Mapping[str, Mapping[str, OneMessage]] = field(default_factory=dict)


State = Unheard | Known


class OwnerDecider:
    """Decides what the owner of one case is told; `rules_of` raises KeyError for what it lacks."""

    initial: State = Unheard()

    def __init__(self, rules_of: Callable[[str], Rules]) -> None:
        self._rules_of = rules_of
        self._message = MessageDecider()

    def decide(self, command: Command, state: State) -> Sequence[OwnerFact]:
        """Answer a command; a repeat is answered with nothing."""
        match command, state:
            case NoteCase(), Unheard():
                return [_noted(command)]
            case NoteChange(), Known(case):
                changed = _changed(case, command)
                if changed == case:
                    return []
                return [changed, *_all_known_by_now(replace(state, case=changed))]
            case NoteComplainant(), Known(case):
                changed = _with_complainant(case, command)
                if changed == case:
                    return []
                return [changed, *_all_known_by_now(replace(state, case=changed))]
            case NoteEnd(at), Known():
                return self._without_receipt(at, state)
            case Tidings(), Known():
                return list(self._told(command, state))
            case About(message_id, inner), Known():
                one = _same(message_id, state).get(message_id)
                return self._becomes(inner, one, state) if one else []
            case Tidings(fact="extension_approved" | "owner_date_declined"), Unheard():
                # It comes over another topic than the case's reception.
                raise NotHeardYet("This case has not been heard of yet.")
            case _:
                return []

    def evolve(self, state: State, fact: OwnerFact) -> State:
        """Give the state after one more fact."""
        match state, fact:
            case Unheard(), CaseNoted():
                return Known(fact)
            case Unheard(), _:
                return state
            case Known(), CaseNoted():
                return replace(state, case=fact)
            case Known(), _:
                id_, same = fact.message_id, _same(fact.message_id, state)
                one = (
                    OneMessage(fact, self._message.initial)
                    if isinstance(fact, MessageRequested)
                    else same[id_]
                )
                after = replace(
                    one,
                    state=self._message.evolve(one.state, fact),
                    failed=isinstance(fact, MessageFailed),
                    delivered=fact if isinstance(fact, MessageDelivered) else one.delivered,
                )
                changed = {_telling(id_): {**same, id_: after}}
                return replace(state, tellings={**state.tellings, **changed})
            case _:
                assert_never(state)

    def wake_at(self, state: State) -> datetime | None:  # noqa: ARG002
        """Nothing here rings: the sender looks for what is owed."""
        return None

    def _becomes(
        self, command: message.Command, one: OneMessage, state: Known
    ) -> Sequence[NotifyFact]:
        facts = [
            _with_subject(fact, state, one) for fact in self._message.decide(command, one.state)
        ]
        after: State = state
        for fact in facts:
            after = self.evolve(after, fact)
        if facts and isinstance(after, Known):
            facts += _known_by_now(_same(one.requested.message_id, after), after.case)
        return facts

    def _without_receipt(self, at: datetime, state: Known) -> Sequence[NotifyFact]:
        facts: list[NotifyFact] = []
        after: State = state
        receipts = [
            one.requested.message_id
            for same in state.tellings.values()
            for one in same.values()
            if one.requested.about == "receipt"
        ]
        for id_ in receipts:
            if isinstance(after, Known):
                one = _same(id_, after)[id_]
                becomes = self._becomes(Suppress(at, "case_ended"), one, after)
                for fact in becomes:
                    after = self.evolve(after, fact)
                facts += becomes
        return facts

    def _told(self, tidings: Tidings, state: Known) -> Iterator[NotifyFact]:
        case = state.case
        try:
            rules = self._rules_of(case.policy)
        except KeyError:
            raise NotHeardYet(f"The policy {case.policy} has not been heard of yet.") from None
        fields = {**case.fields, **tidings.fields}
        for tell in rules.tells:
            if tell.after == tidings.fact and tell.when.holds(fields):
                for to in _addressees(case, tidings):
                    yield from self._requests(tell, tidings, to, fields, rules)

    def _requests(
        self, tell: Tell, tidings: Tidings, to: Addressee, fields: Fields, rules: Rules
    ) -> Iterator[NotifyFact]:
        case, of = to
        policy, zone = rules.pack.messages, ZoneInfo(case.zone)
        name = uuid5(_NAMESPACE, f"{tell.id}|{tidings.fact_id}").hex[:12] + of
        ids: dict[Channel, str] = {
            "sms": f"owner.{case.case_id}.{name}.sms",
            "email": f"owner.{case.case_id}.{name}.email",
        }
        begins = None
        if not (tell.at_night or policy.quiet.unless.holds(fields)):
            begins = quiet.until_when(
                tidings.known_at, zone, policy.quiet.since, policy.quiet.until
            )
        term = (begins or tidings.known_at) + timedelta(seconds=policy.email_after.seconds)
        values = {"case_number": case.number, "summary": str(fields.get("kind", "case"))} | {
            name: at.astimezone(zone).isoformat() for name, at in tidings.when.items()
        }
        addresses: dict[Channel, Sealed | None] = {"sms": case.phone, "email": case.email}
        left = case.phone or case.email
        nowhere = not left and case.household_id is None
        for channel, message_id in ids.items():
            later = policy.owners == "sms_first" and channel == "email"
            address = addresses[channel]
            request = RequestMessage(
                tidings.at,
                message_id,
                channel,
                case.project_id,
                _template(tidings),
                None,
                values,
                rule=tell.rule,
                case_id=case.case_id,
                not_before=term if later else begins,
                instead_of=ids["sms"] if later else None,
                # Whoever left an address is told there or nowhere: they may be somebody else.
                household_id=case.household_id if address or not left else None,
                address=address,
                sealed=tidings.sealed,
                about=tidings.about,
                about_id=tidings.about_id,
                incident=tidings.incident,
                also=tidings.also,
            )
            facts = self._message.decide(request, self._message.initial)
            yield from facts
            if nowhere:
                yield from self._suppressed(facts, tidings.at)
                return

    def _suppressed(self, facts: Sequence[NotifyFact], at: datetime) -> Sequence[NotifyFact]:
        state = self._message.initial
        for fact in facts:
            state = self._message.evolve(state, fact)
        return self._message.decide(Suppress(at, "no_address"), state)


def _addressees(case: CaseNoted, tidings: Tidings) -> Iterator[Addressee]:
    """Give the case as each household that is told knows it, in front the one whose case it is.

    Those that complain too are told how the matter stands; what is only agreed with the one, as an
    appointment in its home, is its own, and so is a text about something else.
    """
    yield case, ""
    if not tidings.about and tidings.fact != "case_closed":
        return
    if tidings.about == "other" and tidings.incident is None:
        return
    for household_id, number in case.complainants.items():
        its = {
            "household_id": household_id,
            "number": number,
            "phone": case.phones.get(household_id),
            "email": case.emails.get(household_id),
        }
        yield case.model_copy(update=its), _of(household_id)


@lru_cache(10_000)
def _of(household_id: str) -> str:
    """Mark the messages to a household that complains too."""
    return f"-{uuid5(_NAMESPACE, household_id).hex[:12]}"


def _template(tidings: Tidings) -> str:
    return "result_told" if tidings.about == "result" else tidings.fact


def _noted(command: NoteCase) -> CaseNoted:
    return CaseNoted(
        case_id=command.case_id,
        project_id=command.project_id,
        number=command.number,
        zone=command.zone,
        policy=command.policy,
        household_id=command.household_id,
        phone=command.phone,
        email=command.email,
        fields=dict(command.fields),
        complainants={
            id_: command.number for id_ in command.complainants if id_ != command.household_id
        },
    )


def _changed(case: CaseNoted, command: NoteChange) -> CaseNoted:
    update: dict[str, object] = {"fields": {**case.fields, **command.fields}}
    for name in ("phone", "email", "household_id"):
        if (value := getattr(command, name)) is not None:
            update[name] = value
    if command.household_id is not None:
        for name in ("complainants", "phones", "emails"):
            update[name] = _without(getattr(case, name), command.household_id)
    return case.model_copy(update=update)


def _with_complainant(case: CaseNoted, command: NoteComplainant) -> CaseNoted:
    id_, told = command.household_id, command.told
    if id_ == case.household_id:
        return case  # it is told as whose case it is
    said = {"complainants": command.number, "phones": command.phone, "emails": command.email}
    update: dict[str, object] = {}
    for name, value in said.items():
        known = getattr(case, name)
        before = known.get(id_) or (case.number if name == "complainants" else None)
        now = (value or before) if told else None
        update[name] = _without(known, id_) | ({id_: now} if now else {})
    return case.model_copy(update=update)


def _without(known: Mapping[str, object], household_id: str) -> dict[str, object]:
    return {id_: value for id_, value in known.items() if id_ != household_id}


def _with_subject(fact: NotifyFact, state: Known, one: OneMessage) -> NotifyFact:
    """Say what is known now, once it was delivered to the last household that complains."""
    if not isinstance(fact, MessageDelivered):
        return fact
    told = fact.model_copy(update={"case_id": state.case.case_id})
    same, own = _same(one.requested.message_id, state), _whose(one, state.case)
    return _about(one, told) if _awaited(same, state.case) <= {own} else told


def _all_known_by_now(state: Known) -> Iterator[MessageDelivered]:
    for same in state.tellings.values():
        yield from _known_by_now(same, state.case)


def _known_by_now(same: Mapping[str, OneMessage], case: CaseNoted) -> Iterator[MessageDelivered]:
    """Say anew of what was delivered that it is known, since nobody is waited for any longer."""
    delivered = [one for one in same.values() if one.delivered and one.requested.about]
    if any(one.delivered and one.delivered.about for one in delivered):
        return
    for one in delivered[:1]:
        if one.delivered and not _awaited(same, case):
            yield _about(one, one.delivered).model_copy(update={"again": True})


def _about(one: OneMessage, delivered: MessageDelivered) -> MessageDelivered:
    names = ("about", "about_id", "incident", "also")
    return delivered.model_copy(update={name: getattr(one.requested, name) for name in names})


def _awaited(same: Mapping[str, OneMessage], case: CaseNoted) -> set[str]:
    """Give the marks of the households that still complain and may still be told the same.

    Whom no message reaches is not waited for; but whose case it is, only where there was nowhere to
    send one, for a failed one leaves the clock running (RM-4.6.3). Whose case it is only since then
    may be told still: somebody asks for it again.
    """
    told = {"", *(_of(household_id) for household_id in case.complainants)}
    theirs: dict[str, list[OneMessage]] = {"": []}
    for one in same.values():
        of = _whose(one, case)
        if of in told:
            theirs.setdefault(of, []).append(one)
    return {of for of, messages in theirs.items() if _may_be_told(of, messages)}


def _may_be_told(of: str, messages: Sequence[OneMessage]) -> bool:
    if any(one.delivered for one in messages):
        return False
    is_over = messages and all(isinstance(one.state, message.Ended) for one in messages)
    return not is_over or (not of and any(one.failed for one in messages))


def _same(message_id: str, state: Known) -> Mapping[str, OneMessage]:
    """Give the messages that tell the same as this one."""
    return state.tellings.get(_telling(message_id), {})


def _telling(message_id: str) -> str:
    """Give what a message tells, the same for all whom it is told."""
    return _parts(message_id)[0]


def _whose(one: OneMessage, case: CaseNoted) -> str:
    """Give the mark of whom a message tells, as the case is now.

    It is empty for its own household, and for who reported it at the address that they left.
    """
    _, of = _parts(one.requested.message_id)
    household_id, address = one.requested.household_id, one.requested.address
    reported = address is not None and address in (case.phone, case.email)
    if not of and not reported and household_id and household_id != case.household_id:
        return _of(household_id)
    return "" if case.household_id and of == _of(case.household_id) else of


def _parts(message_id: str) -> tuple[str, str]:
    """Give what a message tells, and the mark of whom, as its ID has them."""
    name = message_id.rsplit(".", 2)[1]
    telling, dash, of = name.partition("-")
    return telling, dash + of
