"""Clocks, escalations, who has a case, and the registry, each in the transaction of its fact."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

from steward_events.recorded import Recorded
from steward_events.registry import (
    CalendarPublished,
    PolicyPublished,
    ProjectRegistered,
    StaffRegistered,
)
from steward_events.sla import (
    BreachExcused,
    BreachWithdrawn,
    CaseNoted,
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
    PolicyReapplied,
)
from steward_eventstore.port import Change, Upsert
from steward_service.policies import keep_policy, policies_table
from steward_service.roles import keep_roles, keep_stand_ins, role_tables
from steward_sla.adapters.published_years import published_year
from steward_sla.domain.case_facts import ENDS
from steward_sla.domain.clocks import ZONE

METADATA = MetaData()

POLICIES = policies_table(METADATA)

PUBLICATIONS = Table(
    "publications",
    METADATA,
    Column("version", Text, primary_key=True),
    Column("group_id", Text),
    Column("project_id", Text),
)
"""For whom each policy was published, by the name that facts give it; for everybody if for none."""

PROJECTS = Table(
    "projects",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False, default=""),
)

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
    Column("cancelled_at", DateTime(timezone=True)),
    Column("excused", Boolean, nullable=False, default=False, server_default=text("false")),
    Column("changed_at", DateTime(timezone=True)),
    Index("clocks_changed", "changed_at", "case_id", "clock"),
    Index("clocks_project", "project_id", "month", "target"),
    Index("clocks_running", "target", postgresql_where=text("state = 'running'")),
    Index("clocks_waiting", "case_id", postgresql_where=text("state IN ('running', 'paused')")),
    Index(
        "clocks_provisional",
        "case_id",
        postgresql_where=text("provisional AND state IN ('running', 'paused')"),
    ),
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

CASES = Table(
    "cases",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("number", Text, nullable=False, default=""),
    Column("kind", Text, nullable=False, default=""),
    Column("zone", Text, nullable=False, default=ZONE),
    Column("person_id", Text, nullable=False, default=""),
    Column("department", Text, nullable=False, default=""),
    Column("incident", Text, nullable=False, default="", server_default=text("''")),
    Index("cases_person", "person_id"),
    Index("cases_incident", "incident", postgresql_where=text("incident <> ''")),
)
"""What each case is, who owns it now, which department has it, and which incident it is one of."""

HOLDINGS = Table(
    "holdings",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("at", DateTime(timezone=True)),
    Column("person", Boolean, nullable=False, default=False),
    Column("holder", Text, nullable=False, default=""),
    Column("what", Text, nullable=False, default="gives", server_default=text("'gives'")),
    Index("holdings_project", "project_id", "at"),
)
"""Who had a case from when on, until the next row: departments, and persons beside them.

