"""What notify does about a fact that it hears: owes messages, and takes them back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import get_args
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from steward_events.intake import (
    AppointmentMade,
    CaseAccepted,
    CaseClassified,
    CaseClosed,
    CaseCorrected,
    CaseReceived,
    CaseRefused,
    CaseWithdrawn,
    HarmReported,
    HouseholdConcerned,
    ImmediateMeasuresTaken,
    OwnerMessageRequested,
    SeverityRaised,
)
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.sla import Escalated, EscalationWithdrawn, ExtensionApproved, OwnerDateDeclined
from steward_events.visits import (
    DutyDone,
    DutyFact,
    DutyMissed,
    FollowupDone,
    FollowupOverdue,
    FollowupWaived,
)
from steward_events.vocabulary import Part, Party, Role
from steward_eventstore.execute import To
from steward_notify.domain import duty_hours, message
from steward_notify.domain.message import Channel, RequestMessage, Suppress
from steward_notify.domain.owner import (
    About,
    Fields,
    NoteCase,
    NoteChange,
    NoteComplainant,
    NoteEnd,
    Tidings,
)
from steward_notify.texts import deadline
from steward_policy.packs import Messages, Rules

RulesOf = Callable[[str], Rules | None]
"""Gives the rules of a policy's version, if it was heard."""

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/message")


_ASKED_FOR = (
    *("kind", "channel", "party", "topic", "validity", "ground", "severity"),
    *("urgency", "work_category", "harm_ongoing", "about"),
)
"""Fields for which the conditions of `tells` may ask."""

ENDS = frozenset({"case_refused", "case_withdrawn", "case_moved_out", "case_merged", "case_closed"})
"""Reasons for which nothing is owed in a case any longer; the texts have a word for each."""

_OWNER = "owner."


def stream_of(message_id: str) -> str:
    """Name the stream of a message: of those to a case's owner it is the case's."""
    if message_id.startswith(_OWNER):
        case_id = message_id.removeprefix(_OWNER).rsplit(".", 2)[0]
        return owner_stream_of(case_id)
    return f"message-{message_id}"


def owner_stream_of(case_id: str) -> str:
    """Name the stream of what a case's owner is told."""
    return f"owner-{case_id}"


def to_message(message_id: str, key: str, command: message.Command) -> To:
    """Address a command to a message, wherever it stands."""
    of_owner = message_id.startswith(_OWNER)
    return To(stream_of(message_id), key, About(message_id, command) if of_owner else command)


def message_id_of(escalation_id: str, template: str, channel: Channel) -> str:
    """Give the ID of an escalation's message; always the same, so that it can be taken back."""
    return str(uuid5(_NAMESPACE, f"{escalation_id}|{template}|{channel}"))


def tell(heard: Recorded, rules_of: RulesOf) -> Iterable[To]:
    """Tell people of an escalation; of history nobody is told.

    Under a policy that was not heard the built-in duty hours count: better told than not.
    """
    if heard.history is not None:
        return
    match heard.fact:
        case Escalated():
            yield from _escalated(heard, heard.fact, rules_of)
        case EscalationWithdrawn():
            yield from _withdrawn(heard, heard.fact, rules_of)
        case ExtensionApproved() as fact:
            tidings = _tidings(
                heard,
                when={"new_date": fact.until},
                about="new_date",
                about_id=fact.extension_id,
            )
            yield To(owner_stream_of(fact.case_id), heard.key, tidings)
        case OwnerDateDeclined() as fact:
            when = {"asked_for": fact.asked_for, "due_date": fact.due_at}
            yield To(owner_stream_of(fact.case_id), heard.key, _tidings(heard, when=when))
        case _:
            return


def tell_owner(heard: Recorded) -> Iterable[To]:
    """Tell owners of their cases; history is only noted."""
    case_id = getattr(heard.fact, "case_id", None)
    if case_id is None:
        return
    for command in _noted(heard):
        yield To(owner_stream_of(case_id), heard.key, command)
    if heard.history is None:
        for tidings in _of_owner(heard):
            yield To(owner_stream_of(case_id), heard.key, tidings)


def _noted(heard: Recorded) -> Iterator[NoteCase | NoteChange | NoteComplainant | NoteEnd]:
    at = heard.occurred_at
    match heard.fact:
        case CaseReceived() as fact:
            yield NoteCase(
                at,
                fact.case_id,
                fact.project_id,
                fact.number,
                fact.zone,
                fact.policy,
                fact.household_id if fact.party is Party.HOUSEHOLD else None,
                fact.reporter_phone,
                fact.reporter_email,
                _fields(heard),
                tuple(one.household_id for one in fact.concerns if one.part is Part.COMPLAINANT),
            )
        case HouseholdConcerned() as fact:
            complains = fact.part is Part.COMPLAINANT
            yield NoteComplainant(
                at, fact.household_id, complains, fact.number, fact.phone, fact.email
            )
        case CaseCorrected() as fact:
            changed = (fact.reporter_phone, fact.reporter_email, fact.household_id)
            yield NoteChange(at, {}, *changed)
        case CaseClassified() | SeverityRaised():
            yield NoteChange(at, _fields(heard))
        case HarmReported():
            yield NoteChange(at, {"harm_ongoing": True})
        case ImmediateMeasuresTaken():
            yield NoteChange(at, {"harm_ongoing": False})
        case CaseClosed() | CaseRefused() | CaseWithdrawn():
            yield NoteEnd(at)
        case _:
            return


