"""Clocks, escalations and staff, kept up to date in the transaction of each fact."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, Table, Text, text

from steward_events.recorded import Recorded
from steward_events.registry import StaffRegistered
from steward_events.sla import (
    BreachExcused,
    BreachWithdrawn,
    ClockBreached,
    ClockCancelled,
    ClockFact,
    ClockMet,
    ClockPaused,
    ClockRescheduled,
    ClockResumed,
    ClockStarted,
    Escalated,
    EscalationAcknowledged,
    EscalationWithdrawn,
    ExtensionApproved,
    ExtensionRefused,
    ExtensionRequested,
)
from steward_eventstore.port import Change, Upsert
from steward_service.policies import keep_policy, policies_table

METADATA = MetaData()

POLICIES = policies_table(METADATA)

CLOCKS = Table(
    "clocks",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("target", Text, nullable=False, default=""),
    Column("rule", Text, nullable=False, default=""),
    Column("basis", Text, nullable=False, default=""),
    Column("severity", Text, nullable=False, default=""),
    Column("policy", Text, nullable=False, default=""),
    Column("started_at", DateTime(timezone=True)),
    Column("due_at", DateTime(timezone=True)),
    Column("month", Text, nullable=False, default=""),
    Column("provisional", Boolean, nullable=False, default=False),
    Column("state", Text, nullable=False, default="running"),
    Column("outcome", Text, nullable=False, default=""),
    Column("met_at", DateTime(timezone=True)),
    Column("breached_at", DateTime(timezone=True)),
    Column("excused", Boolean, nullable=False, default=False, server_default=text("false")),
    Column("changed_at", DateTime(timezone=True)),
    Index("clocks_changed", "changed_at", "case_id", "clock"),
    Index("clocks_project", "project_id", "month", "target"),
    Index("clocks_running", "target", postgresql_where=text("state = 'running'")),
    Index("clocks_open", "due_at", postgresql_where=text("state IN ('running', 'paused')")),
)

ESCALATIONS = Table(
    "escalations",
    METADATA,
    Column("escalation_id", Text, primary_key=True),
    Column("case_id", Text, nullable=False, default=""),
    Column("number", Text, nullable=False, default=""),
    Column("clock", Text, nullable=False, default=""),
    Column("project_id", Text, nullable=False, default=""),
    Column("target", Text, nullable=False, default=""),
    Column("rule", Text, nullable=False, default=""),
    Column("severity", Text, nullable=False, default=""),
    Column("breach", Integer, nullable=False, default=0),
    Column("step", Integer, nullable=False, default=0),
    Column("to", Text, nullable=False, default=""),
    Column("deliver", Text, nullable=False, default=""),
    Column("because", Text, nullable=False, default="", server_default=text("''")),
    Column("due_at", DateTime(timezone=True)),
    Column("escalated_at", DateTime(timezone=True)),
    Column("status", Text, nullable=False, default="open"),
    Column("person_id", Text),
    Column("changed_at", DateTime(timezone=True)),
    Index("escalations_changed", "changed_at", "escalation_id"),
    Index("escalations_project", "project_id", "status", "changed_at", "escalation_id"),
    Index("escalations_case", "case_id"),
    Index("escalations_open", "escalation_id", postgresql_where=text("status = 'open'")),
)

EXTENSIONS = Table(
    "extensions",
    METADATA,
    Column("extension_id", Text, primary_key=True),
    Column("case_id", Text, nullable=False, default=""),
    Column("clock", Text, nullable=False, default=""),
    Column("project_id", Text, nullable=False, default=""),
    Column("target", Text, nullable=False, default=""),
    Column("rule", Text, nullable=False, default=""),
    Column("severity", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="asked"),
    Column("asked_at", DateTime(timezone=True)),
    Column("asked_by", Text, nullable=False, default=""),
    Column("until", DateTime(timezone=True)),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", Text),
    Column("role", Text),
    Column("changed_at", DateTime(timezone=True)),
    Index("extensions_changed", "changed_at", "extension_id"),
    Index("extensions_project", "project_id", "status", "changed_at", "extension_id"),
)

STAFF = Table("staff", METADATA, Column("person_id", Text, primary_key=True))


def project(recorded: Recorded) -> Iterable[Change]:
    """Give the changes that a fact makes."""
    yield from keep_policy(POLICIES, recorded)
    fact = recorded.fact
    if isinstance(fact, StaffRegistered):
        yield Upsert(STAFF, {"person_id": fact.person_id})
    if not isinstance(fact, ClockFact):
        return
    values = _clock_values(fact)
    if values is not None:
        key = {"case_id": fact.case_id, "clock": fact.clock, "changed_at": recorded.recorded_at}
        yield Upsert(CLOCKS, key | values)
    values = _escalation_values(fact, recorded.occurred_at)
    if values is not None:
        yield Upsert(ESCALATIONS, values | {"changed_at": recorded.recorded_at})
    values = _extension_values(fact)
    if values is not None:
        yield Upsert(EXTENSIONS, values | {"changed_at": recorded.recorded_at})


def _clock_values(fact: ClockFact) -> dict[str, Any] | None:
    match fact:
        case ClockStarted():
            return {
                "project_id": fact.project_id,
                "target": fact.target,
                "rule": " ".join(fact.rule),
                "basis": fact.basis,
                "severity": fact.severity,
                "policy": fact.policy,
                "started_at": fact.started_at,
                "provisional": fact.provisional,
                "state": "running",
                "outcome": "",
                "met_at": None,
                **_due(fact.due_at),
            }
        case ClockRescheduled():
            return {"provisional": fact.provisional, **_due(fact.new_due)}
        case ClockPaused():
            return {"state": "paused"}
        case ClockResumed():
            return {"state": "running", **_due(fact.due_at)}
        case ClockBreached():
            return {"breached_at": fact.breached_at}
        case BreachWithdrawn():
            return {"breached_at": None, "excused": False}
        case BreachExcused():
            return {"excused": True}
        case ClockMet():
            return {"state": "met", "outcome": fact.outcome, "met_at": fact.met_at}
        case ClockCancelled():
            return {"state": "cancelled", "outcome": "", "met_at": None}
        case _:
            return None


def month_of(due_at: datetime) -> str:
    """Name the month of a due time; 24:00 of the month's last day belongs to that month."""
    return f"{due_at - timedelta(microseconds=1):%Y-%m}"


