"""Facts of intake about cases: their whole story."""

from typing import Literal

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import (
    Channel,
    External,
    Id,
    Instant,
    Kind,
    Party,
    Role,
    Severity,
    Urgency,
    Validity,
    Word,
    WorkCategory,
)


class CaseReceived(Fact, name="intake.case_received"):
    """A case was taken in and given a number. Starts its clocks.

    `occurred_at` is when the owner spoke, not when we stored it: a paper form typed in two days
    later is already two days old.
    """

    rules = ("RC-2", "RM-3.5", "RM-4.7")

    case_id: Id
    number: Word
    project_id: Id
    zone: Word
    """The project's time zone, in which its days end."""
    policy: Word
    """Pack and version that the case was taken in under, as `residential-cn@2026.1`."""
    kind: Kind
    channel: Channel = Channel.SYSTEM
    party: Party = Party.HOUSEHOLD
    household_id: Id | None = None
    topic: Word = ""
    summary: Sealed | None = None
    description: Sealed | None = None
    reporter_name: Sealed | None = None
    reporter_phone: Sealed | None = None
    reporter_email: Sealed | None = None
    complained_of: Word = ""
    owner_requested_date: Instant | None = None
    posted_at: Instant | None = None
    handed_over_at: Instant | None = None
    harm_ongoing: bool = False
    received_by: Id | None = None
    external: External | None = None
    date_only: bool = False
    """The source knew the day and not the hour; the hour was spread by rule."""


class CaseClassified(Fact, name="intake.case_classified"):
    """A person decided what the case is. Chooses its targets."""

    rules = ("RM-3.4", "RC-4.2")

    case_id: Id
    validity: Validity | None = None
    ground: Word = ""
    severity: Severity | None = None
    topic: Word = ""
    urgency: Urgency = Urgency.ORDINARY
    work_category: WorkCategory | None = None
    rework_of: Id | None = None
    cause: Literal["first", "correction", "new_facts", "age"] = "first"
    classified_by: Id | None = None


class CaseAssigned(Fact, name="intake.case_assigned"):
    """A named person owns the case from now on."""

    case_id: Id
    person_id: Id
    before: Id | None = None
    reason: Word = ""


class CaseAccepted(Fact, name="intake.case_accepted"):
    """Somebody of this role took the case into the procedure. Stops the forwarding clocks."""

    rules = ("RM-4.5.2b",)

    case_id: Id
    person_id: Id | None = None
    role: Role


class CaseChased(Fact, name="intake.case_chased"):
    """The owner asked again; no new clock."""

    case_id: Id
    chase_id: Id | None = None
    channel: Channel = Channel.PHONE
    demand: Sealed | None = None


class ProgressReported(Fact, name="intake.progress_reported"):
    """Whoever works on the case says how far it is."""

    rules = ("RM-3.3", "RC-5.3")

    case_id: Id
    report_id: Id
    department: Word = ""
    text: Sealed | None = None
    person_id: Id | None = None


class CasePaused(Fact, name="intake.case_paused"):
    """Waiting for the owner, until a date; only some clocks pause."""

    case_id: Id
    reason: Literal["waiting_owner"]
    resume_on: Instant


class CaseResumed(Fact, name="intake.case_resumed"):
    """The wait is over."""

    case_id: Id


class CaseHandled(Fact, name="intake.case_handled"):
    """The work is done. Stops the resolving clocks and owes the follow-up."""

    rules = ("RM-4.6.1", "RM-4.6.2a")

    case_id: Id
    round: int = 1
    person_id: Id | None = None
    corrective: Sealed | None = None
    preventive: Sealed | None = None


class ResultTold(Fact, name="intake.result_told"):
    """The result reached the owner."""

    rules = ("RM-4.6.3",)

    case_id: Id
    round: int = 1
    how: Literal["in_person", "phone", "message", "letter"]
    person_id: Id | None = None


class FollowupNoted(Fact, name="intake.followup_noted"):
    """Visits says that this round's follow-up is done or owed no longer: the case may close."""

    rules = ("RM-4.6.4a",)

    case_id: Id
    followup_id: Id
    round: int
    outcome: Literal["done", "waived"]


class SatisfactionGiven(Fact, name="intake.satisfaction_given"):
    """The owner said how content they are, 1 to 5."""

    case_id: Id
    score: int
    remark: Sealed | None = None


class CaseClosed(Fact, name="intake.case_closed"):
    """Nothing more is owed; `missing` lists what a closing from elsewhere left out."""

    case_id: Id
    round: int = 1
    by: Literal["steward", "external", "history"] = "steward"
    missing: tuple[Word, ...] = ()


class CaseReopened(Fact, name="intake.case_reopened"):
    """It was not resolved after all: the next round begins."""

    case_id: Id
    round: int
    reason: Literal["owner", "followup", "external"] = "owner"


class HistoryEnded(Fact, name="intake.history_ended"):
    """What came before `until` was imported; from here the case is live."""

    case_id: Id
    until: Instant