def _of_owner(heard: Recorded) -> Iterator[Tidings]:
    match heard.fact:
        case CaseReceived() as fact:
            summary = {"summary": fact.summary} if fact.summary else {}
            yield _tidings(heard, sealed=summary, about="receipt")
        case AppointmentMade() as fact:
            yield _tidings(heard, when={"appointment": fact.at})
        case OwnerMessageRequested(text=Sealed() as text) as fact:
            name = "result" if fact.about == "result" else "text"
            about_id = fact.proposal_id or str(fact.round)
            tidings = _tidings(heard, sealed={name: text}, about=fact.about, about_id=about_id)
            yield replace(tidings, incident=fact.incident, also=fact.also)
        case CaseRefused(reason=Sealed() as reason, round=int() as round_) as fact:
            told = {"reason": fact.text or reason}
            yield _tidings(heard, sealed=told, about="refusal", about_id=str(round_))
        case CaseAccepted() | CaseClosed():
            yield _tidings(heard)
        case _:
            return


def _tidings(
    heard: Recorded,
    *,
    when: Mapping[str, datetime] | None = None,
    sealed: Mapping[str, Sealed] | None = None,
    about: str = "",
    about_id: str = "",
) -> Tidings:
    return Tidings(
        heard.occurred_at,
        heard.known_at,
        heard.type.split(".")[1],
        str(heard.id),
        _fields(heard),
        when or {},
        sealed or {},
        about,
        about_id,
    )


def _fields(heard: Recorded) -> Fields:
    said = ((name, getattr(heard.fact, name, None)) for name in _ASKED_FOR)
    return {
        name: value if isinstance(value, bool) else str(value)
        for name, value in said
        if value not in (None, "")
    }


def _escalated(heard: Recorded, fact: Escalated, rules_of: RulesOf) -> Iterator[To]:
    zone = ZoneInfo(fact.zone) if fact.zone else fact.due_at.tzinfo
    rules = rules_of(fact.policy)
    policy = rules.pack.messages if rules is not None else Messages()
    begins = None
    if fact.deliver == "duty_hours":
        # What is typed in late climbs when it becomes known.
        begins = _in_duty_hours(heard, fact.told_at or heard.occurred_at, zone, rules)
    term = (begins or heard.known_at) + timedelta(seconds=policy.email_after.seconds)
    sms_first = getattr(policy, fact.deliver) == "sms_first"
    for channel in get_args(Channel):
        later = sms_first and channel == "email"
        request = RequestMessage(
            heard.occurred_at,
            message_id_of(fact.escalation_id, "escalation", channel),
            channel,
            fact.project_id,
            template_of(fact),
            fact.to,
            _values(fact, zone),
            rule=fact.rule,
            case_id=fact.case_id,
            escalation_id=fact.escalation_id,
            not_before=term if later else begins,
            instead_of=message_id_of(fact.escalation_id, "escalation", "sms") if later else None,
            together=fact.deliver == "duty_hours" and not later,
        )
        yield To(stream_of(request.message_id), heard.key, request)


def template_of(fact: Escalated) -> str:
    """What is told of what is late, of what begins, and of more time that is to be decided on."""
    if fact.because == "undecided":
        return "undecided" if fact.decide_by is None else "requested"
    return "escalation" if fact.breach else "alarm"


def correction_of(fact: EscalationWithdrawn) -> str:
    """What who was told is told now: another case goes on for this one, or why nothing was late."""
    if fact.into:
        return "merged"
    if fact.reason == "met":
        return "breach_withdrawn"
    return "breach_ended" if fact.reason in ENDS else "breach_void"