def _due(due_at: datetime) -> dict[str, Any]:
    return {"due_at": due_at, "month": month_of(due_at)}


def _escalation_values(fact: ClockFact, at: datetime) -> dict[str, Any] | None:
    match fact:
        case Escalated():
            return {
                "escalation_id": fact.escalation_id,
                "case_id": fact.case_id,
                "number": fact.number,
                "clock": fact.clock,
                "project_id": fact.project_id,
                "target": fact.target,
                "rule": " ".join(fact.rule),
                "severity": fact.severity,
                "breach": fact.breach,
                "step": fact.step,
                "to": str(fact.to),
                "deliver": fact.deliver,
                "because": fact.because or "",
                "due_at": fact.due_at,
                "escalated_at": at,
                "status": "open",
            }
        case EscalationAcknowledged():
            return {
                "escalation_id": fact.escalation_id,
                "status": "acknowledged",
                "person_id": fact.person_id,
            }
        case EscalationWithdrawn():
            return {"escalation_id": fact.escalation_id, "status": "withdrawn"}
        case _:
            return None


def _extension_values(fact: ClockFact) -> dict[str, Any] | None:
    match fact:
        case ExtensionRequested():
            return {
                "extension_id": fact.extension_id,
                "case_id": fact.case_id,
                "clock": fact.clock,
                "project_id": fact.project_id,
                "target": fact.target,
                "rule": " ".join(fact.rule),
                "severity": fact.severity,
                "status": "asked",
                "asked_at": fact.at,
                "asked_by": fact.asked_by,
                "until": fact.until,
            }
        case ExtensionApproved():
            decided = {"status": "approved", "decided_by": fact.approved_by}
        case ExtensionRefused():
            decided = {"status": "refused", "decided_by": fact.refused_by}
        case _:
            return None
    return {
        "extension_id": fact.extension_id,
        "decided_at": fact.at,
        "role": str(fact.role),
        **decided,
    }
