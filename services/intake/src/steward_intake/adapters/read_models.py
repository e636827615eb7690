"""What intake remembers in tables so that requests can be checked and lists be shown."""

import json
from collections.abc import Iterable
from typing import Any, assert_never

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from steward_events.fact import Fact
from steward_events.intake import (
    BoxOpened,
    CaseAbsorbed,
    CaseAccepted,
    CaseAssigned,
    CaseChased,
    CaseClassified,
    CaseClosed,
    CaseCorrected,
    CaseDispatched,
    CaseHandled,
    CaseJoinedIncident,
    CaseLeftIncident,
    CaseMerged,
    CaseMovedOut,
    CasePaused,
    CaseReceived,
    CaseRefused,
    CaseReopened,
    CaseResumed,
    CaseWithdrawn,
    DispatchRefused,
    DispatchWithdrawn,
    FollowupNoted,
    HarmReported,
    HistoryEnded,
    HouseholdConcerned,
    HouseholdNoteAdded,
    HouseholdNoteRetired,
    ImmediateMeasuresTaken,
    IncidentCaseAttached,
    IncidentCaseDetached,
    IncidentClosed,
    IncidentInformed,
    IncidentLetterPublished,
    IncidentOpened,
    QuoteAccepted,
    QuoteDeclined,
    QuoteGiven,
    ResultTold,
    SatisfactionGiven,
    SeverityRaised,
    SolutionProposed,
)
from steward_events.notify import (
    MessageDelivered,
    MessageFact,
    MessageFailed,
    MessageRequested,
    MessageSent,
    MessageSuppressed,
    MessageUnknown,
)
from steward_events.recorded import Recorded
from steward_events.registry import (
    CommitteeRegistered,
    DepartmentRegistered,
    GroupRegistered,
    HouseholdRegistered,
    PersonRegistered,
    PolicyPublished,
    ProjectRegistered,
    RoleAssigned,
    RoleEnded,
    StaffRegistered,
    SubjectErased,
    SuggestionBoxRegistered,
    ZoneAssigned,
)
from steward_events.sealed import Sealed
from steward_events.sla import ClockBreached, ClockFact, MajorByAge
from steward_events.visits import (
    FollowupDone,
    FollowupDue,
    FollowupOverdue,
    FollowupWaived,
    VisitDone,
    VisitStruck,
)
from steward_events.vocabulary import IssuedDocument, Part
from steward_eventstore.port import Change, Delete, Increment, Upsert
from steward_service.roles import keep_stand_ins, role_tables

METADATA = MetaData()

GROUPS = Table(
    "groups",
    METADATA,
    Column("group_id", Text, primary_key=True),
    Column("name", Text, nullable=False, default=""),
    Column("changed_at", DateTime(timezone=True)),
)

PROJECTS = Table(
    "projects",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False, default=""),
    Column("name", Text, nullable=False, default=""),
    Column("zone", Text, nullable=False, default=""),
    Column("policy", Text, nullable=False, default=""),
    Column("changed_at", DateTime(timezone=True)),
)

