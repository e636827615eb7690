"""Messages as an outbox and a list, and what notify heard of projects, staff and roles."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, Table, Text, text

from steward_events.intake import (
    CaseHandled,
    CaseJoinedIncident,
    CaseLeftIncident,
    IncidentOpened,
    WorkStarted,
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
from steward_events.registry import (
    PersonRegistered,
    ProjectRegistered,
    StaffRegistered,
    SubjectErased,
)
from steward_events.sealed import Sealed
from steward_events.sla import ExtensionRequested
from steward_eventstore.port import Change, Delete, Upsert
from steward_service.policies import keep_policy, policies_table
from steward_service.roles import keep_roles, keep_stand_ins, role_tables

METADATA = MetaData()

POLICIES = policies_table(METADATA)

PROJECTS = Table(
    "projects",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("name", Text, nullable=False, default=""),
)

STAFF = Table(
    "staff",
    METADATA,
    Column("person_id", Text, primary_key=True),
    Column("language", Text, nullable=False, default="zh"),
    Column("phone", Text),
    Column("email", Text),
)

ROLES = role_tables(METADATA)

ERASURES = Table(
    "erasures",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("erased_at", DateTime(timezone=True)),
)

PEOPLE = Table(
    "people",
    METADATA,
    Column("person_id", Text, primary_key=True),
    Column("household_id", Text, nullable=False, default=""),
    Column("language", Text, nullable=False, default="zh"),
    Column("phone", Text),
    Column("email", Text),
    Index("people_household", "household_id"),
)

HANDS = Table(
    "hands",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("person_id", Text, primary_key=True),
    Column("what", Text, primary_key=True),
)

INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("incident_id", Text, primary_key=True),
    Column("name", Text, nullable=False, default=""),
)

INCIDENT_CASES = Table(
    "incident_cases",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False, default=""),
)

MESSAGES = Table(
    "messages",
    METADATA,
    Column("message_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("channel", Text, nullable=False, default=""),
    Column("template", Text, nullable=False, default=""),
    Column("role", Text),
    Column("rule", Text, nullable=False, default=""),
    Column("case_id", Text),
    Column("escalation_id", Text),
    Column("content", Text, nullable=False, default="{}"),
    Column("not_before", DateTime(timezone=True)),
    Column("only_if_sent", Text),
    Column("status", Text, nullable=False, default="owed"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("again_at", DateTime(timezone=True)),
    Column("person_id", Text),
    Column("provider_id", Text),
    Column("code", Text),
    Column("correlation_id", Text, nullable=False, default=""),
    Column("requested_at", DateTime(timezone=True)),
    Column("changed_at", DateTime(timezone=True)),
    Column("instead_of", Text),
    Column("household_id", Text),
    Column("address", Text),
    Column("together", Boolean, nullable=False, default=False),
    Column("group_id", Text),
    Index("messages_group", "group_id", postgresql_where=text("group_id IS NOT NULL")),
    Index(
        "messages_owed",
        "requested_at",
        "message_id",
        postgresql_where=text("status IN ('owed', 'sending')"),
    ),
    Index("messages_changed", "changed_at", "message_id"),
)


def project(recorded: Recorded) -> Iterable[Change]:
    """Give the changes that a fact, own or heard, makes."""
    yield from keep_policy(POLICIES, recorded)
    yield from keep_roles(ROLES.roles, recorded)
    yield from keep_stand_ins(ROLES, recorded)
    match recorded.fact:
        case ProjectRegistered() as fact:
            yield Upsert(PROJECTS, {"project_id": fact.project_id, "name": fact.name})
        case StaffRegistered() as fact:
            person = {"person_id": fact.person_id, "language": str(fact.language)}
            yield Upsert(STAFF, person | {"phone": _box(fact.phone), "email": _box(fact.email)})
        case SubjectErased() as fact:
            gone = {"subject": fact.subject, "erased_at": recorded.occurred_at}
            yield Upsert(ERASURES, gone)
        case PersonRegistered() as fact:
            person = {"person_id": fact.person_id, "language": str(fact.language)}
            reached = {"phone": _box(fact.phone), "email": _box(fact.email)}
            yield Upsert(PEOPLE, person | {"household_id": fact.household_id} | reached)
        case CaseHandled(person_id=str(person)) | WorkStarted(person_id=str(person)) as fact:
            yield _hand(fact.case_id, person, "handled")
        case IncidentOpened() as fact:
            name = fact.title or fact.cause or fact.incident
            yield Upsert(INCIDENTS, {"incident_id": fact.incident, "name": name})
        case CaseJoinedIncident() as fact:
            joined = {"case_id": fact.case_id, "incident_id": fact.incident_id}
            yield Upsert(INCIDENT_CASES, joined)
        case CaseLeftIncident() as fact:
            yield Delete(INCIDENT_CASES, {"case_id": fact.case_id})
        case ExtensionRequested() as fact:
            yield _hand(fact.case_id, fact.asked_by, "asked")
        case MessageFact() as fact:
            key = {"message_id": fact.message_id, "changed_at": recorded.recorded_at}
            yield Upsert(MESSAGES, key | _message(recorded, fact))
        case _:
            return


def _hand(case_id: str, person_id: str, what: str) -> Upsert:
    return Upsert(HANDS, {"case_id": case_id, "person_id": person_id, "what": what})


def _message(recorded: Recorded, fact: MessageFact) -> dict[str, Any]:
    match fact:
        case MessageRequested():
            return {
                "project_id": fact.project_id,
                "channel": fact.channel,
                "template": fact.template,
                "role": str(fact.role) if fact.role else None,
                "rule": " ".join(fact.rule),
                "case_id": fact.case_id,
                "escalation_id": fact.escalation_id,
                "content": _content(fact),
                "not_before": fact.not_before,
                "only_if_sent": fact.only_if_sent,
                "instead_of": fact.instead_of,
                "household_id": fact.household_id,
                "address": _box(fact.address),
                "together": fact.together,
                "status": "owed",
                "correlation_id": recorded.correlation_id,
                "requested_at": recorded.recorded_at,
            }
        case MessageSending():
            return {
                "status": "sending",
                "attempts": fact.attempt,
                "again_at": None,
                "person_id": fact.person_id,
                "group_id": fact.group_id,
            }
        case MessageSent():
            return {"status": "sent", "provider_id": fact.provider_id, "code": None}
        case MessageDelivered():
            return {"status": "delivered"}
        case MessageFailed():
            return {
                "status": "failed" if fact.again_at is None else "owed",
                "attempts": fact.attempt,
                "again_at": fact.again_at,
                "code": fact.code,
            }
        case MessageUnknown():
            return {"status": "unknown", "code": fact.reason}
        case MessageSuppressed():
            return {"status": "suppressed", "code": fact.reason}
        case _:
            return {}


def _content(fact: MessageRequested) -> str:
    content: dict[str, Any] = {"values": fact.values}
    if fact.sealed:
        content["sealed"] = {name: sealed.model_dump() for name, sealed in fact.sealed.items()}
    # In one order, whichever way the fact was read.
    return json.dumps(content, ensure_ascii=False, sort_keys=True)


def _box(sealed: Sealed | None) -> str | None:
    return sealed.model_dump_json() if sealed else None