A row `gives` it to its holder, to nobody (an empty one) after a refusal. Others name no holder: it
`rests` with who has it, once it was handled, and the time held stops; it `ends`, and nobody has it;
or it `goes_on` with who had it last, once it was reopened.
"""

MOVES = Table(
    "moves",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("at", DateTime(timezone=True)),
)
"""When each case was moved to where it goes on, by its name there."""

CALENDARS = Table(
    "calendars",
    METADATA,
    Column("edition", Integer, primary_key=True, autoincrement=False),
    Column("calendar", Text, nullable=False, default=""),
    Column("version", Text, nullable=False, default=""),
    Column("year", Integer, nullable=False, default=0),
    Column("said", Text, nullable=False, default=""),
    Column("at", DateTime(timezone=True)),
)

REAPPLICATIONS = Table(
    "reapplications",
    METADATA,
    Column("reapply_id", Text, primary_key=True),
    Column("policy", Text, nullable=False, default=""),
    Column("instead_of", Text, nullable=False, default=""),
    Column("projects", ARRAY(Text), nullable=False),
    Column("targets", ARRAY(Text), nullable=False),
    Column("cases", ARRAY(Text), nullable=False),
    Column("asked_by", Text, nullable=False, default=""),
    Column("at", DateTime(timezone=True)),
    Column("changed_at", DateTime(timezone=True)),
    Index("reapplications_changed", "changed_at", "reapply_id"),
)

STAFF = Table(
    "staff",
    METADATA,
    Column("person_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False, default="", server_default=text("''")),
)
"""Of which group each is; empty where it was not heard."""

ROLES = role_tables(METADATA)


def project(recorded: Recorded) -> Iterable[Change]:
    """Give the changes that a fact makes; raises `Refused` for what cannot be used."""
    yield from keep_policy(POLICIES, recorded)
    yield from keep_roles(ROLES.roles, recorded)
    yield from keep_stand_ins(ROLES, recorded)
    fact = recorded.fact
    match fact:
        case PolicyPublished():
            whom = fact.model_dump(include={"group_id", "project_id"})
            yield Upsert(PUBLICATIONS, {"version": f"{fact.pack}@{fact.version}", **whom})
        case ProjectRegistered():
            yield Upsert(PROJECTS, fact.model_dump(include={"project_id", "group_id"}))
        case StaffRegistered():
            yield Upsert(STAFF, fact.model_dump(include={"person_id", "group_id"}))
        case CalendarPublished():
            published_year(recorded.version, fact, recorded.known_at)  # one that is of use
            yield Upsert(
                CALENDARS,
                {
                    "edition": recorded.version,
                    "calendar": fact.calendar,
                    "version": fact.version,
                    "year": fact.year,
                    "said": fact.model_dump_json(),
                    "at": recorded.known_at,
                },
            )
        case PolicyReapplied():
            said = fact.model_dump(exclude={"reason"})
            lists = {name: list(said[name]) for name in ("projects", "targets", "cases")}
            times = {"at": recorded.occurred_at, "changed_at": recorded.recorded_at}
            yield Upsert(REAPPLICATIONS, said | lists | times)
        case CaseNoted():
            yield from _held(fact)
        case _:
            pass
    if not isinstance(fact, ClockFact):
        return
    values = _clock_values(fact, recorded.occurred_at)
    if values is not None:
        key = {"case_id": fact.case_id, "clock": fact.clock, "changed_at": recorded.recorded_at}
        yield Upsert(CLOCKS, key | values)
    values = _escalation_values(fact, recorded.occurred_at)
    if values is not None:
        yield Upsert(ESCALATIONS, values | {"changed_at": recorded.recorded_at})
    values = _extension_values(fact)
    if values is not None:
        yield Upsert(EXTENSIONS, values | {"changed_at": recorded.recorded_at})


def _held(noted: CaseNoted) -> Iterable[Change]:
    """Who has the case from now on; what an older fact says late is told at its own instant."""
    fields = noted.fields
    match noted.noted:
        case "case_received":
            said = {name: str(fields.get(name, "")) for name in ("number", "kind")}
            yield _case(noted, **said, zone=str(fields.get("zone", ZONE)))
        case "case_assigned":
            person = str(fields.get("person_id") or "")
            yield from (_case(noted, person_id=person), _holding(noted, person, person=True))
        case "case_dispatched":
            department = str(fields.get("department") or "")
            held = "" if fields.get("before_move") else department
            yield from (_case(noted, department=department), _holding(noted, held))
        case "dispatch_refused" | "dispatch_withdrawn":
            yield from (_case(noted, department=""), _holding(noted, ""))
        case "case_joined_incident":
            yield _case(noted, incident=str(fields.get("incident_id") or ""))
        case "case_left_incident":
            yield _case(noted, incident="")
        case name if what := _WITH_ITS_HOLDER.get(name):
            yield from (_holding(noted, "", what), _holding(noted, "", what, person=True))
            if there := fields.get("to_case"):
                yield Upsert(MOVES, {"case_id": there, "at": noted.at})
        case _:
            pass


_WITH_ITS_HOLDER = {
    "case_handled": "rests",
    "case_reopened": "goes_on",
    **dict.fromkeys(ENDS, "ends"),
}
"""What these facts do with a case, whoever has it."""


def _case(noted: CaseNoted, **values: str) -> Upsert:
    return Upsert(CASES, {"case_id": noted.case_id, "project_id": noted.project_id, **values})


def _holding(noted: CaseNoted, holder: str, what: str = "gives", *, person: bool = False) -> Upsert:
    # Persons and departments stand beside each other: two places for each version.
    return Upsert(
        HOLDINGS,
        {
            "case_id": noted.case_id,
            "place": 2 * noted.version + person,
            "project_id": noted.project_id,
            "at": noted.at,
            "person": person,
            "holder": holder,
            "what": what,
        },
    )


def _clock_values(fact: ClockFact, at: datetime) -> dict[str, Any] | None:
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
                "cancelled_at": None,
                **_due(fact.due_at),
            }
        case ClockRescheduled():
            policy = {"policy": fact.policy} if fact.policy else {}
            return {"provisional": fact.provisional, **policy, **_due(fact.new_due)}
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
            met = {"outcome": fact.outcome, "met_at": fact.met_at}
            return {"state": "met", **met, "cancelled_at": None}
        case ClockCancelled():
            return {"state": "cancelled", "outcome": "", "met_at": None, "cancelled_at": at}
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
                "because": "requested" if fact.decide_by else fact.because or "",
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
