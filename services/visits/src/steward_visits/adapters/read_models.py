"""Follow-ups, visits and quotas as lists, and what was heard of the registry.

All is kept up to date in the transaction of each fact.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Boolean, Column, DateTime, Float, Index, Integer, MetaData, Table, Text

from steward_events.recorded import Recorded
from steward_events.registry import (
    HouseholdRegistered,
    PolicyPublished,
    ProjectRegistered,
    RoleAssigned,
    RoleEnded,
    StaffRegistered,
)
from steward_events.visits import (
    FollowupDone,
    FollowupDue,
    FollowupOverdue,
    FollowupWaived,
    QuotaDue,
    QuotaFact,
    QuotaMissed,
    QuotaMissedWithdrawn,
    QuotaReached,
    QuotaReachedWithdrawn,
    QuotaWaived,
    VisitDone,
    VisitStruck,
)
from steward_eventstore.port import Change, Delete, Upsert
from steward_service.policies import keep_policy, policies_table

METADATA = MetaData()

POLICIES = policies_table(METADATA)

PUBLICATIONS = Table(
    "publications",
    METADATA,
    Column("pack", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("effective_from", DateTime(timezone=True)),
    Column("group_id", Text),
    Column("project_id", Text),
    Column("published_at", DateTime(timezone=True)),
)

PROJECTS = Table(
    "projects",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False, default=""),
)

HOUSEHOLDS = Table(
    "households",
    METADATA,
    Column("household_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
)

STAFF = Table(
    "staff",
    METADATA,
    Column("person_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False, default=""),
)

ROLES = Table(
    "roles",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("person_id", Text, primary_key=True),
)

FOLLOWUPS = Table(
    "followups",
    METADATA,
    Column("followup_id", Text, primary_key=True),
    Column("case_id", Text, nullable=False, default=""),
    Column("project_id", Text, nullable=False, default=""),
    Column("household_id", Text),
    Column("rule", Text, nullable=False, default=""),
    Column("policy", Text, nullable=False, default=""),
    Column("round", Integer, nullable=False, default=1),
    Column("mode", Text, nullable=False, default=""),
    Column("modes", Text, nullable=False, default=""),
    Column("roles", Text, nullable=False, default=""),
    Column("rate", Float, nullable=False, default=1.0),
    Column("by", DateTime(timezone=True)),
    Column("month", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="owed"),
    Column("was_overdue", Boolean, nullable=False, default=False),
    Column("made_as", Text),
    Column("made_at", DateTime(timezone=True)),
    Column("person_id", Text),
    Column("satisfied", Boolean),
    Column("waived_because", Text),
    Column("changed_at", DateTime(timezone=True)),
    Index("followups_changed", "changed_at", "followup_id"),
    Index("followups_project", "project_id", "status", "changed_at", "followup_id"),
    Index("followups_month", "project_id", "month"),
)


VISITS = Table(
    "visits",
    METADATA,
    Column("visit_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("household_id", Text, nullable=False, default=""),
    Column("person_id", Text, nullable=False, default=""),
    Column("month", Text, nullable=False, default=""),
    Column("visited_at", DateTime(timezone=True)),
    Column("mode", Text, nullable=False, default=""),
    Column("topics", Text, nullable=False, default=""),
    Column("case_id", Text),
    Column("struck_because", Text),
    Column("struck_by", Text),
    Column("changed_at", DateTime(timezone=True)),
    Index("visits_changed", "changed_at", "visit_id"),
    Index("visits_project", "project_id", "month", "person_id"),
    Index("visits_household", "household_id", "changed_at", "visit_id"),
)

QUOTAS = Table(
    "quotas",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("person_id", Text, primary_key=True),
    Column("quota", Text, primary_key=True),
    Column("role", Text, nullable=False, default=""),
    Column("rule", Text, nullable=False, default=""),
    Column("policy", Text, nullable=False, default=""),
    Column("required", Integer, nullable=False, default=0),
    Column("by", DateTime(timezone=True)),
    Column("status", Text, nullable=False, default="running"),
    Column("reached_at", DateTime(timezone=True)),
    Column("changed_at", DateTime(timezone=True)),
)


def project(recorded: Recorded) -> Iterable[Change]:
    """Give the changes that a fact makes."""
    yield from keep_policy(POLICIES, recorded)
    match recorded.fact:
        case PolicyPublished() as fact:
            kept = {"pack", "version", "effective_from", "group_id", "project_id"}
            row = fact.model_dump(include=kept)
            yield Upsert(PUBLICATIONS, row | {"published_at": recorded.recorded_at})
        case ProjectRegistered() as fact:
            yield Upsert(PROJECTS, fact.model_dump(include={"project_id", "group_id"}))
        case HouseholdRegistered() as fact:
            yield Upsert(HOUSEHOLDS, fact.model_dump(include={"household_id", "project_id"}))
        case VisitDone() | VisitStruck() as fact:
            yield Upsert(VISITS, _visit(fact) | {"changed_at": recorded.recorded_at})
        case QuotaFact() as fact:
            yield Upsert(QUOTAS, _quota(fact) | {"changed_at": recorded.recorded_at})
        case StaffRegistered() as fact:
            yield Upsert(STAFF, {"person_id": fact.person_id, "group_id": fact.group_id})
        case RoleAssigned() as fact:
            yield Upsert(ROLES, fact.model_dump())
        case RoleEnded() as fact:
            yield Delete(ROLES, fact.model_dump())
        case _:
            yield from _followup(recorded)


def _followup(recorded: Recorded) -> Iterable[Change]:
    match recorded.fact:
        case FollowupDue() as fact:
            values: dict[str, Any] = {
                "case_id": fact.case_id,
                "project_id": fact.project_id,
                "household_id": fact.household_id,
                "rule": " ".join(fact.rule),
                "policy": fact.policy,
                "round": fact.round,
                "mode": str(fact.mode),
                "modes": " ".join(fact.modes),
                "roles": " ".join(fact.roles),
                "rate": fact.rate,
                "by": fact.by,
                "month": _month_of(fact.by, fact.zone),
                "status": "owed",
            }
        case FollowupOverdue() as fact:
            values = {"status": "overdue", "was_overdue": True}
        case FollowupDone() as fact:
            values = {
                "status": "done",
                "was_overdue": fact.overdue,
                "made_as": str(fact.mode),
                "made_at": recorded.occurred_at,
                "person_id": fact.person_id,
                "satisfied": fact.satisfied,
            }
        case FollowupWaived() as fact:
            values = {
                "status": "waived",
                "person_id": fact.person_id,
                "waived_because": fact.reason,
            }
        case _:
            return
    key = {"followup_id": fact.followup_id, "changed_at": recorded.recorded_at}
    yield Upsert(FOLLOWUPS, key | values)


def _month_of(by: datetime, zone: str) -> str:
    """Name the month of a due time; 24:00 of the month's last day belongs to that month."""
    here = by.astimezone(ZoneInfo(zone)) if zone else by
    return f"{here - timedelta(microseconds=1):%Y-%m}"


def _visit(fact: VisitDone | VisitStruck) -> dict[str, Any]:
    if isinstance(fact, VisitStruck):
        return {
            "visit_id": fact.visit_id,
            "struck_because": fact.reason,
            "struck_by": fact.struck_by,
        }
    return {
        **fact.model_dump(exclude={"content", "feedback", "measures"}),
        "mode": str(fact.mode),
        "topics": " ".join(fact.topics),
    }


def _quota(fact: QuotaFact) -> dict[str, Any]:
    key = fact.model_dump(include={"project_id", "month", "person_id", "quota"})
    match fact:
        case QuotaDue():
            owed = {
                "role": str(fact.role),
                "rule": " ".join(fact.rule),
                "policy": fact.policy,
                "required": fact.required,
                "by": fact.by,
            }
            return {**key, **owed, "status": "running", "reached_at": None}
        case QuotaReached():
            return {**key, "status": "reached", "reached_at": fact.reached_at}
        case QuotaMissed():
            return {**key, "status": "missed", "reached_at": None}
        case QuotaReachedWithdrawn() | QuotaMissedWithdrawn():
            return {**key, "status": "running", "reached_at": None}
        case QuotaWaived():
            return {**key, "status": "waived"}
        case _:
            return key