HOUSEHOLDS = Table(
    "households",
    METADATA,
    Column("household_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("address", Text),
    Column("key", Boolean, nullable=False, default=False),
    Column("changed_at", DateTime(timezone=True)),
    Index("households_changed", "changed_at", "household_id"),
    Index("households_project", "project_id", "changed_at", "household_id"),
)

PEOPLE = Table(
    "people",
    METADATA,
    Column("person_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("household_id", Text, nullable=False, default=""),
    Column("name", Text),
    Column("phone", Text),
    Column("email", Text),
    Column("language", Text, nullable=False, default=""),
    Column("moved_in", Date),
    Column("moved_out", Date),
    Column("changed_at", DateTime(timezone=True)),
    Index("people_changed", "changed_at", "person_id"),
    Index("people_household", "household_id"),
    Index("people_project", "project_id", "changed_at", "person_id"),
)

STAFF = Table(
    "staff",
    METADATA,
    Column("person_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False, default=""),
    Column("name", Text),
    Column("phone", Text),
    Column("email", Text),
    Column("language", Text, nullable=False, default=""),
    Column("changed_at", DateTime(timezone=True)),
)

ROLES = Table(
    "roles",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("person_id", Text, primary_key=True),
    Column("changed_at", DateTime(timezone=True)),
)

ACTING = role_tables(METADATA, ROLES)

DEPARTMENTS = Table(
    "departments",
    METADATA,
    Column("department_id", Text, primary_key=True),
    Column("project_id", Text),
    Column("group_id", Text),
    Column("name", Text, nullable=False, default=""),
    Column("calendar", Text, nullable=False, default=""),
    Column("head", Text),
    Column("changed_at", DateTime(timezone=True)),
)

ZONES = Table(
    "zones",
    METADATA,
    Column("zone_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("person_id", Text, nullable=False, default=""),
    Column("name", Text, nullable=False, default=""),
    Column("buildings", ARRAY(Text), nullable=False),
    Column("households", ARRAY(Text), nullable=False),
    Column("changed_at", DateTime(timezone=True)),
)

POLICIES = Table(
    "policies",
    METADATA,
    Column("pack", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("sha256", Text, nullable=False, default=""),
    Column("effective_from", DateTime(timezone=True)),
    Column("group_id", Text),
    Column("project_id", Text),
    Column("text", Text, nullable=False, default=""),
    Column("changed_at", DateTime(timezone=True)),
)

CASES = Table(
    "cases",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("number", Text, nullable=False, default=""),
    Column("project_id", Text, nullable=False, default=""),
    Column("household_id", Text),
    Column("kind", Text, nullable=False, default=""),
    Column("channel", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="open"),
    Column("topic", Text, nullable=False, default=""),
    Column("validity", Text),
    Column("severity", Text),
    Column("urgency", Text),
    Column("work_category", Text),
    Column("round", Integer, nullable=False, default=1),
    Column("owner_id", Text),
    Column("department", Text),
    Column("harm_ongoing", Boolean, nullable=False, default=False),
    Column("moved_from", Text),
    Column("party", Text, nullable=False, default=""),
    Column("committee_id", Text),
    Column("visit_id", Text),
    Column("followup_id", Text),
    Column("document", Text),
    Column("document_author", Text),
    Column("lacks", ARRAY(Text), nullable=False, default=()),
    Column("goes_on_in", Text),
    Column("incident_id", Text),
    Column("place", Text, nullable=False, default=""),
    Column("area", Text),
    Column("asset", Text, nullable=False, default=""),
    Column("quote", Text),
    Column("quoted", BigInteger),
    Column("chased", Integer, nullable=False, default=0),
    Column("satisfaction", Integer),
    Column("followed_up_round", Integer, nullable=False, default=0),
    Column("received_at", DateTime(timezone=True)),
    Column("classified_at", DateTime(timezone=True)),
    Column("accepted_at", DateTime(timezone=True)),
    Column("handled_at", DateTime(timezone=True)),
    Column("told_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("history_until", DateTime(timezone=True)),
    Column("external_source", Text),
    Column("external_subject", Text),
    Column("version", Integer, nullable=False, default=0),
    Column("changed_at", DateTime(timezone=True)),
    Index("cases_changed", "changed_at", "case_id"),
    Index("cases_project", "project_id", "changed_at", "case_id"),
    Index("cases_household", "household_id", "received_at"),
    Index("cases_committee", "committee_id", postgresql_where=text("committee_id IS NOT NULL")),
    Index("cases_visit", "visit_id", postgresql_where=text("visit_id IS NOT NULL")),
    Index("cases_followup", "followup_id", postgresql_where=text("followup_id IS NOT NULL")),
    Index(
        "cases_place", "project_id", "place", "received_at", postgresql_where=text("place <> ''")
    ),
    Index(
        "cases_asset", "project_id", "asset", "received_at", postgresql_where=text("asset <> ''")
    ),
    Index("cases_incident", "incident_id", postgresql_where=text("incident_id IS NOT NULL")),
    Index("cases_author", "document_author", postgresql_where=text("document_author IS NOT NULL")),
)

CASE_CONCERNS = Table(
    "case_concerns",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("household_id", Text, primary_key=True),
    Column("part", Text, nullable=False),
    Index("case_concerns_household", "household_id"),
)

GOES_ON = ("open", "waiting", "handled", "told")
"""Of the statuses of a case those in which something is still owed."""

COMMITTEES = Table(
    "committees",
    METADATA,
    Column("committee_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("name", Text, nullable=False, default=""),
    Column("phone", Text),
    Column("email", Text),
    Column("members", ARRAY(Text), nullable=False),
    Column("chair", Text),
    Column("changed_at", DateTime(timezone=True)),
)

SUGGESTION_BOXES = Table(
    "suggestion_boxes",
    METADATA,
    Column("box_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("place", Text, nullable=False, default=""),
    Column("removed", Boolean, nullable=False, default=False),
    Column("opened_at", DateTime(timezone=True)),
    Column("opened_by", Text),
    Column("changed_at", DateTime(timezone=True)),
)

HOUSEHOLD_NOTES = Table(
    "household_notes",
    METADATA,
    Column("note_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("household_id", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("case_id", Text),
    Column("person_id", Text),
    Column("added_at", DateTime(timezone=True)),
    Column("until", DateTime(timezone=True)),
    Index("household_notes_household", "household_id"),
)

INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("incident_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, default=""),
    Column("title", Text, nullable=False, default=""),
    Column("cause", Text, nullable=False, default=""),
    Column("status", Text, nullable=False, default="open"),
    Column("attached", Integer, nullable=False, default=0),
    Column("opened_at", DateTime(timezone=True)),
    Column("opened_by", Text),
    Column("informed_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("changed_at", DateTime(timezone=True)),
    Index("incidents_changed", "changed_at", "incident_id"),
    Index("incidents_project", "project_id", "changed_at", "incident_id"),
)

ATTACHMENTS = Table(
    "attachments",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("box", LargeBinary, nullable=False),
    Index("attachments_subject", "subject"),
    info={"projected": False},  # the files themselves; the facts hold only their digests
)

HEARD_FACTS = Table(
    "heard_facts",
    METADATA,
    Column("stream_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("case_id", Text),
    Column("household_id", Text),
    Column("occurred_at", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True)),
    Column("known_at", DateTime(timezone=True)),
    Column("history", DateTime(timezone=True)),
    Column("data", Text, nullable=False),
    Index("heard_facts_case", "case_id"),
    Index("heard_facts_household", "household_id"),
)
"""What the others have told of households and their cases, as it came: what is sealed stays so."""

CASE_RULES = Table(
    "case_rules",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
)
"""By which rules something was owed or missed in a case, as the others have told."""

CASE_NUMBERS = Table(
    "case_numbers",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False, default=0),
    info={"projected": False},  # counted at the edge; gaps are allowed, so it is not rebuilt
)

ERASURES = Table(
    "erasures",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("because_of", Text, nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("asked_by", Text),
    Column("project_id", Text),
    Column("group_id", Text),
    Column("erased_at", DateTime(timezone=True)),
    Column("changed_at", DateTime(timezone=True)),
    Index("erasures_changed", "changed_at", "subject"),
)

_NEEDS_KEYS = {"projected": False}  # made with the keys at hand, behind the facts

SEALED_TEXTS = Table(
    "sealed_texts",
    METADATA,
    Column("value_id", Text, primary_key=True),
    Column("stream_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("terms", ARRAY(Text), nullable=False),
    Index("sealed_texts_terms", "terms", postgresql_using="gin"),
    Index("sealed_texts_subject", "subject"),
    Index("sealed_texts_stream", "stream_id"),
    info=_NEEDS_KEYS,
)

SEALED_TEXTS_READ = Table(
    "sealed_texts_read",
    METADATA,
    Column("singleton", Boolean, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("xid", BigInteger, nullable=False),
    Column("pos", BigInteger, nullable=False),
    info=_NEEDS_KEYS,
)


MENDING = (
    # Numbers that were given after the back-up are not given again.
    """
    INSERT INTO case_numbers AS n (project_id, year, last)
    SELECT part[1], part[2]::integer, max(part[3]::integer)
      FROM (SELECT regexp_match(number, '^(.+)-([0-9]{4})-([0-9]{5,9})$') AS part FROM cases) AS c
     WHERE part IS NOT NULL GROUP BY 1, 2
    ON CONFLICT (project_id, year) DO UPDATE SET last = greatest(n.last, excluded.last)
    """,
)
"""What is made good after a restore, beside the read models."""


def project(recorded: Recorded) -> Iterable[Change]:
    """Give the changes that a fact makes."""
    yield from keep_stand_ins(ACTING, recorded)
    changed = {"changed_at": recorded.recorded_at}
    match recorded.fact:
        case GroupRegistered() as fact:
            yield Upsert(GROUPS, fact.model_dump() | changed)
        case ProjectRegistered() as fact:
            yield Upsert(PROJECTS, fact.model_dump() | changed)
        case HouseholdRegistered() as fact:
            yield Upsert(HOUSEHOLDS, _row(fact) | changed)
        case PersonRegistered() as fact:
            yield Upsert(PEOPLE, _row(fact) | changed)
        case StaffRegistered() as fact:
            yield Upsert(STAFF, _row(fact) | changed)
        case RoleAssigned() as fact:
            yield Upsert(ROLES, fact.model_dump() | changed)
        case RoleEnded() as fact:
            yield Delete(ROLES, fact.model_dump(exclude={"successor"}))
        case DepartmentRegistered() as fact:
            yield Upsert(DEPARTMENTS, fact.model_dump() | changed)
        case ZoneAssigned() as fact:
            yield Upsert(ZONES, fact.model_dump() | changed)
        case CommitteeRegistered() as fact:
            yield Upsert(COMMITTEES, _row(fact) | changed)
        case SuggestionBoxRegistered() as fact:
            row = fact.model_dump(include={"box_id", "project_id", "place", "removed"})
            yield Upsert(SUGGESTION_BOXES, row | changed)
        case BoxOpened() as fact:
            opened = {"opened_at": recorded.occurred_at, "opened_by": fact.person_id}
            yield Upsert(SUGGESTION_BOXES, {"box_id": fact.box_id} | opened | changed)
        case HouseholdNoteAdded() as fact:
            row = fact.model_dump(exclude={"note"}) | {"added_at": recorded.occurred_at}
            note = fact.note.model_dump_json() if fact.note else ""
            yield Upsert(HOUSEHOLD_NOTES, row | {"note": note})
        case HouseholdNoteRetired() as fact:
            yield Delete(HOUSEHOLD_NOTES, {"note_id": fact.note_id})
        case (
            IncidentOpened()
            | IncidentCaseAttached()
            | IncidentCaseDetached()
            | IncidentInformed()
            | IncidentLetterPublished()
            | IncidentClosed()
        ) as fact:
            yield from _incident(recorded, fact)
        case PolicyPublished() as fact:
            yield Upsert(POLICIES, fact.model_dump() | changed)
        case SubjectErased() as fact:
            erased = {"reason": str(fact.reason), "erased_at": recorded.occurred_at}
            yield Upsert(ERASURES, fact.model_dump() | erased | changed)
        case (
            FollowupDue()
            | FollowupDone()
            | FollowupWaived()
            | FollowupOverdue()
            | VisitDone()
            | VisitStruck()
            | MessageRequested()
            | MessageSent()
            | MessageDelivered()
            | MessageFailed()
            | MessageUnknown()
            | MessageSuppressed()
            | ClockBreached()
            | MajorByAge()
        ) as fact:
            yield from _heard(recorded, fact)
        case None:
            return
        case _ if recorded.stream.startswith("case-") and recorded.type.startswith("intake."):
            yield from _case(recorded)
        case _:
            return


def _incident(
    recorded: Recorded,
    fact: IncidentOpened
    | IncidentCaseAttached
    | IncidentCaseDetached
    | IncidentInformed
    | IncidentLetterPublished
    | IncidentClosed,
) -> Iterable[Change]:
    key, at = {"incident_id": fact.incident}, recorded.occurred_at
    values: dict[str, Any] = {}
    match fact:
        case IncidentOpened():
            values = fact.model_dump(include={"title", "cause"})
            values |= {"project_id": fact.project, "opened_at": at, "opened_by": fact.person_id}
        case IncidentCaseAttached():
            yield Increment(INCIDENTS, key, {"attached": 1})
        case IncidentCaseDetached():
            yield Increment(INCIDENTS, key, {"attached": -1})
        case IncidentLetterPublished():
            pass  # its story tells it
        case IncidentInformed():
            values = {"informed_at": at}
        case IncidentClosed():
            values = {"status": "closed", "closed_at": at}
        case _:
            assert_never(fact)
    yield Upsert(INCIDENTS, key | values | {"changed_at": recorded.recorded_at})


def _heard(recorded: Recorded, fact: Fact) -> Iterable[Change]:
    """Keep what is of a household's story, and by which rule something was owed or missed."""
    case_id = getattr(fact, "case_id", None)
    match fact:
        case ClockBreached() | MajorByAge() | FollowupDue():
            for rule in fact.rule:
                yield Upsert(CASE_RULES, {"case_id": fact.case_id, "rule": rule})
        case MessageFact():
            # Those to a case's owner stand in a stream with its name; staff are told in others.
            # A household's story has each delivery once.
            kind, _, case_id = recorded.stream.partition("-")
            if kind != "owner" or (isinstance(fact, MessageDelivered) and fact.again):
                return
        case _:
            pass
    if not isinstance(fact, ClockFact):
        yield Upsert(
            HEARD_FACTS,
            {
                "stream_id": recorded.stream,
                "version": recorded.version,
                "event_id": str(recorded.id),
                "type": recorded.type,
                "case_id": case_id,
                "household_id": getattr(fact, "household_id", None),
                "occurred_at": recorded.occurred_at,
                "recorded_at": recorded.recorded_at,
                "known_at": recorded.known_at,
                "history": recorded.history,
                # In one order, whichever way the fact was read.
                "data": json.dumps(fact.model_dump(mode="json"), sort_keys=True),
            },
        )


def _case(recorded: Recorded) -> Iterable[Change]:
    case_id = recorded.stream.removeprefix("case-")
    values = {
        "case_id": case_id,
        "version": recorded.version,
        "changed_at": recorded.recorded_at,
        **_case_values(recorded),
    }
    yield Upsert(CASES, values)
    match recorded.fact:
        case CaseChased():
            yield Increment(CASES, {"case_id": case_id}, {"chased": 1})
        case CaseReceived(concerns=concerns):
            for other in concerns:
                yield _concern(case_id, other.household_id, other.part)
        case HouseholdConcerned(household_id=household_id, part=part):
            yield _concern(case_id, household_id, part)
        case CaseCorrected(household_id=str(household_id)):
            yield _concern(case_id, household_id, None)
        case _:
            pass


def _concern(case_id: str, household_id: str, part: Part | None) -> Change:
    key = {"case_id": case_id, "household_id": household_id}
    return (
        Delete(CASE_CONCERNS, key)
        if part is None
        else Upsert(CASE_CONCERNS, key | {"part": str(part)})
    )


def _case_values(recorded: Recorded) -> dict[str, Any]:
    at = recorded.occurred_at
    match recorded.fact:
        case CaseReceived() as fact:
            return {
                "number": fact.number,
                "project_id": fact.project_id,
                "household_id": fact.household_id,
                "kind": str(fact.kind),
                "channel": fact.came_by or str(fact.channel),
                "status": "open",
                "topic": fact.topic,
                "harm_ongoing": fact.harm_ongoing,
                "moved_from": fact.moved_from,
                "party": str(fact.party),
                "committee_id": fact.committee_id,
                "visit_id": fact.visit_id,
                "followup_id": fact.followup_id,
                **_document(fact.document),
                "place": fact.place,
                "area": _word(fact.area),
                "asset": fact.asset,
                "lacks": fact.lacks,
                "received_at": at,
                "external_source": fact.external.source if fact.external else None,
                "external_subject": fact.external.subject if fact.external else None,
            }
        case CaseClassified() as fact:
            values: dict[str, Any] = {
                "validity": _word(fact.validity),
                "severity": _word(fact.severity),
                "urgency": str(fact.urgency),
                "work_category": _word(fact.work_category),
                "classified_at": at,
            }
            return values | ({"topic": fact.topic} if fact.topic else {})
        case CaseAssigned() as fact:
            return {"owner_id": fact.person_id}
        case CaseCorrected() as fact:
            corrected = {
                "household_id": fact.household_id,
                "topic": fact.topic,
                "place": fact.place,
                "area": _word(fact.area),
                "asset": fact.asset,
                "lacks": fact.lacks,
                **_document(fact.document),
            }
            return {name: value for name, value in corrected.items() if value is not None}
        case QuoteGiven() as fact:
            return {"quote": "given", "quoted": fact.amount}
        case QuoteAccepted(quoted=int() as quoted):
            return {"quote": "accepted", "quoted": quoted}
        case QuoteAccepted():
            return {"quote": "accepted"}
        case QuoteDeclined(stands=str()) as fact:
            return {"quote": "accepted", "quoted": fact.stands_at}
        case QuoteDeclined():
            return {"quote": "declined"}
        case SolutionProposed(quote_falls=True):
            return {"quote": None, "quoted": None}
        case SeverityRaised() as fact:
            return {"severity": str(fact.severity)}
        case CaseAbsorbed() as fact:
            severity = {"severity": str(fact.severity)} if fact.severity else {}
            return {"received_at": fact.received_at, **severity}
        case CaseDispatched() as fact:
            return {"department": fact.department}
        case DispatchRefused() | DispatchWithdrawn():
            return {"department": None}
        case HarmReported():
            return {"harm_ongoing": True}
        case ImmediateMeasuresTaken():
            return {"harm_ongoing": False}
        case CaseAccepted():
            return {"accepted_at": at}
        case CasePaused():
            return {"status": "waiting"}
        case CaseResumed():
            return {"status": "open"}
        case CaseHandled():
            return {"status": "handled", "handled_at": at}
        case ResultTold():
            return {"status": "told", "told_at": at}
        case SatisfactionGiven() as fact:
            return {"satisfaction": fact.score}
        case FollowupNoted() as fact:
            return {"followed_up_round": fact.round}
        case CaseClosed():
            return {"status": "closed", "closed_at": at}
        case CaseRefused():
            return {"status": "refused", "closed_at": at}
        case CaseWithdrawn():
            return {"status": "withdrawn", "closed_at": at}
        case CaseMerged() as fact:
            return {"status": "merged", "goes_on_in": fact.into, "closed_at": at}
        case CaseMovedOut() as fact:
            return {"status": "moved_out", "goes_on_in": fact.to_case, "closed_at": at}
        case CaseReopened() as fact:
            return {
                "status": "open",
                "round": fact.round,
                "quote": None,
                "quoted": None,
                "department": None,
                "accepted_at": None,
                "handled_at": None,
                "told_at": None,
                "closed_at": None,
                "satisfaction": None,
            }
        case CaseJoinedIncident() as fact:
            return {"incident_id": fact.incident_id}
        case CaseLeftIncident():
            return {"incident_id": None}
        case HistoryEnded() as fact:
            return {"history_until": fact.until}
        case _:
            return {}


def _row(
    fact: HouseholdRegistered | PersonRegistered | StaffRegistered | CommitteeRegistered,
) -> dict[str, Any]:
    row = {
        name: value.model_dump_json() if isinstance(value, Sealed) else value
        for name, value in fact
    }
    if isinstance(fact, PersonRegistered | StaffRegistered):
        row["language"] = str(fact.language)
    return row


def _document(document: IssuedDocument | None) -> dict[str, Any]:
    if document is None:
        return {}
    return {
        "document": document.document_id or document.title,
        "document_author": document.author,
    }


def _word(value: object) -> str | None:
    return None if value is None else str(value)
