"""Messages as an outbox and a list, and what notify heard of projects, staff and roles."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text, text

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
    ProjectRegistered,
    RoleAssigned,
    RoleEnded,
    StaffRegistered,
    SubjectErased,
)
from steward_events.sealed import Sealed
from steward_eventstore.port import Change, Delete, Upsert
from steward_service.policies import keep_policy, policies_table

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

ROLES = Table(
    "roles",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("person_id", Text, primary_key=True),
    Column("since", DateTime(timezone=True)),
)

ERASURES = Table(
    "erasures",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("erased_at", DateTime(timezone=True)),
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
    match recorded.fact:
        case ProjectRegistered() as fact:
            yield Upsert(PROJECTS, {"project_id": fact.project_id, "name": fact.name})
        case StaffRegistered() as fact:
            person = {"person_id": fact.person_id, "language": str(fact.language)}
            yield Upsert(STAFF, person | {"phone": _box(fact.phone), "email": _box(fact.email)})
        case SubjectErased() as fact:
            gone = {"subject": fact.subject, "erased_at": recorded.occurred_at}
            yield Upsert(ERASURES, gone)
        case RoleAssigned() as fact:
            yield Upsert(ROLES, fact.model_dump(mode="json") | {"since": recorded.occurred_at})
        case RoleEnded() as fact:
            yield Delete(ROLES, fact.model_dump(mode="json"))
        case MessageFact() as fact:
            key = {"message_id": fact.message_id, "changed_at": recorded.recorded_at}
            yield Upsert(MESSAGES, key | _message(recorded, fact))
        case _:
            return


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
                # In one order, whichever way the fact was read.
                "content": json.dumps({"values": fact.values}, ensure_ascii=False, sort_keys=True),
                "not_before": fact.not_before,
                "only_if_sent": fact.only_if_sent,
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


def _box(sealed: Sealed | None) -> str | None:
    return sealed.model_dump_json() if sealed else None
