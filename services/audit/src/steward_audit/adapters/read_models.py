"""What audit remembers of all facts that it hears, one row a thing that must not be forgotten."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, Table, Text, text

from steward_events.intake import (
    CaseClassified,
    CaseClosed,
    CaseHandled,
    CasePaused,
    CaseReceived,
    CaseReopened,
    CaseResumed,
    HistoryEnded,
    ResultTold,
)
from steward_events.notify import (
    MessageDelivered,
    MessageFact,
    MessageFailed,
    MessageRequested,
    MessageSending,
    MessageSent,
    MessageSuppressed,
    MessageUnknown,
)
from steward_events.recorded import Recorded
from steward_events.sla import (
    BreachWithdrawn,
    ClockBreached,
    ClockCancelled,
    ClockFact,
    ClockMet,
    ClockPaused,
    ClockResumed,
    ClockStarted,
    Escalated,
    EscalationWithdrawn,
)
from steward_events.visits import (
    FollowupDone,
    FollowupDue,
    FollowupFact,
    FollowupOverdue,
    FollowupWaived,
)
from steward_eventstore.port import Change, Increment, Upsert
from steward_service.policies import keep_policy, policies_table

METADATA = MetaData()

POLICIES = policies_table(METADATA)

HEARD = Table(
    "heard",
    METADATA,
    Column("service", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("facts", Integer, nullable=False, default=0),
    Column("history", Integer, nullable=False, default=0),
)

RULES = Table(
    "rules",
    METADATA,
    Column("rule", Text, primary_key=True),
    Column("facts", Integer, nullable=False, default=0),
)

CASES = Table(
    "cases",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, default=""),
    Column("severity", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="open"),
    Column("live", Boolean, nullable=False, default=True),
)

CLOCKS = Table(
    "clocks",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("stream", Text, nullable=False, default=""),
    Column("rule", Text, nullable=False, default=""),
    Column("target", Text, nullable=False, default=""),
    Column("policy", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="running"),
    Column("outcome", Text, nullable=False, default=""),
    Index("clocks_running", "stream", postgresql_where=text("status = 'running'")),
)

BREACHES = Table(
    "breaches",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("breached", Boolean, nullable=False, default=False),
    Column("withdrawn", Boolean, nullable=False, default=False),
    Column("escalated", Boolean, nullable=False, default=False),
    Index(
        "breaches_unescalated",
        "case_id",
        "clock",
        postgresql_where=text("breached AND NOT withdrawn AND NOT escalated"),
    ),
)

ESCALATIONS = Table(
    "escalations",
    METADATA,
    Column("escalation_id", Text, primary_key=True),
    Column("role", Text, nullable=False, default=""),
    Column("raised", Boolean, nullable=False, default=False),
    Column("withdrawn", Boolean, nullable=False, default=False),
    Column("history", Boolean, nullable=False, default=False),
    Column("sms", Boolean, nullable=False, default=False),
    Column("email", Boolean, nullable=False, default=False),
    Index(
        "escalations_untold",
        "escalation_id",
        postgresql_where=text("raised AND NOT (history OR (sms AND email))"),
    ),
)

FOLLOWUPS = Table(
    "followups",
    METADATA,
    Column("followup_id", Text, primary_key=True),
    Column("rule", Text, nullable=False, default=""),
    Column("mode", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="owed"),
)

MESSAGES = Table(
    "messages",
    METADATA,
    Column("message_id", Text, primary_key=True),
    Column("channel", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="owed"),
    Column("not_before", DateTime(timezone=True)),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Index("messages_status", "status", "channel", "changed_at"),
)


def project(heard: Recorded) -> Iterable[Change]:
    """Give the changes that a heard fact makes."""
    service = heard.source.rpartition("/")[2]
    history = int(heard.history is not None)
    counted = {"facts": 1, "history": history}
    yield Increment(HEARD, {"service": service, "type": heard.type}, counted)
    for rule in dict.fromkeys(heard.fact.carries_out if heard.fact is not None else ()):
        yield Increment(RULES, {"rule": rule}, {"facts": 1})
    yield from keep_policy(POLICIES, heard)
    match heard.fact:
        case ClockFact() as fact:
            yield from _clock(heard, fact)
        case FollowupFact() as fact:
            yield from _followup(fact)
        case MessageFact() as fact:
            yield from _message(heard, fact)
        case _:
            yield from _case(heard)


def _case(heard: Recorded) -> Iterable[Change]:
    values: dict[str, Any]
    match heard.fact:
        case CaseReceived() as fact:
            values = {"kind": str(fact.kind), "status": "open", "live": heard.history is None}
        case CaseClassified(severity=severity) as fact:
            values = {"severity": str(severity or "")}
        case CasePaused() as fact:
            values = {"status": "waiting"}
        case CaseResumed() | CaseReopened() as fact:
            values = {"status": "open"}
        case CaseHandled() as fact:
            values = {"status": "handled"}
        case ResultTold() as fact:
            values = {"status": "told"}
        case CaseClosed() as fact:
            values = {"status": "closed"}
        case HistoryEnded() as fact:
            values = {"live": True}
        case _:
            return
    yield Upsert(CASES, {"case_id": fact.case_id, **values})


def _clock(heard: Recorded, fact: ClockFact) -> Iterable[Change]:
    clock: dict[str, Any] = {"case_id": fact.case_id, "clock": fact.clock}
    values: dict[str, Any]
    match fact:
        case ClockStarted():
            values = {
                "stream": heard.stream,
                "rule": " ".join(fact.rule),
                "target": fact.target,
                "policy": fact.policy,
                "status": "running",
                "outcome": "",
            }
            yield Upsert(CLOCKS, clock | values)
        case ClockPaused():
            yield Upsert(CLOCKS, clock | {"status": "paused"})
        case ClockResumed():
            yield Upsert(CLOCKS, clock | {"status": "running"})
        case ClockMet():
            yield Upsert(CLOCKS, clock | {"status": "met", "outcome": fact.outcome})
        case ClockCancelled():
            yield Upsert(CLOCKS, clock | {"status": "cancelled"})
        case ClockBreached():
            yield Upsert(BREACHES, clock | {"number": fact.number, "breached": True})
        case BreachWithdrawn():
            yield Upsert(BREACHES, clock | {"number": fact.number, "withdrawn": True})
        case Escalated():
            values = {
                "escalation_id": fact.escalation_id,
                "role": str(fact.to),
                "raised": True,
                "history": heard.history is not None,
            }
            yield Upsert(ESCALATIONS, values)
            if fact.breach:
                yield Upsert(BREACHES, clock | {"number": fact.breach, "escalated": True})
        case EscalationWithdrawn():
            yield Upsert(ESCALATIONS, {"escalation_id": fact.escalation_id, "withdrawn": True})
        case _:
            return


def _followup(fact: FollowupFact) -> Iterable[Change]:
    key = {"followup_id": fact.followup_id}
    match fact:
        case FollowupDue():
            values = {"rule": " ".join(fact.rule), "mode": str(fact.mode), "status": "owed"}
            yield Upsert(FOLLOWUPS, key | values)
        case FollowupOverdue():
            yield Upsert(FOLLOWUPS, key | {"status": "overdue"})
        case FollowupDone():
            yield Upsert(FOLLOWUPS, key | {"status": "done"})
        case FollowupWaived():
            yield Upsert(FOLLOWUPS, key | {"status": "waived"})
        case _:
            return


def _message(heard: Recorded, fact: MessageFact) -> Iterable[Change]:
    key: dict[str, Any] = {
        "message_id": fact.message_id,
        "channel": fact.channel,
        "changed_at": heard.recorded_at,
    }
    match fact:
        case MessageRequested():
            yield Upsert(MESSAGES, key | {"status": "owed", "not_before": fact.not_before})
            if fact.escalation_id is not None and fact.only_if_sent is None:
                yield Upsert(ESCALATIONS, {"escalation_id": fact.escalation_id, fact.channel: True})
        case MessageSending():
            yield Upsert(MESSAGES, key | {"status": "sending"})
        case MessageSent():
            yield Upsert(MESSAGES, key | {"status": "sent"})
        case MessageDelivered():
            yield Upsert(MESSAGES, key | {"status": "delivered"})
        case MessageFailed():
            yield Upsert(MESSAGES, key | {"status": "owed" if fact.again_at else "failed"})
        case MessageUnknown():
            yield Upsert(MESSAGES, key | {"status": "unknown"})
        case MessageSuppressed():
            yield Upsert(MESSAGES, key | {"status": "suppressed"})
        case _:
            return