def _withdrawn(heard: Recorded, fact: EscalationWithdrawn, rules_of: RulesOf) -> Iterator[To]:
    zone = ZoneInfo(fact.zone) if fact.zone else None
    rules, template = rules_of(fact.policy), correction_of(fact)
    # However it is worded, it is one correction and bears one ID.
    correction = template if fact.into else "breach_withdrawn"
    values = _values(fact, zone)
    if fact.into is not None:
        values["into"] = fact.into_number or fact.into
    if template == "breach_ended":
        values["ended"] = fact.reason
    for channel in get_args(Channel):
        told = message_id_of(fact.escalation_id, "escalation", channel)
        yield To(stream_of(told), heard.key, Suppress(heard.occurred_at, "withdrawn"))
        if fact.settled:
            continue
        request = RequestMessage(
            heard.occurred_at,
            message_id_of(fact.escalation_id, correction, channel),
            channel,
            fact.project_id,
            template,
            fact.to,
            values,
            rule=fact.rule,
            case_id=fact.case_id,
            escalation_id=fact.escalation_id,
            not_before=_in_duty_hours(heard, heard.known_at, zone, rules),
            only_if_sent=told,
        )
        yield To(stream_of(request.message_id), heard.key, request)


def remind(heard: Recorded, rules_of: RulesOf) -> Iterable[To]:
    """Tell the role what is late, until it is done or waived; of history nobody is told."""
    if heard.history is not None:
        return
    match heard.fact:
        case FollowupOverdue(to=Role()) as fact:
            yield from _late_followup(heard, fact, rules_of)
        case FollowupDone() | FollowupWaived() as fact:
            for channel in get_args(Channel):
                told = message_id_of(fact.followup_id, "followup_overdue", channel)
                yield To(stream_of(told), heard.key, Suppress(heard.occurred_at, "no_longer_late"))
        case DutyMissed() as fact:
            yield from _missed_duty(heard, fact, rules_of)
        case DutyDone() as fact:
            for channel in get_args(Channel):
                told = message_id_of(_name_of(fact), "duty_missed", channel)
                yield To(stream_of(told), heard.key, Suppress(heard.occurred_at, "no_longer_late"))
        case _:
            return


def _name_of(fact: DutyFact) -> str:
    return f"{fact.subject}|{fact.period}|{fact.duty}"


def _missed_duty(heard: Recorded, fact: DutyMissed, rules_of: RulesOf) -> Iterator[To]:
    zone = ZoneInfo(fact.zone)
    begins = _in_duty_hours(heard, heard.occurred_at, zone, rules_of(fact.policy))
    for channel in get_args(Channel):
        request = RequestMessage(
            heard.occurred_at,
            message_id_of(_name_of(fact), "duty_missed", channel),
            channel,
            fact.project_id,
            "duty_missed",
            fact.role,
            {
                "duty": fact.duty,
                "due": deadline(fact.by.astimezone(zone)),
                "rule": "、".join(fact.rule),
                "role": str(fact.role),
            },
            rule=fact.rule,
            not_before=begins,
        )
        yield To(stream_of(request.message_id), heard.key, request)


def _late_followup(heard: Recorded, fact: FollowupOverdue, rules_of: RulesOf) -> Iterator[To]:
    zone = ZoneInfo(fact.zone) if fact.zone else None
    begins = _in_duty_hours(heard, heard.occurred_at, zone, rules_of(fact.policy))
    for channel in get_args(Channel):
        request = RequestMessage(
            heard.occurred_at,
            message_id_of(fact.followup_id, "followup_overdue", channel),
            channel,
            fact.project_id,
            "followup_overdue",
            fact.to or Role.CS_SUPERVISOR,
            {
                "case_number": fact.number or fact.case_id,
                "mode": str(fact.mode or "other"),
                "due": deadline(fact.by.astimezone(zone) if zone else fact.by),
                "rule": "、".join(fact.rule),
                "role": str(fact.to),
            },
            rule=fact.rule,
            case_id=fact.case_id,
            not_before=begins,
        )
        yield To(stream_of(request.message_id), heard.key, request)


def _in_duty_hours(
    heard: Recorded, at: datetime, zone: tzinfo | None, rules: Rules | None
) -> datetime | None:
    """Give the opening before which nobody is told: that after `at`, or after it became known."""
    if zone is None:
        return None
    openings = (_from_when(at, zone, rules), _from_when(heard.known_at, zone, rules))
    return max((opening for opening in openings if opening is not None), default=None)


def _from_when(at: datetime, zone: tzinfo, rules: Rules | None) -> datetime | None:
    calendar = duty_hours.calendar_of(rules) if rules is not None else None
    return duty_hours.from_when(at, zone, calendar)


def _values(fact: Escalated | EscalationWithdrawn, zone: tzinfo | None) -> dict[str, str]:
    values = {
        "case_number": fact.number or fact.case_id,
        "severity": fact.severity or "none",
        "target": fact.target,
        "rule": "、".join(fact.rule),
        "role": str(fact.to),
    }
    if fact.due_at is not None:
        values["due"] = deadline(fact.due_at.astimezone(zone) if zone else fact.due_at)
    if isinstance(fact, Escalated) and fact.decide_by is not None:
        by = fact.decide_by
        values["decide_by"] = deadline(by.astimezone(zone) if zone else by)
    return values
