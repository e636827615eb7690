"""What notify does about a fact that it hears: owes messages, and takes them back."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, tzinfo
from typing import get_args
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from steward_events.recorded import Recorded
from steward_events.sla import Escalated, EscalationWithdrawn
from steward_events.visits import FollowupDone, FollowupOverdue, FollowupWaived
from steward_events.vocabulary import Role
from steward_eventstore.execute import To
from steward_notify.domain import duty_hours
from steward_notify.domain.message import Channel, RequestMessage, Suppress
from steward_notify.texts import deadline
from steward_policy.packs import Rules

RulesOf = Callable[[str], Rules | None]
"""Gives the rules of a policy's version, if it was heard."""

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/message")


def stream_of(message_id: str) -> str:
    """Name the stream of a message."""
    return f"message-{message_id}"


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
        case _:
            return


def _escalated(heard: Recorded, fact: Escalated, rules_of: RulesOf) -> Iterator[To]:
    zone = ZoneInfo(fact.zone) if fact.zone else fact.due_at.tzinfo
    not_before = None
    if fact.deliver == "duty_hours" and zone is not None:
        not_before = _from_when(heard.occurred_at, zone, rules_of(fact.policy))
    for channel in get_args(Channel):
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
            not_before=not_before,
        )
        yield To(stream_of(request.message_id), heard.key, request)


def template_of(fact: Escalated) -> str:
    """What is told of what is late, of what begins, and of more time that nobody decided on."""
    if fact.because == "undecided":
        return "undecided"
    return "escalation" if fact.breach else "alarm"


def _withdrawn(heard: Recorded, fact: EscalationWithdrawn, rules_of: RulesOf) -> Iterator[To]:
    zone = ZoneInfo(fact.zone) if fact.zone else None
    rules = rules_of(fact.policy)
    for channel in get_args(Channel):
        told = message_id_of(fact.escalation_id, "escalation", channel)
        yield To(stream_of(told), heard.key, Suppress(heard.occurred_at, "withdrawn"))
        request = RequestMessage(
            heard.occurred_at,
            message_id_of(fact.escalation_id, "breach_withdrawn", channel),
            channel,
            fact.project_id,
            "breach_withdrawn",
            fact.to,
            _values(fact, zone),
            rule=fact.rule,
            case_id=fact.case_id,
            escalation_id=fact.escalation_id,
            not_before=_from_when(heard.known_at, zone, rules) if zone else None,
            only_if_sent=told,
        )
        yield To(stream_of(request.message_id), heard.key, request)


def remind(heard: Recorded, rules_of: RulesOf) -> Iterable[To]:
    """Tell the role that a follow-up is late, until it is done or waived; of history nobody is told."""
    if heard.history is not None:
        return
    match heard.fact:
        case FollowupOverdue(to=Role()) as fact:
            yield from _late_followup(heard, fact, rules_of)
        case FollowupDone() | FollowupWaived() as fact:
            for channel in get_args(Channel):
                told = message_id_of(fact.followup_id, "followup_overdue", channel)
                yield To(stream_of(told), heard.key, Suppress(heard.occurred_at, "no_longer_late"))
        case _:
            return


def _late_followup(heard: Recorded, fact: FollowupOverdue, rules_of: RulesOf) -> Iterator[To]:
    zone = ZoneInfo(fact.zone) if fact.zone else None
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
            not_before=_from_when(heard.occurred_at, zone, rules_of(fact.policy)) if zone else None,
        )
        yield To(stream_of(request.message_id), heard.key, request)


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
    return values
